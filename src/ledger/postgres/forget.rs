//! Takes people out of a run, in one transaction, with its events.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::columns::{column, number};
use super::database::{Database, Parameter, wait};
use super::runs::PostgresLedger;
use crate::ledger::forgotten::{
    FORGOTTEN, FORGOTTEN_CODE, FORGOTTEN_REASON, ForgetKey, ForgetKeys, Person, TakenOut, Whom,
    no_cells,
};
use crate::ledger::{LedgerError, PostgresError, to_millis};

/// Columns with texts of a server or of the API: the table, the column of the run, and the column.
const TEXTS: [[&str; 3]; 6] = [
    ["delivery", "run", "error"],
    ["delivery", "run", "code"],
    ["event", "run", "description"],
    ["worker", "run", "failure"],
    ["worker", "run", "end_reason"],
    ["run", "id", "pause_reason"],
];

/// The keys of the hashes in the database. With the first one, hashes are made.
///
/// # Errors
/// The database can't be read, or a key is damaged.
pub(crate) fn forget_keys(database: &Database) -> Result<ForgetKeys, LedgerError> {
    let mut keys = ForgetKeys::default();
    let sql = "SELECT key FROM mailrun.forget_key ORDER BY id";
    for row in wait(database.query(sql, &[]))? {
        let key = ForgetKey::from_slice(column(&row, 0)?);
        keys.add(key.ok_or(PostgresError::Damaged(
            "a key for hashes has another length",
        ))?);
    }
    Ok(keys)
}

/// Adds a key, unless it is there.
///
/// # Errors
/// The database can't be written.
pub(crate) fn add_forget_key(database: &Database, key: &ForgetKey) -> Result<(), LedgerError> {
    let sql =
        "INSERT INTO mailrun.forget_key (name, key, inner_pad, outer_pad) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING";
    let [inner, outer] = key.pads();
    let parameters: [Parameter<'_>; 4] = [
        (&key.name(), Type::TEXT),
        (&key.bytes(), Type::BYTEA),
        (&inner.as_slice(), Type::BYTEA),
        (&outer.as_slice(), Type::BYTEA),
    ];
    wait(database.query(sql, &parameters))?;
    Ok(())
}

/// The key with which hashes are made. The first time, it is made itself.
///
/// # Errors
/// The database can't be read or written.
pub(crate) fn key_for_forgetting(database: &Arc<Database>) -> Result<ForgetKey, LedgerError> {
    if let Some(key) = forget_keys(database)?.first() {
        return Ok(key.clone());
    }
    // Two processes may both add one. Then the database has two keys.
    let key = ForgetKey::random();
    add_forget_key(database, &key)?;
    Ok(key)
}

impl PostgresLedger {
    /// As [`crate::ledger::sqlite::SqliteLedger::rows_of`].
    pub(crate) fn rows_of(
        &self,
        person: &Person,
        keys: &ForgetKeys,
    ) -> Result<Vec<u32>, LedgerError> {
        let mut addresses: Vec<String> = keys
            .iter()
            .map(|key| key.hash(person.normalized()))
            .collect();
        addresses.push(person.normalized().to_owned());
        let sql = format!(
            "SELECT row, email, address IS NULL FROM mailrun.recipient
             WHERE run = $1 AND (address = ANY ($2) OR (address IS NULL AND {})) ORDER BY row",
            contains("email", 3)
        );
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&addresses, Type::TEXT_ARRAY),
            (&person.spellings(), Type::TEXT_ARRAY),
        ];
        let mut rows = Vec::new();
        for row in &wait(self.database.query(&sql, &parameters))? {
            if !column::<bool>(row, 2)? || person.is_in(column(row, 1)?) {
                rows.push(column::<i32>(row, 0)? as u32);
            }
        }
        Ok(rows)
    }

    /// Whether the run has the address anywhere else than in the person's rows.
    pub(crate) fn mentions(&self, person: &Person) -> Result<bool, LedgerError> {
        if self.run.test_to.as_deref().is_some_and(|it| person.has(it)) {
            return Ok(true);
        }
        for text in TEXTS {
            let parameters: [Parameter<'_>; 2] = [
                (&self.id, Type::INT8),
                (&person.spellings(), Type::TEXT_ARRAY),
            ];
            for row in &wait(self.database.query(&find_text(text), &parameters))? {
                if person.is_in(column(row, 1)?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether a row has an address or cells.
    pub(crate) fn has_people(&self) -> Result<bool, LedgerError> {
        let cells = no_cells(self.run.header.len());
        let sql =
            "SELECT FROM mailrun.recipient WHERE run = $1 AND (email <> $2 OR cells <> $3) LIMIT 1";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&FORGOTTEN, Type::TEXT),
            (&cells, Type::TEXT),
        ];
        if !wait(self.database.query(sql, &parameters))?.is_empty() {
            return Ok(true);
        }
        let sql =
            "SELECT FROM mailrun.member WHERE run = $1 AND (email <> $2 OR cells <> $3) LIMIT 1";
        Ok(!wait(self.database.query(sql, &parameters))?.is_empty())
    }

    /// Takes people out of the run and its events. `shared` are the files that do not belong to single rows.
    ///
    /// # Errors
    /// A worker sends the run, or the ledger can't be written.
    pub(crate) fn forget(
        &self,
        whom: Whom<'_>,
        key: &ForgetKey,
        shared: &[String],
        now: Timestamp,
    ) -> Result<TakenOut, LedgerError> {
        let taken_out = wait(async {
            let mut client = self.database.fresh().await?;
            let transaction = client.transaction().await?;
            let work = Work {
                transaction: &transaction,
                ledger: self,
                key,
                cells: no_cells(self.run.header.len()),
            };
            work.run("SELECT mailrun.begin_change($1)", &[]).await?;
            // Nobody adds events.
            work.run("SELECT FROM mailrun.follow WHERE run = $1 FOR UPDATE", &[])
                .await?;
            let taken_out = match whom {
                Whom::Person { person, rows } => {
                    work.forget_rows(person, rows, shared, now).await?
                }
                Whom::Everybody => work.forget_all(shared).await?,
            };
            work.run("SELECT mailrun.end_change($1)", &[]).await?;
            transaction.commit().await?;
            Ok::<_, PostgresError>(taken_out)
        })?;
        Ok(taken_out)
    }
}

/// Whether a column contains one of the texts of the parameter `number`, in lower case.
fn contains(column: &str, number: usize) -> String {
    format!(
        "EXISTS (SELECT FROM unnest(${number}) AS s(text) WHERE strpos(lower({column}), s.text) > 0)"
    )
}

fn find_text([table, run, column]: [&str; 3]) -> String {
    format!(
        "SELECT ctid::text, {column} FROM mailrun.{table} WHERE {run} = $1 AND {}",
        contains(column, 2)
    )
}

/// A transaction in which people are taken out of a run.
struct Work<'a> {
    transaction: &'a Transaction<'a>,
    ledger: &'a PostgresLedger,
    key: &'a ForgetKey,
    cells: String,
}

