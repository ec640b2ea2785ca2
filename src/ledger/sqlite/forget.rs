//! Takes people out of a ledger. The caller holds the run's lock.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::SqliteLedger;
use super::connection::open_for_writing;
use crate::durable::scrub;
use crate::ledger::forgotten::{
    FORGOTTEN, FORGOTTEN_CODE, FORGOTTEN_REASON, ForgetKey, ForgetKeys, PREFIX, Person, TakenOut,
    Whom, key_name, no_cells,
};
use crate::ledger::{Ledger as _, LedgerError, to_millis};

/// The keys of the hashes in a ledger, and whether everything of the people is gone: the results, and what the
/// file has between its rows.
const SCHEMA: &str = "\
    CREATE TABLE IF NOT EXISTS forgotten (key TEXT PRIMARY KEY, cleaned INTEGER NOT NULL) STRICT, WITHOUT ROWID";

/// Whether the address in this column is a hash.
pub(super) fn is_hash(column: &str) -> String {
    // ';' is the character after ':'.
    format!("({column} >= 'forgotten:' AND {column} < 'forgotten;')")
}

impl SqliteLedger {
    /// The rows of a person, also those that were forgotten with one of the keys, and invalid ones whose address
    /// cell contains the address.
    pub(crate) fn rows_of(
        &self,
        person: &Person,
        keys: &ForgetKeys,
    ) -> Result<Vec<u32>, LedgerError> {
        register_person(&self.connection, person)?;
        let mut hashes: Vec<String> = keys
            .iter()
            .map(|key| key.hash(person.normalized()))
            .collect();
        hashes.push(person.normalized().to_owned());
        let addresses = serde_json::to_string(&hashes).unwrap_or_default();
        let mut select = self.connection.prepare(
            "SELECT row FROM recipient
             WHERE address IN (SELECT value FROM json_each(?)) OR (address IS NULL AND has_person(email)) ORDER BY row",
        )?;
        let rows = select.query_map([addresses], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether the ledger has the address anywhere else than in the person's rows.
    pub(crate) fn mentions(&self, person: &Person) -> Result<bool, LedgerError> {
        register_person(&self.connection, person)?;
        let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE has_person(test_to))
                       OR EXISTS (SELECT 1 FROM delivery WHERE has_person(error) OR has_person(code))";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Whether one of these rows has an address and not a hash.
    pub(crate) fn has_clear(&self, rows: &[u32]) -> Result<bool, LedgerError> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM recipient
               WHERE row IN (SELECT value FROM json_each(?)) AND NOT ifnull({}, 0))",
            is_hash("address")
        );
        let rows = serde_json::to_string(rows).unwrap_or_default();
        Ok(self.connection.query_row(&sql, [rows], |row| row.get(0))?)
    }

    /// Whether a row has an address or cells.
    pub(crate) fn has_people(&self) -> Result<bool, LedgerError> {
        let cells = no_cells(self.run()?.header.len());
        let sql = "SELECT EXISTS (SELECT 1 FROM recipient WHERE email <> ?1 OR cells <> ?2)
                       OR EXISTS (SELECT 1 FROM member WHERE email <> ?1 OR cells <> ?2)";
        let parameters = params![FORGOTTEN, cells];
        Ok(self
            .connection
            .query_row(sql, parameters, |row| row.get(0))?)
    }

    /// The own attachments of these people that no other row has.
    pub(crate) fn own_attachments_of(&self, whom: Whom<'_>) -> Result<Vec<String>, LedgerError> {
        let sql = match whom {
            Whom::Person { .. } => {
                "SELECT DISTINCT path FROM attachment WHERE row IN (SELECT value FROM json_each(?1))
                   AND path NOT IN (
                     SELECT path FROM attachment WHERE row NOT IN (SELECT value FROM json_each(?1)))"
            }
            Whom::Everybody => "SELECT DISTINCT path FROM attachment WHERE ?1 IS NOT NULL",
        };
        let rows = match whom {
            Whom::Person { rows, .. } => serde_json::to_string(rows).unwrap_or_default(),
            Whom::Everybody => String::new(),
        };
        let mut select = self.connection.prepare(sql)?;
        let paths = select.query_map([rows], |row| row.get(0))?;
        Ok(paths.collect::<Result<_, _>>()?)
    }

    /// Takes people out of the rows. What is in the rest of the file is gone after [`SqliteLedger::scrub`].
    pub(crate) fn forget(
        &self,
        whom: Whom<'_>,
        key: &ForgetKey,
        now: Timestamp,
    ) -> Result<TakenOut, LedgerError> {
        let cells = no_cells(self.run()?.header.len());
        let mut connection = open_for_writing(&self.path)?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        register_key(&connection, key)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute(
            "INSERT INTO forgotten (key, cleaned) VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET cleaned = 0",
            [key.name()],
        )?;
        let taken_out = match whom {
            Whom::Person { person, rows } => {
                register_person(&transaction, person)?;
                forget_rows(&transaction, person, rows, key, &cells, now)?
            }
            Whom::Everybody => forget_all(&transaction, &cells)?,
        };
        transaction.commit()?;
        Ok(taken_out)
    }

    /// Whether nothing that was forgotten is left in the file or in the results.
    pub(crate) fn is_cleaned(&self) -> Result<bool, LedgerError> {
        if !has_table(&self.connection, "main")? {
            return Ok(true);
        }
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM forgotten WHERE NOT cleaned)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Notes that nothing that was forgotten is left.
    pub(crate) fn mark_cleaned(&self) -> Result<(), LedgerError> {
        let connection = open_for_writing(&self.path)?;
        connection.execute("UPDATE forgotten SET cleaned = 1", [])?;
        Ok(())
    }

    /// Writes the file again, so that nothing is left of what was changed or deleted in it.
    ///
    /// # Errors
    /// The ledger can't be written, or another process reads it.
    pub(crate) fn scrub(&self) -> Result<(), LedgerError> {
        match scrub(&open_for_writing(&self.path)?)? {
            true => Ok(()),
            false => Err(LedgerError::BeingRead(self.path.clone())),
        }
    }

    /// The names of the keys of its hashes.
    pub(crate) fn forget_key_names(&self) -> Result<Vec<String>, LedgerError> {
        key_names(&self.connection, "main")
    }
}

