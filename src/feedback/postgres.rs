//! The events of a run in a database.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::event::{RowEvent, StateCounts, StoredEvent, state_of};
use super::store::{EventStore, EventsError, Followed, from_millis, parse_kind};
use crate::api::EventKind;
use crate::ledger::PostgresError;
use crate::ledger::postgres::{Database, Parameter, PostgresLedger, column, number, wait};

pub(crate) struct PostgresEvents {
    database: Arc<Database>,
    /// The run's ID.
    run: i64,
}

/// Adds the events in the arrays, but none of forgotten people. `timed` says whether the time of one is the API's.
const INSERT: &str = "\
    INSERT INTO mailrun.event (run, row, kind, at, description)
    SELECT $1, e.row, e.kind, e.at, e.description FROM unnest($2, $3, $4, $5, $6) AS e(row, kind, at, description, timed)
    WHERE (e.timed OR NOT EXISTS (
      SELECT FROM mailrun.event AS known WHERE known.run = $1 AND known.row = e.row AND known.kind = e.kind))
      AND NOT EXISTS (
      SELECT FROM mailrun.recipient AS r
      WHERE r.run = $1 AND r.row = e.row AND starts_with(r.address, 'forgotten:'))
    ON CONFLICT DO NOTHING RETURNING row";

impl PostgresEvents {
    /// The events of a run, for reading and writing.
    pub(crate) fn of(ledger: &PostgresLedger) -> Self {
        Self {
            database: Arc::new(ledger.database().second()),
            run: ledger.id(),
        }
    }

    /// Whether the run was ever followed.
    ///
    /// # Errors
    /// The database can't be read.
    pub(crate) fn exist(&self) -> Result<bool, EventsError> {
        let sql = "SELECT FROM mailrun.follow WHERE run = $1";
        Ok(!self.query(sql, &[])?.is_empty())
    }

    /// Makes the run one that is followed.
    ///
    /// # Errors
    /// The database can't be written.
    pub(crate) fn create(&self) -> Result<(), EventsError> {
        let sql = "INSERT INTO mailrun.follow (run) VALUES ($1) ON CONFLICT DO NOTHING";
        self.query(sql, &[]).map(drop)
    }

    /// Runs a statement in which $1 is the run.
    fn query(&self, sql: &str, more: &[Parameter<'_>]) -> Result<Vec<Row>, EventsError> {
        let mut parameters: Vec<Parameter<'_>> = vec![(&self.run, Type::INT8)];
        parameters.extend(more.iter().cloned());
        Ok(wait(self.database.query(sql, &parameters))?)
    }

    /// Derives the states of these rows from their events.
    async fn update_states(
        &self,
        transaction: &Transaction<'_>,
        changed: &Vec<i32>,
    ) -> Result<(), EventsError> {
        let run: Parameter<'_> = (&self.run, Type::INT8);
        let of_changed = [run.clone(), (changed, Type::INT4_ARRAY)];
        let sql = "SELECT row, kind, at FROM mailrun.event WHERE run = $1 AND row = ANY ($2)";
        let known = query(transaction, sql, &of_changed).await?;
        let mut of_rows: HashMap<i32, Vec<(EventKind, i64)>> = HashMap::new();
        for row in &known {
            let kind = parse_kind(column(row, 1)?)?;
            let of_row = of_rows.entry(column(row, 0)?).or_default();
            of_row.push((kind, column(row, 2)?));
        }
        let (mut rows, mut states) = (Vec::new(), Vec::new());
        for (row, of_row) in of_rows {
            if let Some(state) = state_of(&of_row) {
                rows.push(row);
                states.push(state.as_str());
            }
        }
        let sql = "DELETE FROM mailrun.delivery_state WHERE run = $1 AND row = ANY ($2) AND row <> ALL ($3)";
        let without = [
            run.clone(),
            (changed, Type::INT4_ARRAY),
            (&rows, Type::INT4_ARRAY),
        ];
        query(transaction, sql, &without).await?;
        let sql = "INSERT INTO mailrun.delivery_state (run, row, state)
             SELECT $1, s.row, s.state FROM unnest($2, $3) AS s(row, state)
             ON CONFLICT (run, row) DO UPDATE SET state = excluded.state";
        let values = [run, (&rows, Type::INT4_ARRAY), (&states, Type::TEXT_ARRAY)];
        query(transaction, sql, &values).await?;
        Ok(())
    }

    fn between(&self, sql: &str, after: u32, last: u32) -> Result<Vec<Row>, EventsError> {
        let (after, last) = (number(after), number(last));
        self.query(sql, &[(&after, Type::INT4), (&last, Type::INT4)])
    }
}

impl EventStore for PostgresEvents {
    fn reopen(&self) -> Result<Box<dyn EventStore>, EventsError> {
        Ok(Box::new(Self {
            database: Arc::new(self.database.second()),
            run: self.run,
        }))
    }

