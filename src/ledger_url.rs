//! The URL of a ledger in PostgreSQL: `postgres://USER@HOST:PORT/DATABASE?sslmode=…&sslrootcert=…`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

/// Where a ledger is. It never contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerUrl {
    text: String,
    host: Host,
    port: Option<u16>,
    user: Option<String>,
    database: Option<String>,
    tls: bool,
    root_certificates: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A host name in ASCII, or an IP address.
    Tcp(String),
    /// The folder of a Unix socket.
    Unix(PathBuf),
}

/// What is wrong with a URL, and how to fix it. Neither has any part of the URL that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LedgerUrlError {
    pub message: String,
    pub help: &'static str,
}

const HELP: &str = "write postgres://USER@HOST/DATABASE, or postgres://USER@HOST:PORT/DATABASE";
const SOCKET_HELP: &str =
    "write the folder of the socket as in postgres:///DATABASE?host=/var/run/postgresql&user=USER";
const PASSWORD_HELP: &str = "remove it, and set PGPASSWORD in the environment, or `password_command` in [ledger] of campaign.toml";
const TLS_HELP: &str = "use sslmode=verify-full, which is the default for hosts that are not local";

fn error(message: impl Into<String>, help: &'static str) -> LedgerUrlError {
    LedgerUrlError {
        message: message.into(),
        help,
    }
}

impl LedgerUrl {
    /// # Errors
    /// If it is not such a URL, contains a password, or would send data without TLS to another machine.
    pub fn parse(text: &str) -> Result<Self, LedgerUrlError> {
        let url = Url::parse(text)
            .map_err(|invalid| error(format!("the ledger's URL is invalid: {invalid}"), HELP))?;
        if !["postgres", "postgresql"].contains(&url.scheme()) {
            return Err(error("the ledger's URL must begin with postgres:", HELP));
        }
        let parameters = Parameters::of(&url)?;
        if url.password().is_some() {
            return Err(error("the ledger's URL contains a password", PASSWORD_HELP));
        }
        if url.fragment().is_some() {
            return Err(error("the ledger's URL contains a #", HELP));
        }
        let host = host(&url, parameters.host)?;
        let tls = tls(&host, parameters.sslmode.as_deref())?;
        if !tls && parameters.sslrootcert.is_some() {
            return Err(error(
                "the ledger's URL has sslrootcert, but the connection does not use TLS",
                "add sslmode=verify-full, or remove sslrootcert",
            ));
        }
        Ok(Self {
            host,
            port: url.port().or(parameters.port),
            user: decoded(url.username(), "user")?.or(parameters.user),
            database: database(&url)?,
            tls,
            root_certificates: parameters.sslrootcert,
            text: url.into(),
        })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Whether the connection uses TLS, and the server's certificate is verified.
    pub(crate) fn uses_tls(&self) -> bool {
        self.tls
    }

    /// A PEM file with the only authorities to trust, instead of the system's.
    pub(crate) fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }
}

impl fmt::Display for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Default)]
struct Parameters {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<PathBuf>,
}

impl Parameters {
    fn of(url: &Url) -> Result<Self, LedgerUrlError> {
        let mut parameters = Self::default();
        for (name, value) in url.query_pairs() {
            match &*name {
                "host" => parameters.host = Some(value.into_owned()),
                "port" => {
                    let port = value.parse().map_err(|_| {
                        error(
                            "the port in the ledger's URL is not a number",
                            "the default is 5432",
                        )
                    });
                    parameters.port = Some(port?);
                }
                "user" if !value.contains('\0') => parameters.user = Some(value.into_owned()),
                "sslmode" => parameters.sslmode = Some(value.into_owned()),
                "sslrootcert" => parameters.sslrootcert = Some(PathBuf::from(value.into_owned())),
                "password" => {
                    return Err(error("the ledger's URL contains a password", PASSWORD_HELP));
                }
                // Unnamed, because it may be a part of a password with a `?`.
                _ => {
                    return Err(error(
                        "the ledger's URL has an unknown parameter",
                        "it may have sslmode, sslrootcert, host, port and user; a ? in a user name is written %3F",
                    ));
                }
            }
        }
        Ok(parameters)
    }
}

