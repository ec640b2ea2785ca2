//! Checks whether the gateway can store messages.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::store::Store;

/// How long a result is reused, so that frequent checks cause no more writes.
const REUSE: Duration = Duration::from_secs(1);
/// The longest time that a write may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why no message can be stored.
type HealthResult = Result<(), String>;

pub(super) struct Health {
    store: Option<Store>,
    last: Mutex<Option<(Instant, HealthResult)>>,
}

impl Health {
    pub(super) fn new(store: Option<Store>) -> Self {
        Self {
            store,
            last: Mutex::default(),
        }
    }

    pub(super) async fn check(&self) -> HealthResult {
        // Concurrent checks wait for the same write.
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < REUSE
        {
            return result.clone();
        }
        let result = match &self.store {
            Some(store) => test_write(store).await,
            None => Ok(()),
        };
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

/// Commits a change without effect, as durably as a message.
async fn test_write(store: &Store) -> HealthResult {
    let write = store.write(|connection| {
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        connection.pragma_update(None, "user_version", version)
    });
    match timeout(TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("a write takes too long".to_owned()),
    }
}
