//! What the API says about messages after it has taken them: deliveries, bounces, complaints, opens and clicks.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::list::{decode_time, encode_time};
use super::{HttpReply, form};
use crate::outcome::{LookupOutcome, one_line};

/// An event in the delivery of a message, or what its recipient did with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The recipient's server asked for another attempt later.
    Deferred,
    /// The recipient's server took it.
    Delivered,
    /// It was refused for a temporary reason, and given up.
    SoftBounce,
    /// It was refused for good.
    HardBounce,
    /// It was refused as spam.
    SpamBounce,
    /// It was not sent: the address is blacklisted, or a quota was used up.
    Dropped,
    Opened,
    /// A link was followed.
    Clicked,
    /// The recipient unsubscribed. The API does not report this.
    Unsubscribed,
    Complaint,
}

impl EventKind {
    pub const ALL: [Self; 10] = [
        Self::Deferred,
        Self::Delivered,
        Self::SoftBounce,
        Self::HardBounce,
        Self::SpamBounce,
        Self::Dropped,
        Self::Opened,
        Self::Clicked,
        Self::Unsubscribed,
        Self::Complaint,
    ];

    /// The name in files and databases.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::SoftBounce => "soft-bounce",
            Self::HardBounce => "hard-bounce",
            Self::SpamBounce => "spam-bounce",
            Self::Dropped => "dropped",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Unsubscribed => "unsubscribed",
            Self::Complaint => "complaint",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The API's word for it, if it has one.
    pub(super) fn status(self) -> Option<&'static str> {
        Some(match self {
            Self::Deferred => "deferred",
            Self::Delivered => "ok",
            Self::SoftBounce => "softbounce",
            Self::HardBounce => "hardbounce",
            Self::SpamBounce => "spambounce",
            Self::Dropped => "dropped",
            Self::Opened => "open",
            Self::Clicked => "track",
            Self::Complaint => "feedback",
            Self::Unsubscribed => return None,
        })
    }

    pub(super) fn of_status(status: &str) -> Option<Self> {
        let status = status.trim();
        Self::ALL.into_iter().find(|kind| {
            let word = kind.status();
            word.is_some_and(|word| word.eq_ignore_ascii_case(status))
        })
    }
}

/// An event, as the API tells it. Nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingEvent {
    /// Without angle brackets.
    pub message_id: String,
    /// The recipient.
    pub address: String,
    pub kind: EventKind,
    /// `None` if the API does not say when. A time without a zone counts as UTC.
    pub at: Option<Timestamp>,
    /// One line.
    pub description: String,
}

/// A list of events or of blocked addresses, which is read page by page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingList {
    /// Below the API's base URL, with a query, but without `offset` and `limit`.
    path: String,
    /// The kind of all rows; `None` if each row has its own status.
    pub(super) kind: Option<EventKind>,
}

/// The most rows of a page.
const PAGE: u32 = 500;

impl TrackingList {
    pub(super) fn new(
        endpoint: &str,
        query: &[(&str, &str)],
        filters: &[(&str, &str)],
        kind: Option<EventKind>,
    ) -> Self {
        let mut path = format!("{endpoint}?").into_bytes();
        for (name, value) in query {
            path.extend_from_slice(format!("{name}=").as_bytes());
            form::encode_into(value.as_bytes(), &mut path);
            path.push(b'&');
        }
        for (number, (name, value)) in filters.iter().enumerate() {
            let before = if number == 0 { "filter=" } else { "|" };
            path.extend_from_slice(format!("{before}{name}::").as_bytes());
            form::encode_into(value.as_bytes(), &mut path);
        }
        if !filters.is_empty() {
            path.push(b'&');
        }
        Self {
            // Percent-encoded text is ASCII.
            path: String::from_utf8_lossy(&path).into_owned(),
            kind,
        }
    }

    /// The path and the query of the page that begins after `offset` rows.
    pub fn page(&self, offset: u64) -> String {
        format!("{}limit={PAGE}&offset={offset}", self.path)
    }
}

/// Which events to list.
#[derive(Debug, Clone, Copy)]
pub struct TrackingSpan<'a> {
    pub smtp_account: &'a str,
    /// No message was sent before this time,
    pub sent_from: Timestamp,
    /// or after this one.
    pub sent_to: Timestamp,
    /// No event is after this time.
    pub until: Timestamp,
    /// Events before this time are known; `None` if none are.
    pub known_before: Option<Timestamp>,
}

