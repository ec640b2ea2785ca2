//! The lists of what was taken and what became of it: `emails`, `smtp_events`, `smtp`.

use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Map, Value, json};

use super::store::{EventKind, WORDS_OF_EVENT};
use crate::address::Address;
use crate::api::{ListError, ListQuery, Sort, after_second, decode_span, decode_time, encode_time};

/// A list that can be asked for. First the IDs of its rows are chosen, then only these are read.
pub(super) struct Table {
    /// What `row` reads.
    pub(super) columns: String,
    /// The ID of a row.
    pub(super) id: &'static str,
    /// Where rows are chosen, with a condition that more can be added to.
    pub(super) from: String,
    /// Where they are read, by `chosen.id`.
    pub(super) read: &'static str,
    pub(super) fields: Vec<Field>,
    /// The order of rows unless another is asked for, as in [`Field::sort`], and whether the greatest
    /// comes first.
    pub(super) sort: (&'static [&'static str], bool),
    pub(super) row: fn(&Row<'_>) -> rusqlite::Result<Value>,
}

/// A field by which rows are chosen or sorted.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// Its name on the wire.
    pub(super) name: &'static str,
    /// Its column.
    pub(super) column: &'static str,
    pub(super) kind: Kind,
    /// By what rows are sorted, if they can be sorted by it. An index has them in that order.
    pub(super) sort: Option<&'static [&'static str]>,
    /// How few rows have the same value. Of several filters the one with the greatest is looked up in an
    /// index: SQLite would take any.
    pub(super) narrow: u8,
}

/// How a filter's value is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// An address as it was written: upper and lower case are the same, and so are both spellings of its
    /// domain.
    Recipient,
    /// An address, as it is normalized.
    Address,
    /// `NAME.from` and `NAME.to`, both included; `NAME` alone is that second, minute or day.
    Time,
}

impl Field {
    /// What can stand in a filter.
    fn filters(self) -> Vec<String> {
        match self.kind {
            Kind::Time => ["", ".from", ".to"]
                .map(|end| format!("{}{end}", self.name))
                .into(),
            _ => vec![self.name.to_owned()],
        }
    }
}

/// The field that a filter is of.
fn field_of(fields: &[Field], filter: &str) -> Option<Field> {
    let mut fields = fields.iter();
    let is_its = |field: &&Field| field.filters().iter().any(|name| name == filter);
    fields.find(is_its).copied()
}

/// The greatest [`Field::narrow`] of all filters.
fn narrowest(fields: &[Field], query: &ListQuery) -> u8 {
    let filters = query.filters.iter();
    let fields = filters.filter_map(|(name, _)| field_of(fields, name));
    fields.map(|field| field.narrow).max().unwrap_or_default()
}

