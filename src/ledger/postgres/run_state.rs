//! What `status` shows of a run, besides its rows and its workers.

use std::num::NonZeroU32;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::PostgresLedger;
use super::columns::column;
use super::database::wait;
use crate::ledger::LedgerError;
use crate::pace::{Period, Rate};

/// A limit per day that is reached.
pub(crate) struct FullDay {
    /// The limit.
    pub(crate) recipients: NonZeroU32,
    /// When it lets more recipients through, to the minute.
    pub(crate) until: Timestamp,
}

impl PostgresLedger {
    /// The smallest limit per day of the campaign, if it is reached. Doesn't know the option `--rate`.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn full_day(&self) -> Result<Option<FullDay>, LedgerError> {
        let Some(recipients) = self.per_day()? else {
            return Ok(None);
        };
        // As `mailrun.reserve` counts.
        let sql = "WITH minutes AS (
               SELECT minute, sum(sum(recipients)) OVER (ORDER BY minute) AS up_to, sum(sum(recipients)) OVER () AS used
               FROM mailrun.posted
               WHERE run = $1 AND minute >= mailrun.now_in_millis() / 60000 - 1440 GROUP BY minute
             )
             SELECT min(minute) + 1441 FROM minutes
             WHERE up_to > used - $2 AND used >= $2";
        let limit = i64::from(recipients.get());
        let parameters = [
            (
                &self.id as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::INT8,
            ),
            (&limit, Type::INT8),
        ];
        let rows = wait(self.database.query(sql, &parameters))?;
        let minute: Option<i64> = match rows.first() {
            Some(row) => column(row, 0)?,
            None => None,
        };
        let until = minute.and_then(|minute| Timestamp::from_second(minute.checked_mul(60)?).ok());
        Ok(until.map(|until| FullDay { recipients, until }))
    }

    fn per_day(&self) -> Result<Option<NonZeroU32>, LedgerError> {
        let sql = "SELECT content FROM mailrun.file WHERE run = $1 AND path = 'campaign.toml'";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(column(row, 0)?).into_owned();
        // It was valid when the run was planned.
        let campaign: toml::Table = text.parse().unwrap_or_default();
        let rates = campaign.get("pace").and_then(|pace| pace.get("rate"));
        let rates = rates.and_then(toml::Value::as_array).into_iter().flatten();
        let rates = rates.filter_map(|rate| rate.as_str()?.parse::<Rate>().ok());
        let per_day = rates.filter(|rate| rate.per == Period::Day);
        Ok(per_day.map(|rate| rate.recipients).min())
    }
}
