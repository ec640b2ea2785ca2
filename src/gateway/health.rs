//! Whether the gateway can do what it is there for.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::store::Store;

/// How long an answer holds: who asks more often costs no more writes.
const HOLDS: Duration = Duration::from_secs(1);
/// How long a write may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Why the gateway is not well.
type Checked = Result<(), String>;

/// Looks whether messages can be stored.
pub(super) struct Health {
    store: Option<Store>,
    last: Mutex<Option<(Instant, Checked)>>,
}

impl Health {
    pub(super) fn new(store: Option<Store>) -> Self {
        Self {
            store,
            last: Mutex::default(),
        }
    }

    /// Why messages can't be stored, if it is so.
    pub(super) async fn check(&self) -> Checked {
        // Those who ask at the same time wait for the same write.
        let mut last = self.last.lock().await;
        if let Some((at, checked)) = &*last
            && at.elapsed() < HOLDS
        {
            return checked.clone();
        }
        let checked = match &self.store {
            Some(store) => writes(store).await,
            None => Ok(()),
        };
        *last = Some((Instant::now(), checked.clone()));
        checked
    }
}

/// Commits a change that changes nothing, as durably as a message.
async fn writes(store: &Store) -> Checked {
    let written = store.write(|connection| {
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        connection.pragma_update(None, "user_version", version)
    });
    match timeout(LIMIT, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("storing takes too long".to_owned()),
    }
}
