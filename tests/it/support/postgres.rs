//! Private PostgreSQL clusters, each with its own folder and its own loopback port.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use super::postfix::free_port;

/// The superuser of every cluster.
pub const USER: &str = "postgres";
/// How long a server may take to start, stop or catch up.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A server. It stops on drop, or when the tests end.
pub struct Cluster {
    port: u16,
    server: Option<Child>,
    // Stops the server and deletes the folder at the end of its standard input, even if the tests are killed.
    guard: Child,
    folder: PathBuf,
    /// Where it listens.
    addresses: &'static str,
}

/// How [`Cluster::stop`] stops the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Aborts transactions and ends in order.
    Fast,
    /// Ends at once, as after a crash. The next start recovers.
    Immediate,
}

/// What differs from a cluster that trusts everyone on this machine.
#[derive(Default)]
pub struct Setup<'a> {
    /// The superuser's password, for connections by TCP.
    pub password: Option<&'a str>,
    /// The PEM of a key and its certificate.
    pub tls: Option<&'a str>,
    /// Lines of `postgresql.conf`.
    pub settings: &'a str,
    /// A network, as CIDR, from which connections are trusted too. The server then listens on all addresses.
    pub network: Option<&'a str>,
}

impl Cluster {
    /// Whether PostgreSQL can run here.
    pub fn is_available() -> bool {
        bin().is_some()
    }

    /// A cluster of this test's own.
    pub fn start() -> Self {
        Self::with(&Setup::default())
    }

    /// The cluster that tests share. They must use databases and roles of their own, and not stop it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub fn with(setup: &Setup) -> Self {
        let folder = new_folder();
        let file = |name: &str, content: &str| {
            let path = folder.join(name);
            fs::write(&path, content).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            give(&path);
            path
        };
        let guard = guard(&folder);
        let mut initdb = program(&folder, "initdb");
        initdb.args([
            "--no-sync",
            "--username",
            USER,
            "--encoding=UTF8",
            "--locale=C",
        ]);
        initdb
            .args(["--auth-local=trust", "--pgdata"])
            .arg(folder.join("data"));
        match setup.password {
            Some(password) => {
                let path = file("password", password);
                initdb
                    .arg("--auth-host=scram-sha-256")
                    .arg("--pwfile")
                    .arg(path)
            }
            None => initdb.arg("--auth-host=trust"),
        };
        succeed(&mut initdb);
        // The defaults of fsync and synchronous_commit stay: mailrun demands them.
        let mut settings = String::from("shared_buffers = 16MB\njit = off\n");
        if let Some(chain) = setup.tls {
            let chain = file("chain.pem", chain).display().to_string();
            settings += &format!("ssl = on\nssl_cert_file = '{chain}'\nssl_key_file = '{chain}'\n");
        }
        settings += setup.settings;
        append(&folder.join("data/postgresql.conf"), &settings);
        if let Some(network) = setup.network {
            let line = format!("host all all {network} trust\n");
            append(&folder.join("data/pg_hba.conf"), &line);
        }
        let addresses = setup.network.map_or("127.0.0.1", |_| "*");
        Self::serve(folder, guard, addresses)
    }

    /// Starts the server of a folder on a new port.
    fn serve(folder: PathBuf, guard: Child, addresses: &'static str) -> Self {
        let mut cluster = Self {
            port: 0,
            server: None,
            guard,
            folder,
            addresses,
        };
        // Another process may take the port before the server does.
        let started = (0..5).any(|_| cluster.try_start(free_port()));
        assert!(started, "PostgreSQL starts: {}", cluster.log());
        cluster
    }

    /// Starts a stopped server again, on its port.
    pub fn start_again(&mut self) {
        self.start_on(self.port);
    }

    /// Starts a stopped server on another port, such as that of a server that it replaces.
    pub fn start_on(&mut self, port: u16) {
        assert!(self.try_start(port), "it starts again: {}", self.log());
    }

    pub fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.start_again();
    }

    fn try_start(&mut self, port: u16) -> bool {
        assert!(self.server.is_none(), "it runs already");
        self.port = port;
        let mut log = fs::File::options();
        log.create(true).append(true);
        let log = log.open(self.folder.join("log")).expect("a log");
        let mut server = program(&self.folder, "postgres");
        server.arg("-D").arg(self.folder.join("data"));
        server.arg("-k").arg(&self.folder);
        server.args(["-h", self.addresses, "-p", &port.to_string()]);
        server.stdout(Stdio::null()).stderr(log);
        let mut server = server.spawn().expect("PostgreSQL runs");
        let pid = server.id().to_string();
        let limit = Instant::now() + LIMIT;
        loop {
            // Line 1 is its process, line 8 its state.
            let status = fs::read_to_string(self.folder.join("data/postmaster.pid"));
            let status = status.unwrap_or_default();
            let mut lines = status.lines();
            if lines.next() == Some(&pid) && lines.nth(6).map(str::trim) == Some("ready") {
                self.server = Some(server);
                return true;
            }
            if server.try_wait().expect("a child").is_some() {
                return false;
            }
            assert!(Instant::now() < limit, "it is not ready: {}", self.log());
            std::thread::sleep(POLL);
        }
    }

    pub fn stop(&mut self, how: Stop) {
        let mut server = self.server.take().expect("it runs");
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        kill_process(Pid::from_child(&server), signal).expect("the server is there");
        server.wait().expect("the server ends");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The URL of the database `postgres`, for the superuser.
    pub fn url(&self) -> String {
        self.url_of(USER, "postgres")
    }

    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database through the Unix socket.
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("postgres:///{database}?host={folder}&port={port}&user={user}")
    }

    /// Creates a database with a name that no other has, and returns the name.
    pub fn database(&self) -> String {
        let name = unique("db");
        self.psql(&format!("CREATE DATABASE {name}"));
        name
    }

    /// Creates a role with a name that no other has, which may log in, and returns the name.
    pub fn role(&self) -> String {
        let name = unique("role");
        self.psql(&format!("CREATE ROLE {name} LOGIN"));
        name
    }

    /// Runs SQL as the superuser in the database `postgres`. Returns the rows as lines, with | between columns.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in("postgres", sql)
    }

    #[track_caller]
    pub fn psql_in(&self, database: &str, sql: &str) -> String {
        self.psql_as(USER, database, sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// # Errors
    /// What psql writes to standard error.
    pub fn psql_as(&self, user: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = program(&self.folder, "psql");
        psql.arg("-h").arg(&self.folder);
        psql.args(["-p", &self.port.to_string(), "-U", user, "-d", database]);
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = psql.output().expect("psql runs");
        match output.status.success() {
            true => Ok(text(&output.stdout).trim_end().to_owned()),
            false => Err(text(&output.stderr)),
        }
    }

    /// A streaming asynchronous standby of this server, with a port of its own.
    pub fn standby(&self) -> Self {
        let folder = new_folder();
        let guard = guard(&folder);
        let mut backup = program(&folder, "pg_basebackup");
        backup.arg("-h").arg(&self.folder);
        backup.args(["-p", &self.port.to_string(), "-U", USER]);
        backup.args([
            "--no-sync",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "-D",
        ]);
        succeed(backup.arg(folder.join("data")));
        Self::serve(folder, guard, "127.0.0.1")
    }

    /// Waits until a standby has replayed all that this server has committed.
    pub fn wait_for_standby(&self) {
        let caught_up =
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()";
        self.wait_until(caught_up, "1");
    }

    /// Makes this standby receive nothing more: what its primary commits from now on is lost in a promotion.
    pub fn disconnect(&self) {
        self.psql("ALTER SYSTEM SET primary_conninfo = ''");
        self.psql("SELECT pg_reload_conf()");
        self.wait_until("SELECT count(*) FROM pg_stat_wal_receiver", "0");
    }

    /// Makes this standby a primary.
    pub fn promote(&self) {
        self.psql("SELECT pg_promote()");
        self.wait_until("SELECT pg_is_in_recovery()", "f");
    }

    /// Waits until a query of the superuser has this result.
    #[track_caller]
    pub fn wait_until(&self, query: &str, result: &str) {
        let limit = Instant::now() + LIMIT;
        loop {
            let found = self.psql(query);
            if found == result {
                return;
            }
            assert!(Instant::now() < limit, "{query}: {found}\n{}", self.log());
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The server may have been stopped, and a failed test can't do more.
        let _ = self.guard.wait();
        if let Some(server) = &mut self.server {
            let _ = server.wait();
        }
    }
}

fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The folder of the newest version's programs. Debian keeps them off the PATH.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(version)
        .map(|path| path.join("bin"))
}

/// The user and group of the server, which refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let needed = geteuid().is_root();
    needed.then(|| of("postgres").or_else(|| of("nobody")).expect("a user"))
}

