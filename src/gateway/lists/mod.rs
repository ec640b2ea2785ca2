//! The API's lists: their filters, order and pages, as SQL.

pub(super) mod blacklist;
pub(super) mod messages;
pub(super) mod v2;

use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::Value;

use crate::address::Address;
use crate::api::{ListError, ListQuery, Sort, after_second, decode_span, decode_time, encode_time};

/// How a list is read: one subquery selects the IDs of a page, then only these rows are read.
struct ListTable {
    /// The columns for `row`.
    columns: String,
    /// The column with a row's ID.
    id: &'static str,
    /// The `FROM` and `WHERE` of the subquery. More conditions are appended.
    from: String,
    /// The `FROM` of the outer query, joined by `chosen.id`.
    read: &'static str,
    fields: Vec<ListField>,
    /// The default order ([`ListField::sort`]), and whether it is descending.
    sort: (&'static [&'static str], bool),
    row: fn(&Row<'_>) -> rusqlite::Result<Value>,
}

/// A field that filters or sorts a list.
#[derive(Clone, Copy)]
struct ListField {
    /// The name in the API.
    name: &'static str,
    column: &'static str,
    kind: FieldKind,
    /// The columns to sort by, in the order of an index. `None` if the field cannot sort.
    sort: Option<&'static [&'static str]>,
    /// Greater if fewer rows share a value. Of several filters, the most selective one uses an index:
    /// SQLite would use any.
    selectivity: u8,
}

/// How a filter compares values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    Text,
    /// An unnormalized address. Case does not matter, nor whether the domain is in ASCII or Unicode.
    Recipient,
    /// A normalized address.
    Address,
    /// `NAME.from` and `NAME.to` are inclusive; `NAME` alone is that second, minute or day.
    Time,
}

impl ListField {
    /// The names of its filters.
    fn filters(self) -> Vec<String> {
        match self.kind {
            FieldKind::Time => ["", ".from", ".to"]
                .map(|suffix| format!("{}{suffix}", self.name))
                .into(),
            _ => vec![self.name.to_owned()],
        }
    }
}

fn field_of(fields: &[ListField], filter: &str) -> Option<ListField> {
    let mut fields = fields.iter();
    let field = fields.find(|field| field.filters().iter().any(|name| name == filter));
    field.copied()
}

fn greatest_selectivity(fields: &[ListField], query: &ListQuery) -> u8 {
    let filters = query.filters.iter();
    let fields = filters.filter_map(|(name, _)| field_of(fields, name));
    fields
        .map(|field| field.selectivity)
        .max()
        .unwrap_or_default()
}

/// A query for one page of a list.
pub(super) struct ListStatement {
    sql: String,
    values: Vec<Sql>,
    row: fn(&Row<'_>) -> rusqlite::Result<Value>,
}

impl ListStatement {
    /// # Errors
    /// If a filter, its value or the order is invalid.
    fn new(table: &ListTable, query: &ListQuery) -> Result<Self, ListError> {
        let selectivity = greatest_selectivity(&table.fields, query);
        let mut conditions = String::new();
        let mut values = Vec::new();
        for (name, value) in &query.filters {
            let (condition, compared) = condition(&table.fields, name, value, selectivity)?;
            conditions.push_str(" AND ");
            conditions.push_str(&condition);
            values.extend(compared);
        }
        let (columns, descending) = match &query.sort {
            Some(sort) => (sort_columns(&table.fields, sort)?, sort.descending),
            None => table.sort,
        };
        let order = if descending { " DESC" } else { "" };
        let columns: Vec<_> = columns
            .iter()
            .map(|column| format!("{column}{order}"))
            .collect();
        let order = columns.join(", ");
        let ListTable {
            columns,
            id,
            from,
            read,
            ..
        } = table;
        let sql = format!(
            "SELECT {columns} FROM (
               SELECT {id} AS id FROM {from}{conditions} ORDER BY {order} LIMIT ? OFFSET ?
             ) AS chosen CROSS JOIN {read} ORDER BY {order}"
        );
        values.extend([query.limit, query.offset].map(|rows| Sql::Integer(rows.into())));
        Ok(Self {
            sql,
            values,
            row: table.row,
        })
    }

    pub(super) fn run(&self, connection: &Connection) -> rusqlite::Result<Vec<Value>> {
        let mut select = connection.prepare_cached(&self.sql)?;
        let values = params_from_iter(self.values.iter());
        select.query_map(values, self.row)?.collect()
    }
}

/// The condition of one filter in SQL, and its values.
fn condition(
    fields: &[ListField],
    name: &str,
    value: &str,
    selectivity: u8,
) -> Result<(String, Vec<Sql>), ListError> {
    let Some(field) = field_of(fields, name) else {
        let known: Vec<_> = fields.iter().flat_map(|field| field.filters()).collect();
        return Err(ListError::UnknownFilter(name.to_owned(), known.join(", ")));
    };
    let column = field.column;
    // A plus keeps SQLite from using an index.
    let plus = if field.selectivity < selectivity {
        "+"
    } else {
        ""
    };
    let text = |value: &str| vec![Sql::Text(value.to_owned())];
    let millis = |time: Timestamp| Sql::Integer(time.as_millisecond());
    Ok(match field.kind {
        FieldKind::Text => (format!("{plus}{column} = ?"), text(value)),
        FieldKind::Recipient => {
            let spellings = spellings(value);
            let condition = match spellings.len() {
                1 => format!("{plus}{column} = ? COLLATE NOCASE"),
                many => {
                    let any = vec!["?"; many].join(", ");
                    format!("{plus}{column} COLLATE NOCASE IN ({any})")
                }
            };
            (condition, spellings.into_iter().map(Sql::Text).collect())
        }
        FieldKind::Address => {
            let normalized = Address::parse(value).map(|address| address.normalized());
            let value = normalized.unwrap_or_else(|_| value.to_owned());
            (format!("{plus}{column} = ?"), text(&value))
        }
        FieldKind::Time if name.ends_with(".from") => {
            let begin = decode_time(name, value)?;
            (format!("{column} >= ?"), vec![millis(begin)])
        }
        FieldKind::Time if name.ends_with(".to") => {
            let end = after_second(decode_time(name, value)?);
            (format!("{column} < ?"), vec![millis(end)])
        }
        FieldKind::Time => {
            let (begin, end) = decode_span(name, value)?;
            let condition = format!("{column} >= ? AND {column} < ?");
            (condition, vec![millis(begin), millis(end)])
        }
    })
}

