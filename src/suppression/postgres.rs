//! A list in the database of a ledger.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::entry::{Entry, Reason};
use super::hash::{AddressHash, KEY_LENGTH};
use super::history::{History, StoredEntry};
use super::store::{
    EntryPosition, Histories, ListError, ListStore, changed, entry_of, parse_hash, parse_key,
    parse_reason,
};
use crate::ledger::PostgresError;
use crate::ledger::postgres::{Database, Parameter, column, wait};
use crate::list_name::ListName;

/// How many reasons are read at once.
const PAGE: i64 = 50_000;

pub(super) struct PostgresList {
    database: Arc<Database>,
    list: i64,
    key: [u8; KEY_LENGTH],
}

impl PostgresList {
    /// Opens the list; `None` if there is none.
    ///
    /// # Errors
    /// The database can't be read.
    pub(super) fn open(
        database: &Arc<Database>,
        name: &ListName,
    ) -> Result<Option<Self>, ListError> {
        let sql = "SELECT id, hash_key FROM mailrun.kept_list WHERE name = $1";
        let rows = wait(database.query(sql, &[(&name.as_str(), Type::TEXT)]))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Self {
            database: Arc::clone(database),
            list: column(row, 0)?,
            key: parse_key(column(row, 1)?)?,
        }))
    }

    /// Creates the list, unless another process has created it in the meantime.
    ///
    /// # Errors
    /// The database can't be written.
    pub(super) fn create(database: &Arc<Database>, name: &ListName) -> Result<Self, ListError> {
        let key: [u8; KEY_LENGTH] = rand::random();
        let sql =
            "INSERT INTO mailrun.kept_list (name, hash_key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let values: [Parameter<'_>; 2] = [(&name.as_str(), Type::TEXT), (&&key[..], Type::BYTEA)];
        wait(database.query(sql, &values))?;
        let list = Self::open(database, name)?;
        list.ok_or_else(|| ListError::Damaged(format!("the list {name} was deleted")))
    }
}

fn stored(row: &Row, first: usize) -> Result<StoredEntry, PostgresError> {
    Ok(StoredEntry {
        address: column(row, first)?,
        source: column(row, first + 1)?,
        at: column(row, first + 2)?,
        note: column(row, first + 3)?,
        counted: column(row, first + 4)?,
    })
}

/// A statement's $1 is the list.
struct Changes<'a> {
    transaction: Transaction<'a>,
    list: i64,
}