/// The host of the authority, or of the parameter `host`.
fn host(url: &Url, parameter: Option<String>) -> Result<Host, LedgerUrlError> {
    let name = match (url.host(), parameter) {
        (Some(url::Host::Ipv6(ip)), None) => ip.to_string(),
        (Some(host), None) => percent_decode_str(&host.to_string())
            .decode_utf8_lossy()
            .into_owned(),
        (None, Some(parameter)) => parameter,
        (Some(_), Some(_)) => {
            return Err(error(
                "the ledger's URL has two hosts",
                "remove the parameter host, or the host after //",
            ));
        }
        (None, None) => return Err(error("the ledger's URL has no host", HELP)),
    };
    if name.starts_with('/') {
        return match name.contains('\0') {
            false => Ok(Host::Unix(PathBuf::from(name))),
            true => Err(error(
                "the folder of the ledger's socket is not a path",
                SOCKET_HELP,
            )),
        };
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = !name.is_empty() && name.chars().all(is_allowed);
    if !is_name && name.parse::<IpAddr>().is_err() {
        return Err(error(
            "the ledger's URL has no valid host",
            "write one host name in ASCII, an IP address, or the absolute path of the folder of a Unix socket",
        ));
    }
    Ok(Host::Tcp(name))
}

/// Whether a connection uses TLS.
fn tls(host: &Host, sslmode: Option<&str>) -> Result<bool, LedgerUrlError> {
    match (sslmode, host) {
        (Some("verify-full"), Host::Unix(_)) => Err(error(
            "PostgreSQL has no TLS on Unix sockets",
            "remove sslmode from the ledger's URL",
        )),
        (Some("verify-full"), Host::Tcp(_)) => Ok(true),
        (None, host) => Ok(!is_local(host)),
        (Some("disable"), host) if is_local(host) => Ok(false),
        (Some("disable"), _) => Err(error(
            "sslmode=disable would send the password and the recipients in the clear",
            TLS_HELP,
        )),
        (Some(mode @ ("allow" | "prefer" | "require" | "verify-ca")), _) => Err(error(
            format!("sslmode={mode} does not verify that the server is the right one"),
            TLS_HELP,
        )),
        (Some(_), _) => Err(error(
            "the ledger's URL has an unknown sslmode",
            "use sslmode=verify-full; or sslmode=disable for a server on this machine",
        )),
    }
}

/// Whether a host is this machine, without asking DNS.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|ip| ip.to_canonical().is_loopback())
        }
    }
}

fn database(url: &Url) -> Result<Option<String>, LedgerUrlError> {
    let name = url.path().strip_prefix('/').unwrap_or_default();
    // Both may come from a password that has a slash.
    if name.contains(['/', '@']) {
        return Err(error(
            "the ledger's URL has no valid database name",
            "write a / in a user or database name as %2F, and an @ as %40",
        ));
    }
    decoded(name, "database")
}

