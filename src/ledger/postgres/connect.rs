//! Connections to a ledger.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Connection, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ledger::PostgresError;
use crate::ledger_url::{Host, LedgerUrl};

/// Moves the messages of a connection, and ends with it: with an error if the connection is lost.
pub type ConnectionTask = JoinHandle<Result<(), tokio_postgres::Error>>;

/// How long sent data may stay unacknowledged, on either side.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);
/// After this time without data, the other side is probed.
const PROBE_AFTER: Duration = Duration::from_secs(4);
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// The settings of a session, and the settings of the server that are required. The server notices a dead
/// client as fast as the client notices a dead server, so that the client's locks are released.
const SESSION: &str = "\
    SET search_path = pg_catalog, pg_temp;\
    SET timezone = 'UTC';\
    SET idle_in_transaction_session_timeout = '15s';\
    SET tcp_keepalives_idle = 4;\
    SET tcp_keepalives_interval = 2;\
    SET tcp_keepalives_count = 3;\
    SET tcp_user_timeout = '10s';\
    SELECT current_setting('fsync'), current_setting('synchronous_commit'), pg_is_in_recovery()";

/// Connects within `connect_timeout`, and checks that the server is a primary that survives crashes.
/// Dropping the client ends the connection and its task.
///
/// # Errors
/// See [`PostgresError`]; each has help.
pub async fn connect(
    url: &LedgerUrl,
    password: Option<&SecretString>,
    connect_timeout: Duration,
) -> Result<(Client, ConnectionTask), PostgresError> {
    let connecting = async {
        let (client, task) = open(url, password, connect_timeout).await?;
        check_session(&client, url).await?;
        Ok((client, task))
    };
    match tokio::time::timeout(connect_timeout, connecting).await {
        Ok(result) => result,
        Err(_) => Err(PostgresError::Unreachable {
            url: url.to_string(),
            reason: format!("no answer within {} seconds", connect_timeout.as_secs_f32()),
        }),
    }
}

async fn open(
    url: &LedgerUrl,
    password: Option<&SecretString>,
    connect_timeout: Duration,
) -> Result<(Client, ConnectionTask), PostgresError> {
    let mut config = Config::new();
    match url.host() {
        Host::Tcp(name) => config.host(name),
        Host::Unix(folder) => config.host_path(folder),
    };
    if let Some(port) = url.port() {
        config.port(port);
    }
    if let Some(user) = url.user() {
        config.user(user);
    }
    if let Some(database) = url.database() {
        config.dbname(database);
    }
    if let Some(password) = password {
        config.password(password.expose_secret());
    }
    config
        .ssl_mode(match url.uses_tls() {
            true => SslMode::Require,
            false => SslMode::Disable,
        })
        .application_name("mailrun")
        // For each of the host's addresses: one that drops packets leaves time for another.
        .connect_timeout(connect_timeout / 2)
        .tcp_user_timeout(NETWORK_TIMEOUT)
        .keepalives_idle(PROBE_AFTER)
        .keepalives_interval(PROBE_INTERVAL)
        .keepalives_retries(PROBES);
    let connected = match url.uses_tls() {
        true => {
            let tls = MakeRustlsConnect::new(tls_config(url)?);
            spawned(config.connect(tls).await)
        }
        false => spawned(config.connect(NoTls).await),
    };
    connected.map_err(|error| PostgresError::connecting(url, password.is_some(), &error))
}

fn spawned<S, T>(
    connected: Result<(Client, Connection<S, T>), tokio_postgres::Error>,
) -> Result<(Client, ConnectionTask), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = connected?;
    Ok((client, tokio::spawn(connection)))
}

async fn check_session(client: &Client, url: &LedgerUrl) -> Result<(), PostgresError> {
    let messages = client.simple_query(SESSION).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let value = |column| row.and_then(|row| row.try_get(column).ok().flatten());
    for (column, setting) in [(0, "fsync"), (1, "synchronous_commit")] {
        if value(column) == Some("off") {
            let url = url.to_string();
            return Err(PostgresError::NotDurable { url, setting });
        }
    }
    match value(2) {
        Some("f") => Ok(()),
        _ => Err(PostgresError::Standby {
            url: url.to_string(),
        }),
    }
}

fn tls_config(url: &LedgerUrl) -> Result<ClientConfig, PostgresError> {
    let tls = |error: rustls::Error| PostgresError::Tls {
        url: url.to_string(),
        reason: error.to_string(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let builder = match url.root_certificates() {
        None => builder.with_platform_verifier().map_err(tls)?,
        Some(path) => {
            let failed = |reason: String| PostgresError::RootCertificates {
                path: path.to_owned(),
                reason,
            };
            let mut roots = RootCertStore::empty();
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| failed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("there are none".to_owned()));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}