fn give(path: &Path) {
    if let Some((user, group)) = owner() {
        chown(path, Some(user), Some(group)).expect("an owner");
    }
}

/// A folder in memory if possible: syncing is slow elsewhere, and mailrun demands it.
fn new_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => TempDir::with_prefix_in("mailrun-pg", memory),
        false => TempDir::with_prefix("mailrun-pg"),
    };
    // The guard deletes it.
    let folder = folder.expect("a folder").keep();
    give(&folder);
    folder
}

fn guard(folder: &Path) -> Child {
    // Ctrl-C reaches all processes of the tests.
    let script = "trap '' HUP INT TERM; read -r _; pid=$(head -n 1 data/postmaster.pid 2>/dev/null) && kill -QUIT \"$pid\"; \
                  while kill -0 \"$pid\" 2>/dev/null && [ -e data/postmaster.pid ]; do sleep 0.01; done; \
                  cd / && rm -rf \"$0\"";
    Command::new("sh")
        .args(["-c", script])
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

/// A program of PostgreSQL, as the user of the server and without its settings from the environment.
fn program(folder: &Path, name: impl AsRef<OsStr>) -> Command {
    let bin = bin().expect("PostgreSQL is installed");
    let mut command = Command::new(bin.join(name.as_ref()));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir(folder)
        .stdin(Stdio::null());
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn append(path: &Path, lines: &str) {
    let old = fs::read_to_string(path).expect("a file");
    fs::write(path, old + lines).expect("a file");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
