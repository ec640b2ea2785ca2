//! Counts in the database how much the runs of a pace group have posted.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::columns::column;
use super::database::{Database, wait};
use crate::ledger::postgres_error::PostgresError;
use crate::pace::{GroupAnswer, GroupDay, GroupPosted, GroupRequest};
use crate::pace_group::{PaceGroupError, PaceStore};

/// A group in the database. Times are those of its clock.
pub(crate) struct PostgresPace {
    database: Arc<Database>,
    group: String,
    day: GroupDay,
}

impl PostgresPace {
    pub(crate) fn new(database: &Arc<Database>, group: String, day: GroupDay) -> Self {
        Self {
            database: Arc::clone(database),
            group,
            day,
        }
    }

    /// # Errors
    /// It can't be read.
    pub(crate) fn posted(&self, now: Timestamp) -> Result<GroupPosted, PaceGroupError> {
        wait(self.read(now)).map_err(|error| failed(&error))
    }

    async fn read(&self, now: Timestamp) -> Result<GroupPosted, PostgresError> {
        let sql = "SELECT minute, recipients FROM mailrun.pace_group
             WHERE name = $1 AND recipients > 0 AND minute >= mailrun.now_in_millis() / 60000 - 1441 ORDER BY minute";
        let group = [(&self.group as &(dyn ToSql + Sync), Type::TEXT)];
        let minutes = self.database.query(sql, &group).await?;
        let minutes = minutes.iter();
        let minutes = minutes.map(|row| Ok((column(row, 0)?, column::<i64>(row, 1)? as u64)));
        // Time zones differ by quarters of an hour.
        let sql = "SELECT DISTINCT minute / 15 * 15 FROM mailrun.pace_group WHERE name = $1 AND recipients > 0";
        let quarters = self.database.query(sql, &group).await?;
        let quarters = quarters.iter().map(|row| column(row, 0));
        let quarters: Vec<i64> = quarters.collect::<Result<_, PostgresError>>()?;
        Ok(GroupPosted {
            days_before: self.day.days_before(quarters, now),
            minutes: minutes.collect::<Result<_, PostgresError>>()?,
        })
    }

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
        let full_until = full_until.and_then(|minute| Timestamp::from_second(minute * 60).ok());
        Ok(full_until.map_or(GroupAnswer::Later, GroupAnswer::FullUntil))
    }
}

impl PaceStore for PostgresPace {
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError> {
        wait(self.ask(request)).map_err(|error| failed(&error))
    }
}

fn failed(error: &PostgresError) -> PaceGroupError {
    PaceGroupError::Ledger {
        reason: error.to_string(),
        is_transient: error.is_transient(),
    }
}