impl TrackingSpan<'_> {
    pub(super) fn sent_from(&self) -> String {
        encode_time(self.sent_from)
    }

    pub(super) fn sent_to(&self) -> String {
        encode_time(self.sent_to)
    }

    pub(super) fn until(&self) -> String {
        encode_time(self.until)
    }

    /// The time from which events are new.
    pub(super) fn new_from(&self) -> String {
        encode_time(self.known_before.unwrap_or(self.sent_from))
    }
}

/// The decoded answer to a request for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackingOutcome {
    Events {
        /// The rows of the page, with and without events.
        rows: u64,
        /// The first row as JSON: it differs from page to page.
        first: String,
        events: Vec<TrackingEvent>,
    },
    /// There was no usable answer; ask again.
    Unanswered {
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Asking again is useless.
    Stop { reason: String },
}

impl TrackingOutcome {
    /// The page after the last one.
    pub(super) const NONE: Self = Self::Events {
        rows: 0,
        first: String::new(),
        events: Vec::new(),
    };

    /// The meaning of an answer without events.
    pub(super) fn of_lookup(outcome: LookupOutcome) -> Self {
        match outcome {
            LookupOutcome::Taken | LookupOutcome::NotListed => Self::NONE,
            LookupOutcome::Unanswered { reason, wait } => Self::Unanswered { reason, wait },
            LookupOutcome::Stop { reason } => Self::Stop { reason },
        }
    }

    pub(super) fn unanswered(reply: &HttpReply, reason: String, now: Timestamp) -> Self {
        Self::of_lookup(reply.unanswered(reason, now))
    }
}

/// The events in a row of `emails` or `smtp_events`: each status with a time. A row of `smtp_events/KIND` may have the
/// event's own time and description instead.
pub(super) fn events_of_form_row(
    row: &Value,
    kind: Option<EventKind>,
    events: &mut Vec<TrackingEvent>,
) {
    let Some(row) = row.as_object() else {
        return;
    };
    let id = text(row, "message_id");
    let (Some(message_id), Some(address)) = (message_id(&id), address(&text(row, "to"))) else {
        return;
    };
    let mut add = |kind, at, description: &str| {
        events.push(TrackingEvent {
            message_id: message_id.to_owned(),
            address: address.clone(),
            kind,
            at,
            description: one_line(description),
        });
    };
    for kind in EventKind::ALL {
        let Some(status) = kind.status() else {
            continue;
        };
        if let Some(at) = row.get(&format!("{status}_time")).and_then(time) {
            add(kind, Some(at), &text(row, &format!("{status}_desc")));
        }
    }
    if let Some(kind) = kind
        && kind
            .status()
            .is_none_or(|status| !row.contains_key(&format!("{status}_time")))
    {
        let at = row.get("event_time").or_else(|| row.get("time"));
        let description = ["event_desc", "desc", "description"].map(|name| text(row, name));
        add(kind, at.and_then(time), &description.concat());
    }
}

/// The event of an entry of `data` in the API v2.1 for each of its recipients.
pub(super) fn events_of_v2_entry<'a>(
    entry: &Value,
    recipients: impl Iterator<Item = (&'a str, Option<&'a str>)>,
    kind: Option<EventKind>,
    events: &mut Vec<TrackingEvent>,
) {
    let Some(map) = entry.as_object() else {
        return;
    };
    let status = || EventKind::of_status(&text(map, "status"));
    let Some(kind) = kind.or_else(status) else {
        return;
    };
    let times = ["statusTime", "time", "date", "createdAt"];
    let at = times.iter().find_map(|name| map.get(*name).and_then(time));
    let description = one_line(&text(map, "statusDesc"));
    for (to, id) in recipients {
        if let (Some(id), Some(address)) = (id.and_then(message_id), address(to)) {
            events.push(TrackingEvent {
                message_id: id.to_owned(),
                address,
                kind,
                at,
                description: description.clone(),
            });
        }
    }
}