impl Changes<'_> {
    async fn query(&self, sql: &str, more: &[Parameter<'_>]) -> Result<Vec<Row>, ListError> {
        let mut parameters: Vec<Parameter<'_>> = vec![(&self.list, Type::INT8)];
        parameters.extend(more.iter().cloned());
        let rows = self.transaction.query_typed(sql, &parameters).await;
        Ok(rows.map_err(PostgresError::from)?)
    }

    async fn load(&self, hashes: &BTreeSet<AddressHash>) -> Result<Histories, ListError> {
        let mut histories: Histories = hashes
            .iter()
            .map(|hash| (*hash, History::default()))
            .collect();
        let keys: Vec<&[u8]> = hashes.iter().map(|hash| &hash[..]).collect();
        let keys: Parameter<'_> = (&keys, Type::BYTEA_ARRAY);
        let of = async |columns: &str, table: &str| {
            let sql = format!(
                "SELECT hash, {columns} FROM mailrun.{table} WHERE list = $1 AND hash = ANY ($2)"
            );
            self.query(&sql, std::slice::from_ref(&keys)).await
        };
        let columns = "reason, address, source, at, note, counted";
        for row in of(columns, "kept_entry").await? {
            let reason = parse_reason(column(&row, 1)?)?;
            let history = histories.entry(parse_hash(column(&row, 0)?)?).or_default();
            history.entries.insert(reason, stored(&row, 2)?);
        }
        for row in of("reason, at", "kept_removal").await? {
            let reason = parse_reason(column(&row, 1)?)?;
            let history = histories.entry(parse_hash(column(&row, 0)?)?).or_default();
            history.removals.insert(reason, column(&row, 2)?);
        }
        for row in of("message, at", "kept_soft_bounce").await? {
            let history = histories.entry(parse_hash(column(&row, 0)?)?).or_default();
            let message = column(&row, 1)?;
            history.soft_bounces.insert(message, column(&row, 2)?);
        }
        for row in of("at", "kept_delivery").await? {
            let history = histories.entry(parse_hash(column(&row, 0)?)?).or_default();
            history.last_delivery = Some(column(&row, 1)?);
        }
        Ok(histories)
    }

    async fn save(&self, histories: &[(&AddressHash, &History)]) -> Result<(), ListError> {
        let hashes: Vec<&[u8]> = histories.iter().map(|(hash, _)| &hash[..]).collect();
        for table in [
            "kept_entry",
            "kept_removal",
            "kept_soft_bounce",
            "kept_delivery",
        ] {
            let sql = format!("DELETE FROM mailrun.{table} WHERE list = $1 AND hash = ANY ($2)");
            self.query(&sql, &[(&hashes, Type::BYTEA_ARRAY)]).await?;
        }
        self.save_entries(histories).await?;
        let pairs = |of: fn(&History) -> Vec<(&str, i64)>| {
            let mut columns = (Vec::new(), Vec::new(), Vec::new());
            for (hash, history) in histories {
                for (name, at) in of(history) {
                    columns.0.push(&hash[..]);
                    columns.1.push(name);
                    columns.2.push(at);
                }
            }
            columns
        };
        let removals = pairs(|history| {
            let removals = history.removals.iter();
            removals
                .map(|(reason, at)| (reason.as_str(), *at))
                .collect()
        });
        let soft_bounces = pairs(|history| {
            let bounces = history.soft_bounces.iter();
            bounces.map(|(message, at)| (&**message, *at)).collect()
        });
        for (table, name, (hashes, names, times)) in [
            ("kept_removal", "reason", &removals),
            ("kept_soft_bounce", "message", &soft_bounces),
        ] {
            let sql = format!(
                "INSERT INTO mailrun.{table} (list, hash, {name}, at)
                 SELECT $1, n.hash, n.name, n.at FROM unnest($2, $3, $4) AS n(hash, name, at)"
            );
            let values: [Parameter<'_>; 3] = [
                (hashes, Type::BYTEA_ARRAY),
                (names, Type::TEXT_ARRAY),
                (times, Type::INT8_ARRAY),
            ];
            self.query(&sql, &values).await?;
        }
        let deliveries = histories
            .iter()
            .filter_map(|(hash, history)| Some((&hash[..], history.last_delivery?)));
        let (hashes, times): (Vec<&[u8]>, Vec<i64>) = deliveries.unzip();
        let sql = "INSERT INTO mailrun.kept_delivery (list, hash, at)
             SELECT $1, n.hash, n.at FROM unnest($2, $3) AS n(hash, at)";
        let values: [Parameter<'_>; 2] = [(&hashes, Type::BYTEA_ARRAY), (&times, Type::INT8_ARRAY)];
        self.query(sql, &values).await.map(drop)
    }

    async fn save_entries(&self, histories: &[(&AddressHash, &History)]) -> Result<(), ListError> {
        let of_one = |(hash, history): &(&AddressHash, &History)| {
            let (hash, entries) = (hash.to_vec(), history.entries.clone());
            let with_hash = move |(reason, entry)| (hash.clone(), reason, entry);
            entries.into_iter().map(with_hash)
        };
        let entries: Vec<(Vec<u8>, Reason, StoredEntry)> =
            histories.iter().flat_map(of_one).collect();
        let hashes: Vec<&[u8]> = entries.iter().map(|(hash, ..)| &hash[..]).collect();
        let reasons: Vec<&str> = entries.iter().map(|(_, it, _)| it.as_str()).collect();
        let addresses: Vec<_> = entries
            .iter()
            .map(|(.., it)| it.address.as_deref())
            .collect();
        let sources: Vec<&str> = entries.iter().map(|(.., it)| &*it.source).collect();
        let times: Vec<i64> = entries.iter().map(|(.., it)| it.at).collect();
        let notes: Vec<&str> = entries.iter().map(|(.., it)| &*it.note).collect();
        let counted: Vec<bool> = entries.iter().map(|(.., it)| it.counted).collect();
        let sql = "INSERT INTO mailrun.kept_entry (list, hash, reason, address, source, at, note, counted)
             SELECT $1, n.* FROM unnest($2, $3, $4, $5, $6, $7, $8) AS n";
        let values: [Parameter<'_>; 7] = [
            (&hashes, Type::BYTEA_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&addresses, Type::TEXT_ARRAY),
            (&sources, Type::TEXT_ARRAY),
            (&times, Type::INT8_ARRAY),
            (&notes, Type::TEXT_ARRAY),
            (&counted, Type::BOOL_ARRAY),
        ];
        self.query(sql, &values).await.map(drop)
    }
}

impl ListStore for PostgresList {
    fn key(&self) -> [u8; KEY_LENGTH] {
        self.key
    }

    fn change(
        &mut self,
        hashes: &[AddressHash],
        change: &mut dyn FnMut(&mut Histories),
    ) -> Result<(), ListError> {
        let hashes: BTreeSet<AddressHash> = hashes.iter().copied().collect();
        wait(async {
            let mut client = self.database.fresh().await?;
            let transaction = client.transaction().await.map_err(PostgresError::from)?;
            let list = self.list;
            let changes = Changes { transaction, list };
            let lock = "SELECT FROM mailrun.kept_list WHERE id = $1 FOR UPDATE";
            changes.query(lock, &[]).await?;
            let before = changes.load(&hashes).await?;
            let mut after = before.clone();
            change(&mut after);
            let changed: Vec<_> = changed(&before, &after).collect();
            if !changed.is_empty() {
                changes.save(&changed).await?;
            }
            let committed = changes.transaction.commit().await;
            Ok::<_, ListError>(committed.map_err(PostgresError::from)?)
        })
    }

    fn history(&self, hash: &AddressHash) -> Result<History, ListError> {
        wait(async {
            let mut client = self.database.fresh().await?;
            let transaction = client.transaction().await.map_err(PostgresError::from)?;
            let list = self.list;
            let changes = Changes { transaction, list };
            let mut histories = changes.load(&BTreeSet::from([*hash])).await?;
            Ok::<_, ListError>(histories.remove(hash).unwrap_or_default())
        })
    }

    fn entries(
        &self,
        after: Option<EntryPosition>,
        most: u32,
    ) -> Result<Vec<(EntryPosition, Entry)>, ListError> {
        let (hash, reason) = after.map_or((Vec::new(), ""), |after| {
            (after.hash.to_vec(), after.reason.as_str())
        });
        let sql = "SELECT hash, reason, address, source, at, note, counted FROM mailrun.kept_entry
             WHERE list = $1 AND (hash, reason) > ($2, $3) ORDER BY hash, reason LIMIT $4";
        let values: [Parameter<'_>; 4] = [
            (&self.list, Type::INT8),
            (&hash, Type::BYTEA),
            (&reason, Type::TEXT),
            (&i64::from(most), Type::INT8),
        ];
        let rows = wait(self.database.query(sql, &values))?;
        let entry = |row: &Row| {
            let hash = parse_hash(column(row, 0)?)?;
            let reason = parse_reason(column(row, 1)?)?;
            let entry = entry_of(reason, stored(row, 2)?)?;
            Ok((EntryPosition { hash, reason }, entry))
        };
        rows.iter().map(entry).collect()
    }

    fn scrub(&self) -> Result<(), ListError> {
        // Vacuuming is the server's.
        Ok(())
    }

    fn each_reason(&self, each: &mut dyn FnMut(AddressHash, Reason)) -> Result<(), ListError> {
        let (mut hash, mut reason) = (Vec::<u8>::new(), String::new());
        let sql = "SELECT hash, reason FROM mailrun.kept_entry
             WHERE list = $1 AND (hash, reason) > ($2, $3) ORDER BY hash, reason LIMIT $4";
        loop {
            let values: [Parameter<'_>; 4] = [
                (&self.list, Type::INT8),
                (&hash, Type::BYTEA),
                (&reason, Type::TEXT),
                (&PAGE, Type::INT8),
            ];
            let rows = wait(self.database.query(sql, &values))?;
            for row in &rows {
                each(parse_hash(column(row, 0)?)?, parse_reason(column(row, 1)?)?);
            }
            let Some(last) = rows.last() else {
                return Ok(());
            };
            (hash, reason) = (column(last, 0)?, column(last, 1)?);
        }
    }
}
