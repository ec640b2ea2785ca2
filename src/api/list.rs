//! Queries and responses of lists: `GET emails`, `smtp_events`, `blacklists`, …
//!
//! A query has `sort=f` or `sort=-f`, `offset` in rows, `limit`, and `filter=k::v|k::v`, with `|` and `::`
//! percent-encoded or not.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::form::{self, FormError};

pub const DEFAULT_LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 500;
/// More than there are different filters.
const MAX_FILTERS: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// In rows.
    pub offset: u32,
    pub limit: u32,
    pub sort: Option<Sort>,
    /// Fields and their values.
    pub filters: Vec<(String, String)>,
    /// The earliest time (`smtp_events` only).
    pub from_time: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    pub field: String,
    pub descending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Form(#[from] FormError),
    /// The field and its maximum.
    #[error("the {0} must be a whole number up to {1}")]
    Number(&'static str, u32),
    #[error("the filter must look like “field::value|field::value”")]
    Filter,
    #[error("there are more than {MAX_FILTERS} filters")]
    TooManyFilters,
    /// The filter and the filters that exist.
    #[error("there is no filter {0}; the filters are {1}")]
    UnknownFilter(String, String),
    /// The sort and the fields that exist.
    #[error("the sort can't be {0}; use {1}, with a minus sign for descending order")]
    UnknownSort(String, String),
    /// The field.
    #[error("the {0} must be a Unix time in seconds, or look like “2026-11-24 10:20:30” (UTC)")]
    Time(String),
}

impl ListQuery {
    /// Decodes the query of a URL. Other fields are ignored.
    ///
    /// # Errors
    /// If a field is invalid.
    pub fn decode(query: &str) -> Result<Self, ListError> {
        let mut list = Self {
            offset: 0,
            limit: DEFAULT_LIMIT,
            sort: None,
            filters: Vec::new(),
            from_time: None,
        };
        for (name, value) in form::pairs(query.as_bytes())? {
            match name.as_str() {
                _ if value.is_empty() => {}
                "offset" => list.offset = number("offset", &value, u32::MAX)?,
                "limit" => list.limit = number("limit", &value, MAX_LIMIT)?,
                "sort" => list.sort = Some(sort(&value)),
                "filter" => list.filters = filters(&value)?,
                "from_time" => list.from_time = Some(value),
                _ => {}
            }
        }
        Ok(list)
    }
}

pub(super) fn number(field: &'static str, value: &str, max: u32) -> Result<u32, ListError> {
    let number = value.trim().parse::<u32>().ok();
    number
        .filter(|number| *number <= max)
        .ok_or(ListError::Number(field, max))
}

fn sort(value: &str) -> Sort {
    let field = value.strip_prefix('-');
    Sort {
        field: field.unwrap_or(value).to_owned(),
        descending: field.is_some(),
    }
}

/// Splits filters. A `|` without a field after it belongs to the value.
fn filters(text: &str) -> Result<Vec<(String, String)>, ListError> {
    let mut filters: Vec<(String, String)> = Vec::new();
    for part in text.split('|') {
        let field = part.split_once("::").filter(|(field, _)| {
            let known = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            !field.is_empty() && field.chars().all(known)
        });
        if field.is_some() && filters.len() == MAX_FILTERS {
            return Err(ListError::TooManyFilters);
        }
        match (field, filters.last_mut()) {
            (Some((field, value)), _) => filters.push((field.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push('|');
                value.push_str(part);
            }
            (None, None) => return Err(ListError::Filter),
        }
    }
    Ok(filters)
}

/// Decodes a time in a filter: seconds since 1970, a date with a time, or a date, in UTC.
///
/// # Errors
/// If the text is not a time. `field` is for the message.
pub fn decode_time(field: &str, text: &str) -> Result<Timestamp, ListError> {
    let text = text.trim();
    let time = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text
            .parse::<DateTime>()
            .ok()
            .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
            .map(|time| time.timestamp()),
    };
    time.ok_or_else(|| ListError::Time(field.to_owned()))
}

/// Decodes a period in a filter, from its start up to its end: a second, the minute of a time without
/// seconds, or the day of a date.
///
/// # Errors
/// The same as for [`decode_time`].
pub fn decode_span(field: &str, text: &str) -> Result<(Timestamp, Timestamp), ListError> {
    let time = decode_time(field, text)?;
    let begin = Timestamp::from_second(time.as_second()).unwrap_or(time);
    let is_date = text.trim().parse::<i64>().is_err();
    let seconds = match text.matches(':').count() {
        0 if is_date => 86_400,
        1 => 60,
        _ => 1,
    };
    let end = begin.checked_add(SignedDuration::from_secs(seconds));
    Ok((begin, end.unwrap_or(Timestamp::MAX)))
}

/// The start of the next second.
pub fn after_second(time: Timestamp) -> Timestamp {
    let second = Timestamp::from_second(time.as_second()).unwrap_or(time);
    second
        .checked_add(SignedDuration::from_secs(1))
        .unwrap_or(Timestamp::MAX)
}

/// Encodes a time as `2026-11-24 10:20:30`, in UTC.
pub fn encode_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Encodes a response with rows.
pub fn encode_list(rows: Vec<Value>, req_id: &str) -> Vec<u8> {
    let count = rows.len();
    let mut answer = success("OK", req_id);
    answer.insert("number_of_elements".to_owned(), count.into());
    answer.insert("data".to_owned(), rows.into());
    Value::Object(answer).to_string().into_bytes()
}

/// Encodes a successful response with a message.
pub fn encode_done(message: &str, data: Value, req_id: &str) -> Vec<u8> {
    let mut answer = success(message, req_id);
    answer.insert("data".to_owned(), data);
    Value::Object(answer).to_string().into_bytes()
}

fn success(message: &str, req_id: &str) -> Map<String, Value> {
    let answer = json!({
        "code": 200,
        "status": "success",
        "message": message,
        "req_id": req_id,
    });
    match answer {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> ListQuery {
        ListQuery::decode(text).expect("a query")
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(query("").limit, DEFAULT_LIMIT);
        let all = query("offset=40&limit=10&sort=-created_at&filter=account::1.acme.smtp|to::a@x");
        assert_eq!((all.offset, all.limit), (40, 10));
        let sort = all.sort.expect("an order");
        assert_eq!((&*sort.field, sort.descending), ("created_at", true));
        let filters = [("account", "1.acme.smtp"), ("to", "a@x")];
        let filters = filters.map(|(field, value)| (field.to_owned(), value.to_owned()));
        assert_eq!(all.filters, filters);
        for same in [
            "filter=account%3A%3A1.acme.smtp%7Cto%3A%3Aa%40x",
            "filter=account::1.acme.smtp%7Cto::a@x&limit=&nonsense=1",
        ] {
            assert_eq!(query(same).filters, filters);
        }
    }

    #[test]
    fn a_bar_without_a_field_belongs_to_the_value() {
        let filters = query("filter=message_id::a|b::c|to::d").filters;
        assert_eq!(filters[0].1, "a");
        let filters = query("filter=message_id::a|B@x::c|to::d").filters;
        assert_eq!(filters[0].1, "a|B@x::c");
        assert_eq!(filters[1].1, "d");
    }

    #[test]
    fn errors_name_the_field() {
        let message = |text| ListQuery::decode(text).expect_err("an error").to_string();
        assert!(message("limit=501").contains("limit"));
        assert!(message("limit=-1").contains("limit"));
        assert!(message("offset=x").contains("offset"));
        assert!(message("filter=account").contains("filter"));
        let many = format!("filter={}", ["to::a@x"; MAX_FILTERS + 1].join("|"));
        assert!(message(&many).contains("more than 20 filters"));
        let error = decode_time("created_at.from", "yesterday").expect_err("an error");
        assert!(error.to_string().contains("created_at.from"));
    }

    #[test]
    fn times_are_decoded_from_seconds_and_text() {
        let time = decode_time("t", "2026-11-24 10:20:30").expect("a time");
        assert_eq!(decode_time("t", "1795515630").expect("a time"), time);
        assert_eq!(encode_time(time), "2026-11-24 10:20:30");
        let day = decode_time("t", "2026-11-24").expect("a time");
        assert_eq!(encode_time(day), "2026-11-24 00:00:00");
        let span = |text| {
            let (begin, end) = decode_span("t", text).expect("a time");
            (encode_time(begin), end.duration_since(begin).as_secs())
        };
        let at = |text: &str, seconds| (format!("2026-11-24 {text}"), seconds);
        assert_eq!(span("1795515630"), at("10:20:30", 1));
        assert_eq!(span("2026-11-24 10:20:30.5"), at("10:20:30", 1));
        assert_eq!(span("2026-11-24 10:20"), at("10:20:00", 60));
        assert_eq!(span("2026-11-24"), at("00:00:00", 86_400));
        let end = after_second(Timestamp::from_millisecond(1_500).expect("a time"));
        assert_eq!(end, Timestamp::from_second(2).expect("a time"));
    }
}