fn forget_rows(
    transaction: &Transaction<'_>,
    person: &Person,
    rows: &[u32],
    key: &ForgetKey,
    cells: &str,
    now: Timestamp,
) -> Result<TakenOut, LedgerError> {
    let hash = key.hash(person.normalized());
    let mut taken_out = TakenOut::default();
    for row in rows {
        let changed = transaction.execute(
            &format!(
                "UPDATE recipient SET email = ?1, cells = ?2, key = NULL,
                   address = CASE WHEN {} THEN address ELSE ?3 END
                 WHERE row = ?4 AND (email <> ?1 OR cells <> ?2)",
                is_hash("address")
            ),
            params![FORGOTTEN, cells, hash, row],
        )?;
        let members = transaction.execute(
            "UPDATE member SET email = ?1, cells = ?2 WHERE first = ?3 AND (email <> ?1 OR cells <> ?2)",
            params![FORGOTTEN, cells, row],
        )?;
        taken_out.rows += (changed + members) as u64;
        transaction.execute(
            "UPDATE delivery SET error = NULL, code = CASE WHEN has_person(code) THEN NULL ELSE code END
             WHERE row = ? AND code IS NOT ?",
            params![row, FORGOTTEN_CODE],
        )?;
        transaction.execute(
            "UPDATE delivery SET status = 'skipped', code = ?, error = ?, at = ?
             WHERE row = ? AND status IN ('pending', 'failed')",
            params![FORGOTTEN_CODE, FORGOTTEN_REASON, to_millis(now), row],
        )?;
        transaction.execute("DELETE FROM attachment WHERE row = ?", [row])?;
    }
    taken_out.errors = transaction.execute(
        "UPDATE delivery SET error = without_person(error), code = without_person(code)
         WHERE has_person(error) OR has_person(code)",
        [],
    )? as u64;
    // Not NULL: a test without an address would be sent to the recipients.
    let sql = "UPDATE run SET test_to = ? WHERE has_person(test_to)";
    taken_out.test = transaction.execute(sql, [hash])? > 0;
    Ok(taken_out)
}

fn forget_all(transaction: &Transaction<'_>, cells: &str) -> Result<TakenOut, LedgerError> {
    let is_hashed = is_hash("address");
    let rows = transaction.execute(
        &format!(
            "UPDATE recipient SET email = ?1, cells = ?2, key = NULL,
               address = CASE WHEN {is_hashed} THEN address ELSE forgotten(address) END
             WHERE email <> ?1 OR cells <> ?2"
        ),
        [FORGOTTEN, cells],
    )?;
    let members = transaction.execute(
        "UPDATE member SET email = ?1, cells = ?2 WHERE email <> ?1 OR cells <> ?2",
        [FORGOTTEN, cells],
    )?;
    transaction.execute_batch(&format!(
        "UPDATE delivery SET error = NULL WHERE error IS NOT NULL;
         UPDATE delivery SET code = NULL WHERE instr(code, '@') > 0;
         DELETE FROM attachment;
         UPDATE run SET test_to = forgotten(test_to) WHERE NOT {};",
        is_hash("test_to")
    ))?;
    Ok(TakenOut {
        rows: (rows + members) as u64,
        ..TakenOut::default()
    })
}