/// A string or a number as text; empty if it is neither.
pub(super) fn text(row: &Map<String, Value>, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A message ID without angle brackets. The API writes `0` for a message that has none.
pub(crate) fn message_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let inside = text.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    Some(inside.unwrap_or(text).trim()).filter(|id| !id.is_empty() && *id != "0")
}

/// An address, perhaps in angle brackets after a name.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let inside = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'));
    let address = inside.map_or(text, |(_, address)| address);
    (!address.is_empty()).then(|| address.to_owned())
}

/// Seconds since 1970, or a date with a time. Zero means that there was no such event.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let time = match value {
        Value::Number(number) => Timestamp::from_second(number.as_i64()?).ok(),
        Value::String(text) if text.contains(['T', 'Z']) => text.trim().parse().ok(),
        Value::String(text) => decode_time("time", text).ok(),
        _ => None,
    };
    time.filter(|time| time.as_second() > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_row(row: &Value, kind: Option<EventKind>) -> Vec<(EventKind, Option<i64>, String)> {
        let mut events = Vec::new();
        events_of_form_row(row, kind, &mut events);
        let events = events.into_iter();
        let event = |event: TrackingEvent| {
            assert_eq!((&*event.message_id, &*event.address), ("a@x", "b@y"));
            (
                event.kind,
                event.at.map(Timestamp::as_second),
                event.description,
            )
        };
        events.map(event).collect()
    }

    #[test]
    fn every_status_with_a_time_is_an_event() {
        let row = json!({
            "message_id": "<a@x>", "to": "b@y", "injected_time": "2026-11-24 10:20:29",
            "ok_time": "2026-11-24 10:20:30", "ok_desc": "250\nOK", "softbounce_time": null, "hardbounce_time": "",
            "spambounce_time": "0000-00-00 00:00:00", "open_time": 1_795_515_631, "track_time": "1795515632",
            "deferred_time": 0, "feedback_time": "yesterday",
        });
        let events = [
            (
                EventKind::Delivered,
                Some(1_795_515_630),
                "250 OK".to_owned(),
            ),
            (EventKind::Opened, Some(1_795_515_631), String::new()),
            (EventKind::Clicked, Some(1_795_515_632), String::new()),
        ];
        assert_eq!(of_row(&row, None), events);
    }

    #[test]
    fn a_row_of_a_kind_has_its_own_time_or_none() {
        let row = |time| json!({"message_id": "a@x", "to": "Bea <b@y>", "event_time": time, "event_desc": "no"});
        let kind = EventKind::HardBounce;
        let found = of_row(&row("2026-11-24 10:20:30"), Some(kind));
        assert_eq!(found, [(kind, Some(1_795_515_630), "no".to_owned())]);
        assert_eq!(
            of_row(&row("soon"), Some(kind)),
            [(kind, None, "no".to_owned())]
        );
        assert_eq!(of_row(&row("2026-11-24 10:20:30"), None), []);
        // The event is about a copy: the message itself has no such status.
        let copy = json!({"message_id": "a@x", "to": "b@y", "hardbounce_time": null, "event_time": "2026-11-24 10:20:30"});
        assert_eq!(of_row(&copy, Some(kind)), []);
    }

    #[test]
    fn a_row_without_an_id_or_an_address_is_none() {
        for (id, to) in [("0", "b@y"), ("<>", "b@y"), ("", "b@y"), ("a@x", "")] {
            let row = json!({"message_id": id, "to": to, "ok_time": "2026-11-24 10:20:30"});
            assert_eq!(of_row(&row, None), [], "{id} {to}");
        }
        for row in [json!(null), json!([]), json!({"message_id": 7, "to": []})] {
            assert_eq!(of_row(&row, Some(EventKind::Delivered)), []);
        }
    }

    #[test]
    fn a_value_cannot_add_a_filter() {
        let filters = [
            ("account", "1.a|to::b&limit=9"),
            ("created_at.from", "2026-11-24 10:20:30"),
        ];
        let list = TrackingList::new("emails", &[("sort", "created_at")], &filters, None);
        assert_eq!(
            list.page(500),
            "emails?sort=created_at&filter=account::1.a%7Cto%3A%3Ab%26limit%3D9|created_at.from::\
             2026-11-24%2010%3A20%3A30&limit=500&offset=500"
        );
    }
}
