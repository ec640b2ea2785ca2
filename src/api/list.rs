//! Lists (`GET emails`, `smtp_events`, `blacklists`, …): what is asked for, and the answers.
//!
//! `sort=f` or `sort=-f`, `offset` in rows, `limit`, and `filter=k::v|k::v`, in which `|` and `::` come
//! raw or percent-encoded.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::form::{self, FormError};

/// How many rows an answer has unless the request says otherwise.
pub const DEFAULT_LIMIT: u32 = 100;
/// The most rows of an answer.
pub const MAX_LIMIT: u32 = 500;

/// What a request asks of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// How many rows are left out first.
    pub offset: u32,
    /// The most rows of the answer.
    pub limit: u32,
    /// By which field they are sorted, and whether the greatest comes first.
    pub sort: Option<Sort>,
    /// Fields and the values that they must have.
    pub filters: Vec<(String, String)>,
    /// `from_time` (`smtp_events` alone): nothing before this time.
    pub from_time: Option<String>,
}

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The field.
    pub field: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// Why a list can't be given; the field is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The query can't be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Not a number, or too great; the field's name.
    #[error("the {0} must be a whole number, and no more than {1}")]
    Number(&'static str, u32),
    /// Not `k::v|k::v`.
    #[error("the filter must look like “field::value|field::value”")]
    Filter,
    /// There is no such filter here.
    #[error("there is no filter {0}: the filters are {1}")]
    UnknownFilter(String, String),
    /// One can't sort by that.
    #[error("the sort can't be {0}: it can be {1}, each also with a minus before it")]
    UnknownSort(String, String),
    /// Not a time; the field's name.
    #[error("the {0} must be a Unix time in seconds, or look like “2026-11-24 10:20:30” (UTC)")]
    Time(String),
}

impl ListQuery {
    /// Reads the query of a URL. What it has beside these fields is ignored.
    ///
    /// # Errors
    /// What is wrong with it, with the field's name.
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

fn number(field: &'static str, value: &str, most: u32) -> Result<u32, ListError> {
    let number = value.trim().parse::<u32>().ok();
    number
        .filter(|number| *number <= most)
        .ok_or(ListError::Number(field, most))
}

fn sort(value: &str) -> Sort {
    let field = value.strip_prefix('-');
    Sort {
        field: field.unwrap_or(value).to_owned(),
        descending: field.is_some(),
    }
}

/// A `|` that no field follows belongs to the value.
fn filters(text: &str) -> Result<Vec<(String, String)>, ListError> {
    let mut filters: Vec<(String, String)> = Vec::new();
    for part in text.split('|') {
        let field = part.split_once("::").filter(|(field, _)| {
            let known = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            !field.is_empty() && field.chars().all(known)
        });
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

/// A time in a filter: seconds since 1970, a date with a time, or a date alone; UTC.
///
/// # Errors
/// A text that is none; the field's name goes into the error.
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

/// The time in which something was, as a filter has it, from its first moment to the one after it: a
/// second; of a date with hours and minutes alone the minute, of a date alone the day.
///
/// # Errors
/// As [`decode_time`].
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

/// The first moment after the second that a time is in: the end of what is asked for up to it.
pub fn after_second(time: Timestamp) -> Timestamp {
    let second = Timestamp::from_second(time.as_second()).unwrap_or(time);
    second
        .checked_add(SignedDuration::from_secs(1))
        .unwrap_or(Timestamp::MAX)
}

/// A time as rows have it: `2026-11-24 10:20:30`, in UTC.
pub fn encode_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An answer with rows.
pub fn encode_list(rows: Vec<Value>, req_id: &str) -> Vec<u8> {
    let count = rows.len();
    let mut answer = success("OK", req_id);
    answer.insert("number_of_elements".to_owned(), count.into());
    answer.insert("data".to_owned(), rows.into());
    Value::Object(answer).to_string().into_bytes()
}

/// An answer that says that something was done, or what is so.
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
    fn a_query_is_read_as_clients_write_it() {
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
    fn a_bar_that_no_field_follows_is_the_values() {
        let filters = query("filter=message_id::a|b::c|to::d").filters;
        assert_eq!(filters[0].1, "a");
        let filters = query("filter=message_id::a|B@x::c|to::d").filters;
        assert_eq!(filters[0].1, "a|B@x::c");
        assert_eq!(filters[1].1, "d");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text| ListQuery::decode(text).expect_err("an error").to_string();
        assert!(message("limit=501").contains("limit"));
        assert!(message("limit=-1").contains("limit"));
        assert!(message("offset=x").contains("offset"));
        assert!(message("filter=account").contains("filter"));
        let error = decode_time("created_at.from", "yesterday").expect_err("an error");
        assert!(error.to_string().contains("created_at.from"));
    }

    #[test]
    fn times_come_in_seconds_or_as_text_and_go_as_text() {
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
