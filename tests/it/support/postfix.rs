//! A private instance of Debian's Postfix, with its own folder and its own loopback ports.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::has_program;

/// The login that Postfix accepts.
pub const USER: &str = "relay-user";
pub const PASSWORD: &str = "hush-8d2f61c0";

/// A Postfix that delivers mail for `example.com` into a Maildir.
///
/// It rejects `gone@example.com`, accepts mail for `late@example.com` and bounces it, and defers the first attempt for a
/// recipient that starts with `grey`.
pub struct Postfix {
    folder: TempDir,
    /// Needs no login. With a certificate, it offers STARTTLS.
    pub port: u16,
    /// Requires STARTTLS and a login.
    pub submission: u16,
    /// Requires implicit TLS and a login.
    pub submissions: u16,
}

impl Postfix {
    /// Whether Postfix can run here.
    pub fn is_available() -> bool {
        has_program("postfix") && geteuid().is_root()
    }

    /// `chain` is the PEM of a key and its certificate.
    pub fn start(chain: Option<&str>) -> Self {
        let folder = TempDir::with_prefix("postfix").expect("a folder");
        let (port, submission, submissions) = (free_port(), free_port(), free_port());
        let policy = greylist();
        let accounts = accounts();
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("a mode");
        let user = |what| id(what, "postfix");
        for name in ["queue", "data", "mail", "log"] {
            fs::create_dir(root.join(name)).expect("a folder");
        }
        let (uid, gid) = (user("-u"), user("-g"));
        for name in ["data", "mail"] {
            chown(root.join(name), Some(uid), Some(gid)).expect("an owner");
        }
        let tls = chain.map_or(String::new(), |chain| {
            let path = root.join("chain.pem");
            fs::write(&path, chain).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            format!(
                "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {}\n",
                path.display()
            )
        });
        let root = root.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
             setgid_group = postdrop\nmaillog_file = {root}/log/mail.log\nmaillog_file_prefixes = {root}\n\
             inet_interfaces = loopback-only\ninet_protocols = ipv4\nmyhostname = mx.example.com\n\
             mydestination =\nalias_maps =\nvirtual_mailbox_domains = example.com\n\
             virtual_mailbox_maps = static:box/\nvirtual_mailbox_base = {root}/mail\n\
             virtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\n\
             transport_maps = inline:{{ {{ late@example.com = gone: }} }}\n\
             smtpd_helo_required = yes\n\
             smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname\n\
             smtpd_relay_restrictions = reject_unauth_destination\n\
             smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ gone@example.com = 550 5.1.1 \
             nobody here of that name }} }}, check_policy_service inet:127.0.0.1:{policy}\n\
             smtpd_forbid_bare_newline = yes\nsmtpd_sasl_type = dovecot\n\
             smtpd_sasl_path = inet:127.0.0.1:{accounts}\nsmtpd_tls_auth_only = yes\n{tls}"
        );
        let login = "-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject";
        let master = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\n\
             127.0.0.1:{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt {login}\n\
             127.0.0.1:{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {login}\n\
             cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n\
             bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
             proxymap unix - - n - - proxymap\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
             virtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\n\
             gone unix - n n - - pipe user=nobody argv=/bin/sh -c {{echo 5.1.1 the mailbox is gone; exit 67}}\n\
             smtp unix - - n - - smtp\npostlog unix-dgram n - n - 1 postlogd\n"
        );
        fs::write(folder.path().join("main.cf"), main).expect("a file");
        fs::write(folder.path().join("master.cf"), master).expect("a file");
        let postfix = Self {
            folder,
            port,
            submission,
            submissions,
        };
        postfix.control("start");
        postfix
    }

    fn control(&self, command: &str) {
        let status = Command::new("postfix")
            .arg("-c")
            .arg(self.folder.path())
            .arg(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(
            status.expect("postfix runs").success(),
            "postfix {command}: {}",
            self.log()
        );
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log/mail.log")).unwrap_or_default()
    }

    /// The Maildir of all recipients.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail/box")
    }

    /// The delivered messages.
    pub fn mail(&self) -> Vec<Vec<u8>> {
        files(&self.maildir().join("new"))
            .iter()
            .map(|path| fs::read(path).expect("a message"))
            .collect()
    }

    /// How many messages are delivered.
    pub fn count(&self) -> usize {
        files(&self.maildir().join("new")).len()
    }

    /// The recipients of the delivered messages.
    pub fn recipients(&self) -> Vec<String> {
        let paths = files(&self.maildir().join("new"));
        let recipient = |path: &PathBuf| {
            let message = fs::read(path).expect("a message");
            let text = String::from_utf8_lossy(&message);
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("Delivered-To: "));
            line.expect("Postfix writes it").to_owned()
        };
        paths.iter().map(recipient).collect()
    }

    /// Waits until this many messages are delivered, and returns them.
    #[track_caller]
    pub fn wait_for(&self, messages: usize) -> Vec<Vec<u8>> {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let mail = self.mail();
            if mail.len() >= messages {
                return mail;
            }
            let delivered = mail.len();
            assert!(
                Instant::now() < limit,
                "{delivered} of {messages} messages were delivered\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let mut stop = Command::new("postfix");
        stop.arg("-c").arg(self.folder.path()).arg("stop");
        // It may never have started.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn id(what: &str, user: &str) -> u32 {
    let output = Command::new("id").arg(what).arg(user).output();
    let output = output.expect("id runs").stdout;
    let text = String::from_utf8(output).expect("a number");
    text.trim().parse().expect("a number")
}

/// A port that is unused at the moment, below those that the system gives to connections and to port 0.
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    loop {
        let next = first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + u16::try_from(next).expect("a small number");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Serves connections on a new port until the test ends.
fn service(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// A policy server (SMTPD_POLICY_README) that defers the first attempt for recipients starting with `grey`.
fn greylist() -> u16 {
    let attempted = std::sync::Arc::new(std::sync::Mutex::new(HashSet::new()));
    service(move |stream| {
        let mut writer = stream.try_clone().expect("a stream");
        let mut recipient = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("recipient=") {
                recipient = address.to_owned();
            }
            if !line.is_empty() {
                continue;
            }
            let grey = recipient.starts_with("grey");
            let is_first = attempted.lock().expect("a lock").insert(recipient.clone());
            let action = if grey && is_first {
                "450 4.2.0 greylisted, come back later"
            } else {
                "DUNNO"
            };
            if write!(writer, "action={action}\n\n").is_err() {
                return;
            }
        }
    })
}

/// An authentication server that speaks Dovecot's protocol.
fn accounts() -> u16 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    service(|stream| {
        let mut writer = stream.try_clone().expect("a stream");
        let hello = "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n";
        if writer.write_all(hello.as_bytes()).is_err() {
            return;
        }
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let fields: Vec<_> = line.split('\t').collect();
            let ["AUTH", id, "PLAIN", rest @ ..] = &fields[..] else {
                continue;
            };
            let given = rest.iter().find_map(|field| field.strip_prefix("resp="));
            let right = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
            let answer = if given == Some(&right) {
                format!("OK\t{id}\tuser={USER}\n")
            } else {
                format!("FAIL\t{id}\tuser={USER}\n")
            };
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}
