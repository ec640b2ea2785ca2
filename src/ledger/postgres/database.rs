//! A connection to a database with ledgers, which is made again when it is lost.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::connect::connect;
use super::schema::check_version;
use crate::ledger::postgres_error::{Cluster, PostgresError};
use crate::ledger_url::LedgerUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before a lost connection is made again.
const RECONNECT_AFTER: Duration = Duration::from_millis(250);

/// Runs the connections, and what synchronous code waits for.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("postgres")
        .enable_all()
        .build()
});

/// A parameter of a statement, with its type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub(crate) struct Database {
    url: LedgerUrl,
    password: Option<SecretString>,
    client: Mutex<Option<Arc<Client>>>,
    /// That of the first connection.
    cluster: OnceLock<Cluster>,
}

/// Waits for the end of `future`. Asynchronous code may call this on a runtime with several threads.
///
/// # Errors
/// The system refuses threads.
pub(crate) fn wait<T, E: From<PostgresError>>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match &*RUNTIME {
        Ok(runtime) => match Handle::try_current() {
            Ok(_) => block_in_place(|| runtime.block_on(future)),
            Err(_) => runtime.block_on(future),
        },
        Err(error) => Err(PostgresError::NoThreads(error.to_string()).into()),
    }
}

impl Database {
    /// Connects, and checks the version of the schema.
    ///
    /// # Errors
    /// See [`PostgresError`].
    pub(crate) fn open(
        url: LedgerUrl,
        password: Option<SecretString>,
    ) -> Result<Arc<Self>, PostgresError> {
        let database = Self {
            url,
            password,
            client: Mutex::default(),
            cluster: OnceLock::new(),
        };
        wait(database.client())?;
        Ok(Arc::new(database))
    }

    /// Another connection to the same database.
    pub(crate) fn second(&self) -> Self {
        let cluster = OnceLock::new();
        if let Some(known) = self.cluster.get() {
            // It was empty.
            let _ = cluster.set(*known);
        }
        Self {
            url: self.url.clone(),
            password: self.password.clone(),
            client: Mutex::default(),
            cluster,
        }
    }

    pub(crate) fn url(&self) -> &LedgerUrl {
        &self.url
    }

    /// The cluster of the connection.
    ///
    /// # Errors
    /// There never was a connection.
    pub(super) fn cluster(&self) -> Result<Cluster, PostgresError> {
        self.cluster
            .get()
            .copied()
            .ok_or(PostgresError::Damaged("it was never connected"))
    }

    /// The connection, which is made again if it was lost.
    ///
    /// # Errors
    /// It can't be made, or the cluster is not the one of the first connection.
    pub(super) async fn client(&self) -> Result<Arc<Client>, PostgresError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.fresh().await?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// A connection of its own, for a transaction.
    ///
    /// # Errors
    /// As [`Database::client`].
    pub(crate) async fn fresh(&self) -> Result<Client, PostgresError> {
        let (client, _task) = connect(&self.url, self.password.as_ref(), CONNECT_TIMEOUT).await?;
        check_version(&client).await?;
        let now = cluster_of(&client).await?;
        let before = *self.cluster.get_or_init(|| now);
        if before != now {
            return Err(PostgresError::OtherCluster { before, now });
        }
        Ok(client)
    }

    /// # Errors
    /// The statement fails, or the connection is lost.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresError> {
        let client = self.client().await?;
        Ok(client.query_typed(sql, parameters).await?)
    }

    /// Runs a statement that changes nothing when it is repeated. If the connection is lost, it is made
    /// again and the statement repeated until `give_up`.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub(super) async fn query_until(
        &self,
        give_up: Instant,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresError> {
        loop {
            let error = match self.query(sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            if !error.is_transient() || Instant::now() >= give_up {
                return Err(error);
            }
            tracing::debug!(%error, "the connection to the ledger is lost");
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }
}

async fn cluster_of(client: &Client) -> Result<Cluster, PostgresError> {
    // The control file has the new timeline only after the first checkpoint; the name of a WAL file
    // begins with it at once.
    let sql = "SELECT system_identifier, pg_walfile_name(pg_current_wal_insert_lsn()) FROM pg_control_system()";
    let row = client.query_typed_one(sql, &[]).await?;
    let file: &str = row.try_get(1)?;
    let timeline = file
        .get(..8)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    Ok(Cluster {
        system_identifier: row.try_get(0)?,
        timeline: timeline.ok_or(PostgresError::Damaged("its WAL has no timeline"))? as i32,
    })
}