/// A name with percent-encoded characters; `None` if it is empty.
fn decoded(name: &str, what: &str) -> Result<Option<String>, LedgerUrlError> {
    match percent_decode_str(name).decode_utf8() {
        Ok(name) if name.contains('\0') => Err(error(
            format!("the {what} name in the ledger's URL contains a zero byte"),
            HELP,
        )),
        Ok(name) => Ok((!name.is_empty()).then(|| name.into_owned())),
        Err(_) => Err(error(
            format!("the {what} name in the ledger's URL is not UTF-8"),
            HELP,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> LedgerUrl {
        LedgerUrl::parse(text).expect("a URL")
    }

    #[track_caller]
    fn refused(text: &str, message: &str, help: &str) {
        let error = LedgerUrl::parse(text).expect_err("an error");
        assert!(error.message.contains(message), "{error:?}");
        assert!(error.help.contains(help), "{error:?}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }

    #[test]
    fn the_parts_of_a_url_are_read() {
        let url = parse("postgresql://news%40acme@db.acme.example:6432/led%2Fger");
        assert_eq!(url.user(), Some("news@acme"));
        assert_eq!(url.database(), Some("led/ger"));
        assert_eq!(url.port(), Some(6432));
        let host = Host::Tcp("db.acme.example".to_owned());
        assert_eq!(url.host(), &host);
        assert_eq!(
            url.to_string(),
            "postgresql://news%40acme@db.acme.example:6432/led%2Fger"
        );
        let host = Host::Tcp("::1".to_owned());
        assert_eq!(parse("postgres://[::1]/a").host(), &host);
    }

    #[test]
    fn a_unix_socket_is_a_folder() {
        for text in [
            "postgres:///a?host=/var/run/postgresql&port=5433&user=u",
            "postgres://u@%2Fvar%2Frun%2Fpostgresql:5433/a",
        ] {
            let url = parse(text);
            let host = Host::Unix("/var/run/postgresql".into());
            assert_eq!(url.host(), &host);
            assert_eq!(url.port(), Some(5433));
            assert_eq!(url.user(), Some("u"));
            assert!(!url.uses_tls());
        }
    }

    #[test]
    fn tls_is_required_unless_the_host_is_local() {
        for local in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(
                !parse(&format!("postgres://{local}/a")).uses_tls(),
                "{local}"
            );
            assert!(!parse(&format!("postgres://{local}/a?sslmode=disable")).uses_tls());
            assert!(parse(&format!("postgres://{local}/a?sslmode=verify-full")).uses_tls());
        }
        for remote in ["db.acme.example", "10.0.0.1", "localhost.example"] {
            assert!(
                parse(&format!("postgres://{remote}/a")).uses_tls(),
                "{remote}"
            );
            let clear = format!("postgres://{remote}/a?sslmode=disable");
            refused(&clear, "in the clear", "verify-full");
        }
        for mode in ["allow", "prefer", "require", "verify-ca"] {
            for host in ["db.acme.example", "127.0.0.1"] {
                let url = format!("postgres://{host}/a?sslmode={mode}");
                refused(&url, &format!("sslmode={mode}"), "verify-full");
            }
        }
        refused(
            "postgres://h/a?sslmode=hush",
            "unknown sslmode",
            "verify-full",
        );
        let socket = "postgres:///a?host=/run&sslmode=verify-full";
        refused(socket, "no TLS on Unix sockets", "remove sslmode");
    }

    #[test]
    fn root_certificates_need_tls() {
        let url = parse("postgres://db.acme.example/a?sslrootcert=/etc/ca.pem");
        assert_eq!(url.root_certificates(), Some(Path::new("/etc/ca.pem")));
        refused(
            "postgres://localhost/a?sslrootcert=/etc/ca.pem",
            "does not use TLS",
            "sslmode=verify-full",
        );
    }

    #[test]
    fn a_password_is_refused_and_never_shown() {
        refused("postgres://u:hush@h/a", "a password", "PGPASSWORD");
        refused("postgres://u@h/a?password=hush", "a password", "PGPASSWORD");
        refused("postgres://u:1#hush@h/a", "#", "");
        refused("postgres://u:1?hush@h/a", "unknown parameter", "");
        refused("postgres://u:1/hush@h/a", "database name", "%2F");
        refused("postgres://u:1/hush@h", "database name", "%40");
        refused("postgres://u:hu/sh@h/a", "invalid", "");
        refused("host=h user=u password=hush", "", "postgres://");
    }

    #[test]
    fn other_urls_are_refused() {
        refused("mysql://h/a", "must begin with postgres:", "");
        refused("postgres:a", "no host", "");
        refused("postgres:///a", "no host", "");
        refused("postgres://h1,h2/a", "no valid host", "one host name");
        refused("postgres://h/a?host=/run", "two hosts", "");
        refused("postgres://h/a?port=x", "port", "5432");
        refused("postgres://h/%00", "zero byte", "");
        refused("postgres://h/%FF", "not UTF-8", "");
    }
}
