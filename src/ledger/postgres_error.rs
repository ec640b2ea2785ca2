//! Why a ledger in PostgreSQL could not be used, and what to do.

use std::error::Error as _;
use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use crate::ledger_url::LedgerUrl;

#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("can't connect to the ledger {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("the ledger {url} needs a password, but none is set")]
    NoPassword { url: String },
    /// The server's text; it never contains the password.
    #[error("the ledger {url} refused the login: {reason}")]
    Login { url: String, reason: String },
    #[error("the ledger {url}: {reason}")]
    NoDatabase { url: String, reason: String },
    #[error("the ledger {url} can't be used with TLS: {reason}")]
    Tls { url: String, reason: String },
    #[error("can't read the certificates in {}: {reason}", path.display())]
    RootCertificates { path: PathBuf, reason: String },
    #[error("the ledger {url} is on a standby, which can't be written to")]
    Standby { url: String },
    #[error(
        "the ledger {url} has {setting} = off: a crash of the server could lose which messages were sent"
    )]
    NotDurable { url: String, setting: &'static str },
    #[error("the database has no ledger")]
    NoSchema,
    #[error(
        "this mailrun is older than the ledger: its schema has version {found}, and this mailrun knows {known}"
    )]
    Newer { found: i32, known: i32 },
    #[error("the ledger's schema has version {found}, and this mailrun needs {known}")]
    Older { found: i32, known: i32 },
    #[error("the database has no role named “{0}”")]
    NoRole(String),
    #[error("the ledger's user lacks a privilege: {0}")]
    NotAllowed(String),
    /// Who sends the run, or plans another.
    #[error("{0}")]
    InUse(String),
    /// Where the run continues.
    #[error("{0}")]
    Moved(String),
    #[error(
        "the ledger is in another database cluster than before, or on another timeline ({}): after a failover or a restored backup, some of the last claims may be missing", change_of_cluster(.before, .now)
    )]
    OtherCluster { before: Cluster, now: Cluster },
    /// What the database confirmed is not there.
    #[error("the database has lost what this process wrote last")]
    LostCommits,
    #[error("the ledger is damaged: {0}")]
    Damaged(&'static str),
    #[error("the ledger can't be read: {0}")]
    NoThreads(String),
    #[error("the ledger: {}", describe(.0))]
    Query(#[source] tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::NotAllowed(describe(&error)),
            Some(code) if code.code() == "MR002" => Self::InUse(describe(&error)),
            Some(code) if code.code() == "MR003" => Self::Moved(describe(&error)),
            _ => Self::Query(error),
        }
    }
}

/// What identifies the history of a cluster. A promoted standby has another timeline, and may lack
/// what was committed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    pub system_identifier: i64,
    pub timeline: i32,
}

fn change_of_cluster(before: &Cluster, now: &Cluster) -> String {
    if before.system_identifier == now.system_identifier {
        return format!("{} became {}", before.timeline, now.timeline);
    }
    format!(
        "cluster {} became {}",
        before.system_identifier, now.system_identifier
    )
}

impl PostgresError {
    /// Whether the same may succeed when the database is reachable again.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Standby { .. } => true,
            Self::Query(error) => match error.code() {
                None => true,
                Some(code) => {
                    let class = &code.code()[..2];
                    // Connections, operator intervention (a shutdown), and deadlocks.
                    ["08", "57", "40"].contains(&class)
                        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                }
            },
            _ => false,
        }
    }

    /// How the user can fix it.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } => {
                "check the host and the port, and that the server runs and accepts connections from this machine"
            }
            Self::NoPassword { .. } => {
                "set PGPASSWORD in the environment, or `password_command` in [ledger] of campaign.toml"
            }
            Self::Login { .. } => {
                "check the user in the URL, the password (PGPASSWORD or `password_command`), and the server's pg_hba.conf"
            }
            Self::NoDatabase { .. } => {
                "check the database in the URL, or create it: `createdb NAME`, then `mailrun ledger init`"
            }
            Self::Tls { reason, .. } if reason.ends_with("does not support TLS") => {
                "set ssl = on in the server's postgresql.conf, with a certificate"
            }
            Self::Tls { .. } => {
                "name the certificate of the server's authority with sslrootcert=FILE in the URL, or add it to the system's; the certificate must have the host's name"
            }
            Self::RootCertificates { .. } => {
                "write the path of a PEM file with certificates in sslrootcert"
            }
            Self::Standby { .. } => "name the primary server in the URL",
            Self::NotDurable {
                setting: "fsync", ..
            } => "set fsync = on in postgresql.conf and reload the server",
            Self::NotDurable { .. } => {
                "set synchronous_commit = on in postgresql.conf, or for the role: `ALTER ROLE … SET synchronous_commit = on`"
            }
            Self::NoSchema => "run `mailrun ledger init` once, as the owner of the database",
            Self::Newer { .. } => "update mailrun",
            Self::Older { .. } => {
                "run `mailrun ledger init` to migrate the ledger, when no older mailrun uses it"
            }
            Self::NoRole(_) => "create it first: `CREATE ROLE … LOGIN PASSWORD '…'`",
            Self::NotAllowed(_) => {
                "run `mailrun ledger init` as the owner of the database, with `--worker-role` and the user that this command connects as"
            }
            Self::InUse(_) => {
                "wait for it, or stop it with `mailrun stop`; `mailrun status` shows its progress. If it was killed, it counts as sending until its lease ends"
            }
            Self::Moved(_) => {
                "continue that copy; `mailrun ledger copy FOLDER` brings it back into the ledger"
            }
            Self::OtherCluster { .. } | Self::LostCommits => {
                "find out what was lost; `mailrun resume --accept-loss` continues, and rows whose claim was lost are posted again"
            }
            Self::Damaged(_) | Self::NoThreads(_) | Self::Query(_) => return None,
        })
    }

    pub(super) fn connecting(
        url: &LedgerUrl,
        has_password: bool,
        error: &tokio_postgres::Error,
    ) -> Self {
        let (url, reason) = (url.to_string(), describe(error));
        match error.code() {
            Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                return Self::Login { url, reason };
            }
            Some(&SqlState::INVALID_CATALOG_NAME) => return Self::NoDatabase { url, reason },
            Some(_) => return Self::Unreachable { url, reason },
            None => {}
        }
        // tokio-postgres has no public kind for these.
        let is_tls = error.to_string().contains("TLS");
        match reason.as_str() {
            _ if is_tls => Self::Tls { url, reason },
            reason if !has_password && reason.ends_with("password missing") => {
                Self::NoPassword { url }
            }
            _ => Self::Unreachable { url, reason },
        }
    }
}

/// The server's message and details, or the error with its causes.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return match error.detail() {
            Some(detail) => format!("{} ({detail})", error.message()),
            None => error.message().to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
