//! The lists of what was taken and what became of it: `emails`, `smtp_events`, `smtp`.

use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Map, Value, json};

use super::store::{EventKind, Status};
use crate::address::Address;
use crate::api::{ListError, ListQuery, Sort, after_second, decode_time, encode_time};

/// A list that can be asked for.
pub(super) struct Table {
    /// What `row` reads.
    pub(super) columns: &'static str,
    /// From where, with a condition that more can be added to.
    pub(super) from: &'static str,
    pub(super) fields: Vec<Field>,
    /// The order of rows unless another is asked for, and whether the greatest comes first.
    pub(super) sort: (&'static str, bool),
    /// What decides between rows that are the same in that.
    pub(super) tie: &'static str,
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
    /// Whether rows can be sorted by it: an index has them in that order.
    pub(super) is_sortable: bool,
}

/// How a filter's value is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Upper and lower case are the same.
    NoCase,
    /// An address, as it is normalized.
    Address,
    /// `NAME.from` and `NAME.to`, both included.
    Time,
}

impl Field {
    /// What can stand in a filter.
    fn filters(self) -> Vec<String> {
        match self.kind {
            Kind::Time => vec![format!("{}.from", self.name), format!("{}.to", self.name)],
            _ => vec![self.name.to_owned()],
        }
    }
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
        let mut sql = format!("SELECT {} FROM {}", table.columns, table.from);
        let mut values = Vec::new();
        for (name, value) in &query.filters {
            let (condition, value) = condition(&table.fields, name, value)?;
            sql.push_str(" AND ");
            sql.push_str(&condition);
            values.push(value);
        }
        let (column, descending) = match &query.sort {
            Some(sort) => (sort_column(&table.fields, sort)?, sort.descending),
            None => table.sort,
        };
        let order = if descending { "DESC" } else { "ASC" };
        let tie = table.tie;
        sql.push_str(&format!(
            " ORDER BY {column} {order}, {tie} {order} LIMIT ? OFFSET ?"
        ));
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

/// A condition of one filter, in SQL, and its value.
fn condition(fields: &[Field], name: &str, value: &str) -> Result<(String, Sql), ListError> {
    let field = fields
        .iter()
        .find(|field| field.filters().iter().any(|filter| filter == name));
    let Some(field) = field else {
        let known: Vec<_> = fields.iter().flat_map(|field| field.filters()).collect();
        return Err(ListError::UnknownFilter(name.to_owned(), known.join(", ")));
    };
    let column = field.column;
    let text = |value: &str| Sql::Text(value.to_owned());
    Ok(match field.kind {
        Kind::Text => (format!("{column} = ?"), text(value)),
        Kind::NoCase => (format!("{column} = ? COLLATE NOCASE"), text(value)),
        Kind::Address => {
            let normalized = Address::parse(value).map(|address| address.normalized());
            let value = normalized.unwrap_or_else(|_| value.to_owned());
            (format!("{column} = ?"), text(&value))
        }
        Kind::Time => {
            let time = decode_time(name, value)?;
            if name.ends_with(".from") {
                (
                    format!("{column} >= ?"),
                    Sql::Integer(time.as_millisecond()),
                )
            } else {
                let end = after_second(time).as_millisecond();
                (format!("{column} < ?"), Sql::Integer(end))
            }
        }
    })
}

fn sort_column(fields: &[Field], sort: &Sort) -> Result<&'static str, ListError> {
    let mut sortable = fields.iter().filter(|field| field.is_sortable);
    let found = sortable.clone().find(|field| field.name == sort.field);
    found.map(|field| field.column).ok_or_else(|| {
        let known: Vec<_> = sortable.by_ref().map(|field| field.name).collect();
        ListError::UnknownSort(sort.field.clone(), known.join(", "))
    })
}

/// The columns of a message, and its events as a JSON array.
const COLUMNS: &str = "message.id, message.uid, message.account, message.from_address, message.to_address,
    message.subject, message.message_id, message.tags, message.created_at, message.updated_at,
    (SELECT json_group_array(json_array(kind, at, description)) FROM event WHERE event.message = message.id)";
/// The same, and the event that the row is of.
const EVENT_COLUMNS: &str =
    "message.id, message.uid, message.account, message.from_address, message.to_address,
    message.subject, message.message_id, message.tags, message.created_at, message.updated_at,
    (SELECT json_group_array(json_array(kind, at, description)) FROM event AS other
     WHERE other.message = message.id), event.kind, event.at, event.description";

fn message_fields() -> Vec<Field> {
    let field = |name, column, kind| Field {
        name,
        column,
        kind,
        is_sortable: true,
    };
    vec![
        field("account", "message.account", Kind::Text),
        field("message_id", "message.message_id", Kind::Text),
        field("to", "message.to_address", Kind::NoCase),
        field("created_at", "message.created_at", Kind::Time),
        field("injected_time", "message.created_at", Kind::Time),
    ]
}

/// `emails`, as it is asked for.
pub(super) fn emails(query: &ListQuery) -> Result<Select, ListError> {
    let table = Table {
        columns: COLUMNS,
        from: "message WHERE true",
        fields: message_fields(),
        sort: ("message.created_at", true),
        tie: "message.id",
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
        field.is_sortable = field.name == "created_at";
        if field.name == "created_at" {
            field.column = "event.at";
        }
    }
    let mut query = query.clone();
    if let Some(from) = query.from_time.take() {
        decode_time("from_time", &from)?;
        query.filters.push(("created_at.from".to_owned(), from));
    }
    let table = Table {
        columns: EVENT_COLUMNS,
        from: events_of(kind),
        fields,
        sort: ("event.at", true),
        tie: "event.id",
        row: event,
    };
    Select::new(&table, &query)
}

fn events_of(kind: EventKind) -> &'static str {
    macro_rules! of {
        ($kind:literal) => {
            concat!(
                "event CROSS JOIN message ON message.id = event.message WHERE event.kind = '",
                $kind,
                "'"
            )
        };
    }
    match kind {
        EventKind::Status(Status::Injected) => of!("injected"),
        EventKind::Status(Status::Ok) => of!("ok"),
        EventKind::Status(Status::Softbounce) => of!("softbounce"),
        EventKind::Status(Status::Hardbounce) => of!("hardbounce"),
        EventKind::Status(Status::Spambounce) => of!("spambounce"),
        EventKind::Status(Status::Dropped) => of!("dropped"),
        EventKind::Feedback => of!("feedback"),
    }
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
