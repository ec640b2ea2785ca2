//! Permits that a worker reserves in the database, so that the limits hold for all workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::columns::{column, number};
use super::worker::Worker;
use crate::ledger::postgres_error::PostgresError;
use crate::pace::{Grant, PermitRequest, Reservation};

/// How far ahead of their time permits are reserved, for all workers together.
const AHEAD: Duration = Duration::from_millis(250);
/// The wait after an error.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Reserves what the limits of a delivery ask for, until they are dropped.
pub(crate) async fn reserve_permits(
    worker: Arc<Worker>,
    mut requests: UnboundedReceiver<PermitRequest>,
) {
    while let Some(request) = requests.recv().await {
        let reserved = worker.reserve(&request).await;
        let reservation = reserved.unwrap_or_else(|error| {
            tracing::debug!(%error, "no permits from the ledger");
            Reservation::Later(Instant::now() + ASK_AGAIN)
        });
        request.permits.answer(reservation);
    }
}

impl Worker {
    async fn reserve(&self, request: &PermitRequest) -> Result<Reservation, PostgresError> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let per_day = request.per_day.map(|limit| limit as i64);
        let rows = self
            .database()
            .query(
                "SELECT granted, wait, full_until FROM mailrun.reserve($1, $2, $3, $4, $5, $6, $7, $8)",
                &[
                    (&self.id(), Type::INT8),
                    (&number(request.lane), Type::INT4),
                    (&i64::from(request.recipients), Type::INT8),
                    (&i64::from(request.needed), Type::INT8),
                    (&micros(request.interval), Type::INT8),
                    (&micros(AHEAD), Type::INT8),
                    (&per_day, Type::INT8),
                    (&i64::from(request.expired), Type::INT8),
                ],
            )
            .await?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        let wait: i64 = column::<Option<i64>>(row, 1)?.unwrap_or(0);
        // The database counted from a moment before now, so this is never too early.
        let at = Instant::now() + Duration::from_micros(wait.max(0) as u64);
        let granted = column::<i64>(row, 0)?;
        if granted > 0 {
            return Ok(Reservation::Granted(Grant {
                at,
                interval: request.interval,
                recipients: u32::try_from(granted).unwrap_or(request.recipients),
            }));
        }
        let full_until: Option<i64> = column(row, 2)?;
        let full_until = full_until
            .and_then(|minute| jiff::Timestamp::from_second(minute.checked_mul(60)?).ok());
        Ok(match full_until {
            Some(until) => Reservation::FullUntil(until, at),
            None => Reservation::Later(at),
        })
    }
}