/// Skips the pending rows whose address is that of a forgotten person who got the message in the ledger that is
/// attached as `other`, or may have got it. Returns their number.
///
/// # Errors
/// A key is lost, or a ledger can't be used.
pub(super) fn skip_forgotten_in(
    connection: &Connection,
    keys: &ForgetKeys,
    reason: &str,
    now: i64,
) -> Result<usize, LedgerError> {
    let sent = format!(
        "SELECT theirs.address FROM other.recipient AS theirs JOIN other.delivery AS sent USING (row)
         WHERE sent.status IN ('accepted', 'unknown', 'sending') AND {}",
        is_hash("theirs.address")
    );
    let names = key_names(connection, "other")?;
    skip_hashes(connection, &names, &sent, keys, reason, now)
}

/// The same for the hashes in the table `sent`.
pub(super) fn skip_forgotten_sent(
    connection: &Connection,
    keys: &ForgetKeys,
    reason: &str,
    now: i64,
) -> Result<usize, LedgerError> {
    let sent = format!("SELECT address FROM sent WHERE {}", is_hash("address"));
    let mut select = connection.prepare(&sent)?;
    let mut rows = select.query([])?;
    let mut names = BTreeSet::new();
    while let Some(row) = rows.next()? {
        names.extend(key_name(super::text(row, 0)?).map(str::to_owned));
    }
    drop(rows);
    let names: Vec<String> = names.into_iter().collect();
    skip_hashes(connection, &names, &sent, keys, reason, now)
}

fn skip_hashes(
    connection: &Connection,
    names: &[String],
    sent: &str,
    keys: &ForgetKeys,
    reason: &str,
    now: i64,
) -> Result<usize, LedgerError> {
    let mut skipped = 0;
    for name in names {
        register_key(connection, keys.get(name)?)?;
        let sql = format!(
            "UPDATE delivery SET status = 'skipped', code = 'already-sent', error = ?1, at = ?2
             WHERE status = 'pending' AND resends = 0
               AND (SELECT forgotten(address) FROM recipient WHERE recipient.row = delivery.row) IN ({sent})"
        );
        skipped += connection.execute(&sql, params![reason, now])?;
    }
    Ok(skipped)
}

/// Adds the names of keys to a ledger that is copied from another one.
pub(super) fn add_key_names(
    connection: &Connection,
    names: &BTreeSet<String>,
) -> Result<(), LedgerError> {
    if names.is_empty() {
        return Ok(());
    }
    connection.execute_batch(SCHEMA)?;
    for name in names {
        let sql = "INSERT INTO forgotten (key, cleaned) VALUES (?, 1)";
        connection.execute(sql, [name])?;
    }
    Ok(())
}

fn has_table(connection: &Connection, schema: &str) -> Result<bool, LedgerError> {
    let sql = format!("SELECT 1 FROM {schema}.sqlite_schema WHERE name = 'forgotten'");
    Ok(connection
        .query_row(&sql, [], |_| Ok(()))
        .optional()?
        .is_some())
}

fn key_names(connection: &Connection, schema: &str) -> Result<Vec<String>, LedgerError> {
    if !has_table(connection, schema)? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare(&format!("SELECT key FROM {schema}.forgotten"))?;
    let names = select.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// `forgotten(address)`: the hash of a normalized address.
fn register_key(connection: &Connection, key: &ForgetKey) -> Result<(), LedgerError> {
    let key = key.clone();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("forgotten", 1, flags, move |context| {
        let address: Option<String> = context.get(0)?;
        Ok(address.map(|address| match address.starts_with(PREFIX) {
            true => address,
            false => key.hash(&address),
        }))
    })?;
    Ok(())
}

/// `has_person(text)` and `without_person(text)`.
fn register_person(connection: &Connection, person: &Person) -> Result<(), LedgerError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let of_text = person.clone();
    connection.create_scalar_function("has_person", 1, flags, move |context| {
        let text = context.get_raw(0).as_str_or_null()?;
        Ok(text.is_some_and(|text| of_text.is_in(text)))
    })?;
    let person = person.clone();
    connection.create_scalar_function("without_person", 1, flags, move |context| {
        let text = context.get_raw(0).as_str_or_null()?;
        Ok(text.map(|text| person.taken_out_of(text).into_owned()))
    })?;
    Ok(())
}