    fn add(&mut self, events: &[RowEvent], now: Timestamp) -> Result<u64, EventsError> {
        if events.is_empty() {
            return Ok(0);
        }
        // A statement does not see the rows that it inserts.
        let mut untimed = BTreeSet::new();
        let events = events
            .iter()
            .filter(|event| event.at.is_some() || untimed.insert((event.row, event.kind.as_str())));
        let events: Vec<_> = events.collect();
        let rows: Vec<i32> = events.iter().map(|event| number(event.row)).collect();
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        let millis = |event: &&RowEvent| event.at.unwrap_or(now).as_millisecond();
        let times: Vec<i64> = events.iter().map(millis).collect();
        let descriptions: Vec<&str> = events.iter().map(|event| &*event.description).collect();
        let timed: Vec<bool> = events.iter().map(|event| event.at.is_some()).collect();
        wait(async {
            let mut client = self.database.fresh().await?;
            let transaction = client.transaction().await.map_err(PostgresError::from)?;
            let run: Parameter<'_> = (&self.run, Type::INT8);
            let lock = "SELECT FROM mailrun.follow WHERE run = $1 FOR UPDATE";
            query(&transaction, lock, std::slice::from_ref(&run)).await?;
            let inserted: [Parameter<'_>; 6] = [
                run.clone(),
                (&rows, Type::INT4_ARRAY),
                (&kinds, Type::TEXT_ARRAY),
                (&times, Type::INT8_ARRAY),
                (&descriptions, Type::TEXT_ARRAY),
                (&timed, Type::BOOL_ARRAY),
            ];
            let inserted = query(&transaction, INSERT, &inserted).await?;
            let new = inserted.len() as u64;
            let changed: BTreeSet<i32> = inserted.iter().map(|row| row.get(0)).collect();
            let changed: Vec<i32> = changed.into_iter().collect();
            self.update_states(&transaction, &changed).await?;
            transaction.commit().await.map_err(PostgresError::from)?;
            Ok::<_, EventsError>(new)
        })
    }

    fn remove(&mut self, event: &RowEvent) -> Result<(), EventsError> {
        let (row, kind) = (number(event.row), event.kind.as_str());
        let at = event.at.map(Timestamp::as_millisecond);
        wait(async {
            let mut client = self.database.fresh().await?;
            let transaction = client.transaction().await.map_err(PostgresError::from)?;
            let run: Parameter<'_> = (&self.run, Type::INT8);
            let lock = "SELECT FROM mailrun.follow WHERE run = $1 FOR UPDATE";
            query(&transaction, lock, std::slice::from_ref(&run)).await?;
            let sql =
                "DELETE FROM mailrun.event WHERE run = $1 AND row = $2 AND kind = $3 AND at = $4";
            let removed = [
                run,
                (&row, Type::INT4),
                (&kind, Type::TEXT),
                (&at, Type::INT8),
            ];
            query(&transaction, sql, &removed).await?;
            self.update_states(&transaction, &vec![row]).await?;
            transaction.commit().await.map_err(PostgresError::from)?;
            Ok::<_, EventsError>(())
        })
    }

    fn states(&self, after: u32, last: u32) -> Result<HashMap<u32, EventKind>, EventsError> {
        let sql = "SELECT row, state FROM mailrun.delivery_state WHERE run = $1 AND row > $2 AND row <= $3";
        let rows = self.between(sql, after, last)?;
        rows.iter().map(state_in).collect()
    }

    fn states_of(&self, rows: &[u32]) -> Result<HashMap<u32, EventKind>, EventsError> {
        let sql = "SELECT row, state FROM mailrun.delivery_state WHERE run = $1 AND row = ANY ($2)";
        let rows: Vec<i32> = rows.iter().map(|row| number(*row)).collect();
        let rows = self.query(sql, &[(&rows, Type::INT4_ARRAY)])?;
        rows.iter().map(state_in).collect()
    }

    fn counts(&self) -> Result<StateCounts, EventsError> {
        let sql =
            "SELECT state, count(*) FROM mailrun.delivery_state WHERE run = $1 GROUP BY state";
        let mut counts = StateCounts::default();
        for row in &self.query(sql, &[])? {
            counts.set(parse_kind(column(row, 0)?)?, column::<i64>(row, 1)? as u64);
        }
        Ok(counts)
    }

    fn events(&self, after: u32, last: u32) -> Result<Vec<StoredEvent>, EventsError> {
        let sql = "SELECT row, kind, at, description FROM mailrun.event
             WHERE run = $1 AND row > $2 AND row <= $3 ORDER BY row, at, kind";
        let rows = self.between(sql, after, last)?;
        rows.iter()
            .map(|row| {
                Ok(StoredEvent {
                    row: column::<i32>(row, 0)? as u32,
                    kind: parse_kind(column(row, 1)?)?,
                    at: from_millis(column(row, 2)?)?,
                    description: column(row, 3)?,
                })
            })
            .collect()
    }

    fn followed(&self) -> Result<Followed, EventsError> {
        let sql = "SELECT followed_at, known_before FROM mailrun.follow WHERE run = $1";
        let rows = self.query(sql, &[])?;
        let Some(row) = rows.first() else {
            return Ok(Followed::default());
        };
        let time = |index| {
            column::<Option<i64>>(row, index)?
                .map(from_millis)
                .transpose()
        };
        Ok(Followed {
            at: time(0)?,
            known_before: time(1)?,
        })
    }

    fn set_followed(&mut self, followed: Followed) -> Result<(), EventsError> {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        let sql = "UPDATE mailrun.follow SET followed_at = $2, known_before = $3 WHERE run = $1";
        let (at, known_before) = (millis(followed.at), millis(followed.known_before));
        self.query(sql, &[(&at, Type::INT8), (&known_before, Type::INT8)])
            .map(drop)
    }
}

async fn query(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, PostgresError> {
    Ok(transaction.query_typed(sql, parameters).await?)
}

fn state_in(row: &tokio_postgres::Row) -> Result<(u32, EventKind), EventsError> {
    Ok((column::<i32>(row, 0)? as u32, parse_kind(column(row, 1)?)?))
}