/// A list as it is asked for.
pub(super) struct Select {
    sql: String,
    values: Vec<Sql>,
    row: fn(&Row<'_>) -> rusqlite::Result<Value>,
}

impl Select {
    /// # Errors
    /// A filter or an order that there is not, or a value that can't be.
    pub(super) fn new(table: &Table, query: &ListQuery) -> Result<Self, ListError> {
        let narrowest = narrowest(&table.fields, query);
        let mut conditions = String::new();
        let mut values = Vec::new();
        for (name, value) in &query.filters {
            let (condition, compared) = condition(&table.fields, name, value, narrowest)?;
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
        let Table {
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

/// A condition of one filter, in SQL, and its values.
fn condition(
    fields: &[Field],
    name: &str,
    value: &str,
    narrowest: u8,
) -> Result<(String, Vec<Sql>), ListError> {
    let Some(field) = field_of(fields, name) else {
        let known: Vec<_> = fields.iter().flat_map(|field| field.filters()).collect();
        return Err(ListError::UnknownFilter(name.to_owned(), known.join(", ")));
    };
    let column = field.column;
    // With a plus before it SQLite looks it up in no index.
    let plus = if field.narrow < narrowest { "+" } else { "" };
    let text = |value: &str| vec![Sql::Text(value.to_owned())];
    let millis = |time: Timestamp| Sql::Integer(time.as_millisecond());
    Ok(match field.kind {
        Kind::Text => (format!("{plus}{column} = ?"), text(value)),
        Kind::Recipient => {
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
        Kind::Address => {
            let normalized = Address::parse(value).map(|address| address.normalized());
            let value = normalized.unwrap_or_else(|_| value.to_owned());
            (format!("{plus}{column} = ?"), text(&value))
        }
        Kind::Time if name.ends_with(".from") => {
            let begin = decode_time(name, value)?;
            (format!("{column} >= ?"), vec![millis(begin)])
        }
        Kind::Time if name.ends_with(".to") => {
            let end = after_second(decode_time(name, value)?);
            (format!("{column} < ?"), vec![millis(end)])
        }
        Kind::Time => {
            let (begin, end) = decode_span(name, value)?;
            let condition = format!("{column} >= ? AND {column} < ?");
            (condition, vec![millis(begin), millis(end)])
        }
    })
}

/// How an address can be written: as it is, and with its domain in both spellings.
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

fn sort_columns(fields: &[Field], sort: &Sort) -> Result<&'static [&'static str], ListError> {
    let sortable = |field: &Field| Some((field.name, field.sort?));
    let mut sortable = fields.iter().filter_map(sortable);
    let found = sortable.clone().find(|(name, _)| *name == sort.field);
    found.map(|(_, columns)| columns).ok_or_else(|| {
        let known: Vec<_> = sortable.by_ref().map(|(name, _)| name).collect();
        ListError::UnknownSort(sort.field.clone(), known.join(", "))
    })
}

/// The columns of a message, and its events as a JSON array; what became of a copy is no status of it.
const COLUMNS: &str =
    "message.id, message.uid, message.account, message.from_address, message.to_address,
    message.subject, message.message_id, message.tags, message.created_at, message.updated_at,
    (SELECT json_group_array(json_array(kind, at, description)) FROM event AS own
     WHERE own.message = message.id AND own.copy IS NULL)";

/// What is newer is greater.
const BY_TIME: &[&str] = &["message.created_at", "message.id"];
/// The same, of events.
const BY_EVENT: &[&str] = &["event.at", "event.id"];

fn message_fields() -> Vec<Field> {
    let field = |name, column, kind, narrow, sort| Field {
        name,
        column,
        kind,
        narrow,
        sort: Some(sort),
    };
    let account = &["message.account", "message.created_at", "message.id"];
    let message_id = &["message.message_id", "message.id"];
    let to = &[
        "message.to_address COLLATE NOCASE",
        "message.created_at",
        "message.id",
    ];
    vec![
        field("account", "message.account", Kind::Text, 0, account),
        field(
            "message_id",
            "message.message_id",
            Kind::Text,
            2,
            message_id,
        ),
        field("to", "message.to_address", Kind::Recipient, 1, to),
        field("created_at", "message.created_at", Kind::Time, 0, BY_TIME),
        field(
            "injected_time",
            "message.created_at",
            Kind::Time,
            0,
            BY_TIME,
        ),
    ]
}

/// `emails`, as it is asked for.
pub(super) fn emails(query: &ListQuery) -> Result<Select, ListError> {
    let table = Table {
        columns: COLUMNS.to_owned(),
        id: "message.id",
        from: "message WHERE true".to_owned(),
        read: "message ON message.id = chosen.id",
        fields: message_fields(),
        sort: (BY_TIME, true),
        row: email,
    };
    Select::new(&table, query)
}

/// `smtp_events/KIND`, as it is asked for: a row for each event. `created_at` is the event's time,
/// `injected_time` the message's.
pub(super) fn events(kind: EventKind, query: &ListQuery) -> Result<Select, ListError> {
    let mut fields = message_fields();
    for field in &mut fields {
        // Events are in the order of their time alone.
        field.sort = None;
        match field.name {
            "created_at" => (field.sort, field.column) = (Some(BY_EVENT), "event.at"),
            "account" => field.column = "event.account",
            _ => {}
        }
    }
    let mut query = query.clone();
    if let Some(from) = query.from_time.take() {
        decode_time("from_time", &from)?;
        query.filters.push(("created_at.from".to_owned(), from));
    }
    // The events of a few messages, else all of a kind in their order.
    let from = match narrowest(&fields, &query) {
        1.. => "message CROSS JOIN event ON event.message = message.id WHERE +event.kind",
        0 => "event CROSS JOIN message ON message.id = event.message WHERE event.kind",
    };
    let table = Table {
        columns: format!("{COLUMNS}, event.kind, event.at, {WORDS_OF_EVENT}"),
        id: "event.id",
        from: format!("{from} = '{}'", kind.as_str()),
        read: "event ON event.id = chosen.id CROSS JOIN message ON message.id = event.message",
        fields,
        sort: (BY_EVENT, true),
        row: event,
    };
    Select::new(&table, &query)
}

/// A row of `emails`: a message, and for each status when it got it last, and why.
fn email(row: &Row<'_>) -> rusqlite::Result<Value> {
    email_map(row).map(Value::Object)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut map = email_map(row)?;
    map.insert("event".to_owned(), row.get::<_, String>(11)?.into());
    map.insert("event_time".to_owned(), time_of(row.get(12)?));
    map.insert("event_desc".to_owned(), row.get::<_, String>(13)?.into());
    Ok(Value::Object(map))
}

fn email_map(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let text = |column| row.get::<_, String>(column);
    let tags: Value = serde_json::from_str(&text(7)?).unwrap_or_default();
    let email = json!({
        "id": row.get::<_, i64>(0)?.to_string(),
        "uid": text(1)?,
        "account": text(2)?,
        "from": text(3)?,
        "to": text(4)?,
        "subject": text(5)?,
        "message_id": text(6)?,
        "tags": tags,
        "created_at": time_of(row.get(8)?),
        "updated_at": time_of(row.get(9)?),
        // Nothing is tracked here.
        "open_time": null,
        "open_desc": null,
    });
    let Value::Object(mut email) = email else {
        return Ok(Map::new());
    };
    for kind in EventKind::ALL {
        email.insert(format!("{}_time", kind.as_str()), Value::Null);
        email.insert(format!("{}_desc", kind.as_str()), Value::Null);
    }
    let events: Vec<(String, i64, String)> = serde_json::from_str(&text(10)?).unwrap_or_default();
    for (kind, at, description) in events {
        email.insert(format!("{kind}_time"), time_of(at));
        email.insert(format!("{kind}_desc"), description.into());
    }
    Ok(email)
}

/// A time in a row, as the wire has it.
pub(super) fn time_of(millis: i64) -> Value {
    Timestamp::from_millisecond(millis)
        .map(encode_time)
        .ok()
        .into()
}

/// A row of `smtp`.
pub(super) fn account(name: &String) -> Value {
    json!({ "account": name })
}

/// `smtp`: every account that something was sent through.
pub(super) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<Value>> {
    // From one account to the next in the index, not through all messages.
    let mut select = connection.prepare_cached(
        "WITH RECURSIVE account (name) AS (
           SELECT min(account) FROM message
           UNION ALL
           SELECT (SELECT min(account) FROM message WHERE account > name) FROM account
           WHERE name IS NOT NULL
         )
         SELECT name FROM account WHERE name IS NOT NULL",
    )?;
    let rows = select.query_map([], |row| Ok(json!({ "account": row.get::<_, String>(0)? })))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::{Status, Store};

    /// How SQLite goes about what a query asks for, up to where the chosen rows are read.
    fn plan(store: &Store, select: &Select) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {}", select.sql);
        let steps = store.read(|connection| {
            let mut explain = connection.prepare(&sql)?;
            let values = params_from_iter(select.values.iter());
            let steps = explain.query_map(values, |row| row.get::<_, String>(3))?;
            steps.collect::<rusqlite::Result<Vec<_>>>()
        });
        let steps = steps.expect("a plan").join("\n");
        let (choice, _) = steps
            .split_once("SCAN chosen")
            .expect("IDs are chosen first");
        choice.to_owned()
    }

    #[test]
    fn an_index_serves_every_list() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let query = |text: &str| ListQuery::decode(text).expect("a query");
        for (asked, index) in [
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
            let plan = plan(&store, &emails(&query(asked)).expect("a list"));
            assert!(plan.contains(index), "{asked}: {plan}");
            for slow in ["SUBQUERY", "TEMP B-TREE"] {
                assert!(!plan.contains(slow), "{asked}: {plan}");
            }
        }
        // A few have to be sorted; no event is looked at for it.
        for asked in [
            "filter=message_id::a",
            "filter=account::a|message_id::a|to::a@x",
        ] {
            let plan = plan(&store, &emails(&query(asked)).expect("a list"));
            assert!(
                plan.contains("message_message_id (message_id=?)"),
                "{asked}: {plan}"
            );
            assert!(!plan.contains("SUBQUERY"), "{asked}: {plan}");
        }
    }

    #[test]
    fn events_are_found_by_their_message_or_in_their_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let plan = |text: &str| {
            let query = ListQuery::decode(text).expect("a query");
            let kind = EventKind::Status(Status::Ok);
            plan(&store, &events(kind, &query).expect("a list"))
        };
        for (asked, index) in [
            ("filter=message_id::a", "message_message_id (message_id=?)"),
            ("filter=to::a@x|account::a", "message_to (to_address=?)"),
        ] {
            let plan = plan(asked);
            assert!(plan.contains(index), "{asked}: {plan}");
            assert!(
                plan.contains("event_message (message=?)"),
                "{asked}: {plan}"
            );
        }
        for (asked, index) in [
            ("", "event_kind (kind=?"),
            ("sort=created_at&from_time=2026-11-24", "event_kind (kind=?"),
            ("filter=account::a", "event_account (account=? AND kind=?"),
            (
                "filter=account::a&from_time=2026-11-24",
                "event_account (account=? AND kind=? AND at>?",
            ),
        ] {
            let plan = plan(asked);
            assert!(plan.contains(index), "{asked}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{asked}: {plan}");
        }
    }
}