impl Work<'_> {
    /// Runs a statement in which $1 is the run. Returns the number of rows.
    async fn run(&self, sql: &str, more: &[Parameter<'_>]) -> Result<u64, PostgresError> {
        let mut parameters: Vec<Parameter<'_>> = vec![(&self.ledger.id, Type::INT8)];
        parameters.extend(more.iter().cloned());
        Ok(self.transaction.execute_typed(sql, &parameters).await?)
    }

    async fn forget_rows(
        &self,
        person: &Person,
        rows: &[u32],
        shared: &[String],
        now: Timestamp,
    ) -> Result<TakenOut, PostgresError> {
        let numbers: Vec<i32> = rows.iter().map(|row| number(*row)).collect();
        let of_rows: Parameter<'_> = (&numbers, Type::INT4_ARRAY);
        let hash = self.key.hash(person.normalized());
        let mut taken_out = TakenOut::default();
        let sql = "UPDATE mailrun.recipient SET email = $3, cells = $4, key = NULL,
               address = CASE WHEN starts_with(address, 'forgotten:') THEN address ELSE $5 END
             WHERE run = $1 AND row = ANY ($2) AND (email <> $3 OR cells <> $4)";
        let values = [
            of_rows.clone(),
            (&FORGOTTEN, Type::TEXT),
            (&self.cells, Type::TEXT),
            (&hash, Type::TEXT),
        ];
        taken_out.rows = self.run(sql, &values).await?;
        let sql = "UPDATE mailrun.member SET email = $3, cells = $4
             WHERE run = $1 AND first = ANY ($2) AND (email <> $3 OR cells <> $4)";
        taken_out.rows += self.run(sql, &values[..3]).await?;
        let sql = "UPDATE mailrun.delivery SET error = NULL
             WHERE run = $1 AND row = ANY ($2) AND code IS DISTINCT FROM $3";
        let values = [of_rows.clone(), (&FORGOTTEN_CODE, Type::TEXT)];
        self.run(sql, &values).await?;
        let sql = "UPDATE mailrun.delivery SET status = 'skipped', code = $3, error = $4, at = $5
             WHERE run = $1 AND row = ANY ($2) AND status IN ('pending', 'failed')";
        let values = [
            of_rows.clone(),
            (&FORGOTTEN_CODE, Type::TEXT),
            (&FORGOTTEN_REASON, Type::TEXT),
            (&to_millis(now), Type::INT8),
        ];
        self.run(sql, &values).await?;
        let sql = "UPDATE mailrun.event SET description = ''
             WHERE run = $1 AND row = ANY ($2) AND description <> ''";
        taken_out.events = self.run(sql, std::slice::from_ref(&of_rows)).await?;
        self.delete_attachments(of_rows, shared).await?;
        for [table, run, column] in TEXTS {
            let changed = self.take_out_of([table, run, column], person).await?;
            match table {
                "delivery" => taken_out.errors += changed,
                "event" => taken_out.events += changed,
                _ => {}
            }
        }
        if self
            .ledger
            .run
            .test_to
            .as_deref()
            .is_some_and(|it| person.has(it))
        {
            let sql = "UPDATE mailrun.run SET test_to = $2 WHERE id = $1";
            self.run(sql, &[(&hash, Type::TEXT)]).await?;
            taken_out.test = true;
        }
        Ok(taken_out)
    }

    async fn delete_attachments(
        &self,
        of_rows: Parameter<'_>,
        shared: &[String],
    ) -> Result<(), PostgresError> {
        let sql = "DELETE FROM mailrun.file WHERE run = $1 AND path <> ALL ($3)
               AND path IN (SELECT path FROM mailrun.attachment WHERE run = $1 AND row = ANY ($2))
               AND path NOT IN (SELECT path FROM mailrun.attachment WHERE run = $1 AND row <> ALL ($2))";
        self.run(sql, &[of_rows.clone(), (&shared, Type::TEXT_ARRAY)])
            .await?;
        let sql = "DELETE FROM mailrun.attachment WHERE run = $1 AND row = ANY ($2)";
        self.run(sql, &[of_rows]).await?;
        Ok(())
    }

    /// Takes the address out of the texts in a column. Returns how many had it.
    async fn take_out_of(&self, text: [&str; 3], person: &Person) -> Result<u64, PostgresError> {
        let parameters: [Parameter<'_>; 2] = [
            (&self.ledger.id, Type::INT8),
            (&person.spellings(), Type::TEXT_ARRAY),
        ];
        let found = self
            .transaction
            .query_typed(&find_text(text), &parameters)
            .await?;
        let [table, run, name] = text;
        let sql = format!(
            "UPDATE mailrun.{table} SET {name} = $3 WHERE {run} = $1 AND ctid = $2::text::tid"
        );
        let mut changed = 0;
        for row in &found {
            let (place, before): (&str, &str) = (column(row, 0)?, column(row, 1)?);
            if person.is_in(before) {
                let after = person.taken_out_of(before);
                let values: [Parameter<'_>; 2] = [(&place, Type::TEXT), (&&*after, Type::TEXT)];
                changed += self.run(&sql, &values).await?;
            }
        }
        Ok(changed)
    }

    async fn forget_all(&self, shared: &[String]) -> Result<TakenOut, PostgresError> {
        let key: Parameter<'_> = (&self.key.name(), Type::TEXT);
        let sql = "UPDATE mailrun.recipient AS r SET email = $3, cells = $4, key = NULL,
               address = CASE WHEN starts_with(r.address, 'forgotten:') THEN r.address
                              ELSE mailrun.forgotten(k, r.address) END
             FROM mailrun.forget_key AS k
             WHERE k.name = $2 AND r.run = $1 AND (r.email <> $3 OR r.cells <> $4)";
        let values = [
            key.clone(),
            (&FORGOTTEN, Type::TEXT),
            (&self.cells, Type::TEXT),
        ];
        let mut rows = self.run(sql, &values).await?;
        let sql = "UPDATE mailrun.member SET email = $2, cells = $3
             WHERE run = $1 AND (email <> $2 OR cells <> $3)";
        rows += self.run(sql, &values[1..]).await?;
        let sql = "UPDATE mailrun.event SET description = '' WHERE run = $1 AND description <> ''";
        let events = self.run(sql, &[]).await?;
        let sql = "DELETE FROM mailrun.file WHERE run = $1 AND path <> ALL ($2)
               AND path IN (SELECT path FROM mailrun.attachment WHERE run = $1)";
        self.run(sql, &[(&shared, Type::TEXT_ARRAY)]).await?;
        for sql in [
            "UPDATE mailrun.delivery SET error = NULL, code = CASE WHEN strpos(code, '@') = 0 THEN code END
             WHERE run = $1 AND (error IS NOT NULL OR strpos(code, '@') > 0)",
            "DELETE FROM mailrun.attachment WHERE run = $1",
            "UPDATE mailrun.worker SET failure = NULL, end_reason = NULL WHERE run = $1",
            "UPDATE mailrun.run SET pause_reason = NULL WHERE id = $1",
        ] {
            self.run(sql, &[]).await?;
        }
        let sql = "UPDATE mailrun.run AS r SET test_to = mailrun.forgotten(k, r.test_to)
             FROM mailrun.forget_key AS k WHERE k.name = $2 AND r.id = $1 AND NOT starts_with(r.test_to, 'forgotten:')";
        self.run(sql, &[key]).await?;
        Ok(TakenOut {
            rows,
            events,
            ..TakenOut::default()
        })
    }
}
