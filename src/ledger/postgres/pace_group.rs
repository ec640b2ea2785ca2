//! Counts in the database how much the runs of a pace group have posted.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::columns::column;
use super::database::{Database, wait};
use super::runs::PostgresLedger;
use crate::ledger::postgres_error::PostgresError;
use crate::pace::{GroupAnswer, GroupDay, GroupRequest};
use crate::pace_group::{PaceGroupError, PaceStore};

/// A group in the database. Times are those of its clock.
pub(crate) struct PostgresPace {
    database: Arc<Database>,
    group: String,
    day: GroupDay,
}

impl PostgresLedger {
    /// The store of a group, with a connection of its own.
    pub(crate) fn pace_store(&self, group: String, day: GroupDay) -> PostgresPace {
        PostgresPace {
            database: Arc::new(self.database().second()),
            group,
            day,
        }
    }
}

impl PostgresPace {
    async fn ask(&self, request: &GroupRequest) -> Result<GroupAnswer, PostgresError> {
        let (minutes, unused): (Vec<i64>, Vec<i64>) = request
            .unused
            .iter()
            .map(|(minute, recipients)| (*minute, *recipients as i64))
            .unzip();
        let ramp: Vec<i64> = self.day.ramp.iter().map(|limit| *limit as i64).collect();
        let per_day = self.day.per_day.map(|limit| limit as i64);
        let sql = "SELECT granted, granted_in, full_until FROM mailrun.reserve_in_group($1, $2, $3, $4, $5, $6, $7, $8)";
        let rows = self
            .database
            .query(
                sql,
                &[
                    (&self.group, Type::TEXT),
                    (&(request.wanted as i64), Type::INT8),
                    (&(request.needed as i64), Type::INT8),
                    (&per_day, Type::INT8),
                    (&ramp, Type::INT8_ARRAY),
                    (&self.day.zone_name(), Type::TEXT),
                    (&minutes, Type::INT8_ARRAY),
                    (&unused, Type::INT8_ARRAY),
                ],
            )
            .await?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        let (granted, full_until): (i64, Option<i64>) = (column(row, 0)?, column(row, 2)?);
        if granted > 0 {
            return Ok(GroupAnswer::Granted(column(row, 1)?, granted as u64));
        }
        let full_until =
            full_until.and_then(|minute| jiff::Timestamp::from_second(minute * 60).ok());
        Ok(full_until.map_or(GroupAnswer::Later, GroupAnswer::FullUntil))
    }
}

impl PaceStore for PostgresPace {
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError> {
        wait(self.ask(request))
            .map_err(|error: PostgresError| PaceGroupError::Ledger(error.to_string()))
    }
}