/// The address as given, and with its domain in ASCII and in Unicode.
fn spellings(value: &str) -> Vec<String> {
    let mut spellings = vec![value.to_owned()];
    if let Ok(address) = Address::parse(value) {
        for other in [address.to_ascii(), address.to_unicode()] {
            if !spellings
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&other))
            {
                spellings.push(other);
            }
        }
    }
    spellings
}

fn sort_columns(fields: &[ListField], sort: &Sort) -> Result<&'static [&'static str], ListError> {
    let sortable = |field: &ListField| Some((field.name, field.sort?));
    let mut sortable = fields.iter().filter_map(sortable);
    let field = sortable.clone().find(|(name, _)| *name == sort.field);
    field.map(|(_, columns)| columns).ok_or_else(|| {
        let known: Vec<_> = sortable.by_ref().map(|(name, _)| name).collect();
        ListError::UnknownSort(sort.field.clone(), known.join(", "))
    })
}

/// A time as the API writes it.
fn time_from_millis(millis: i64) -> Value {
    Timestamp::from_millisecond(millis)
        .map(encode_time)
        .ok()
        .into()
}

#[cfg(test)]
mod tests {
    use super::messages::{emails, events};
    use super::*;
    use crate::gateway::store::{EventKind, Status, Store};

    /// SQLite's plan of the subquery that selects the IDs.
    fn plan(store: &Store, statement: &ListStatement) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let steps = store.read(|connection| {
            let mut explain = connection.prepare(&sql)?;
            let values = params_from_iter(statement.values.iter());
            let steps = explain.query_map(values, |row| row.get::<_, String>(3))?;
            steps.collect::<rusqlite::Result<Vec<_>>>()
        });
        let steps = steps.expect("a plan").join("\n");
        let (choice, _) = steps.split_once("SCAN chosen").expect("a subquery");
        choice.to_owned()
    }

    #[test]
    fn an_index_serves_every_list() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let query = |text: &str| ListQuery::decode(text).expect("a query");
        for (text, index) in [
            ("", "SCAN message USING COVERING INDEX message_created"),
            (
                "sort=created_at",
                "SCAN message USING COVERING INDEX message_created",
            ),
            (
                "sort=account",
                "SCAN message USING COVERING INDEX message_account",
            ),
            ("sort=-to", "SCAN message USING COVERING INDEX message_to"),
            (
                "sort=message_id",
                "SCAN message USING COVERING INDEX message_message_id",
            ),
            ("filter=account::a", "message_account (account=?)"),
            ("filter=to::a@x", "message_to (to_address=?)"),
            ("filter=to::a@x|account::a", "message_to (to_address=?)"),
            (
                "filter=injected_time::2026-11-24|account::a",
                "message_account (account=? AND created_at>? AND created_at<?)",
            ),
        ] {
            let plan = plan(&store, &emails(&query(text)).expect("a list"));
            assert!(plan.contains(index), "{text}: {plan}");
            for slow in ["SUBQUERY", "TEMP B-TREE"] {
                assert!(!plan.contains(slow), "{text}: {plan}");
            }
        }
        // Few rows are left to sort, and no event is read for it.
        for text in [
            "filter=message_id::a",
            "filter=account::a|message_id::a|to::a@x",
        ] {
            let plan = plan(&store, &emails(&query(text)).expect("a list"));
            assert!(
                plan.contains("message_message_id (message_id=?)"),
                "{text}: {plan}"
            );
            assert!(!plan.contains("SUBQUERY"), "{text}: {plan}");
        }
    }

    #[test]
    fn an_index_serves_every_list_of_events() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let plan = |text: &str| {
            let query = ListQuery::decode(text).expect("a query");
            let kind = EventKind::Status(Status::Ok);
            plan(&store, &events(kind, &query).expect("a list"))
        };
        for (text, index) in [
            ("filter=message_id::a", "message_message_id (message_id=?)"),
            ("filter=to::a@x|account::a", "message_to (to_address=?)"),
        ] {
            let plan = plan(text);
            assert!(plan.contains(index), "{text}: {plan}");
            assert!(plan.contains("event_message (message=?)"), "{text}: {plan}");
        }
        for (text, index) in [
            ("", "event_kind (kind=?"),
            ("sort=created_at&from_time=2026-11-24", "event_kind (kind=?"),
            ("filter=account::a", "event_account (account=? AND kind=?"),
            (
                "filter=account::a&from_time=2026-11-24",
                "event_account (account=? AND kind=? AND at>?",
            ),
        ] {
            let plan = plan(text);
            assert!(plan.contains(index), "{text}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{text}: {plan}");
        }
    }
}
