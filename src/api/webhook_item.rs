//! An item of a webhook, of the new panel or of the old one. The old one's fields are not documented: it may have those of
//! a row of `emails` or of `smtp_events`.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::tracking::{
    EventKind, TrackingEvent, events_of_form_row, events_of_v2_entry, text, time,
};

/// The status of a message in the vendor's queue. It says nothing about the message.
const INJECTED: &str = "injected";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WebhookItem {
    Events(Vec<TrackingEvent>),
    /// It says nothing about a message.
    Unneeded,
    UnknownStatus,
    Unreadable,
}

pub(crate) fn webhook_item(item: &Value) -> WebhookItem {
    let Some(map) = item.as_object() else {
        return WebhookItem::Unreadable;
    };
    let names = ["status", "event", "type"];
    let status = names.iter().map(|name| text(map, name));
    let status = status.into_iter().find(|status| !status.is_empty());
    let status = status.unwrap_or_default();
    let kind = EventKind::of_status(&status);
    let mut events = Vec::new();
    match map.get("to") {
        Some(Value::Object(to)) => {
            let field = |name| to.get(name).and_then(Value::as_str);
            let id = field("messageId").or_else(|| map.get("messageId").and_then(Value::as_str));
            let to = field("email").map(|email| (email, id));
            if kind.is_some() {
                events_of_v2_entry(item, to.into_iter(), kind, &mut events);
            }
        }
        Some(Value::String(_)) => {
            // Each status of a row has a time of its own.
            events_of_form_row(item, None, &mut events);
            if let (true, Some(kind)) = (events.is_empty(), kind) {
                events_of_form_row(item, Some(kind), &mut events);
            }
            if let (true, Some(kind), Some(Value::String(to))) =
                (events.is_empty(), kind, map.get("to"))
            {
                let ids = ["messageId", "message_id"].map(|name| text(map, name));
                let id = ids.into_iter().find(|id| !id.is_empty());
                let id = id.unwrap_or_default();
                let to = std::iter::once((to.as_str(), Some(id.as_str())));
                events_of_v2_entry(item, to, Some(kind), &mut events);
            }
        }
        _ => {}
    }
    if !events.is_empty() {
        return WebhookItem::Events(events);
    }
    match kind {
        _ if status.eq_ignore_ascii_case(INJECTED) => WebhookItem::Unneeded,
        None if !status.is_empty() => WebhookItem::UnknownStatus,
        _ => WebhookItem::Unreadable,
    }
}

/// The date of a request: seconds since 1970, perhaps with a fraction, or a date in one of several forms. One without a
/// zone counts as UTC.
pub(crate) fn webhook_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // Later than year 5000, they are milliseconds.
        let millis = if seconds.abs() < 1e11 {
            seconds * 1e3
        } else {
            seconds
        };
        return Timestamp::from_millisecond(millis as i64).ok();
    }
    let rfc2822 = || Some(rfc2822::parse(text).ok()?.timestamp());
    let http = || Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok();
    time(&Value::from(text)).or_else(rfc2822).or_else(http)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events(item: &Value) -> Vec<(EventKind, String, String, Option<i64>)> {
        match webhook_item(item) {
            WebhookItem::Events(events) => events
                .into_iter()
                .map(|it| {
                    (
                        it.kind,
                        it.message_id,
                        it.address,
                        it.at.map(Timestamp::as_second),
                    )
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_kinds_of_items_are_events() {
        let one = |kind| {
            (
                kind,
                "a@x".to_owned(),
                "b@y".to_owned(),
                Some(1_795_515_630),
            )
        };
        let v2 = json!({
            "subject": "News", "smtpAccount": "1.a.smtp", "from": {"email": "n@x", "name": ""}, "tags": null,
            "to": {"email": "b@y", "name": "B", "messageId": "<a@x>"}, "status": "hardbounce",
            "statusTime": 1_795_515_630, "statusDesc": "550 no", "allStatuses": [],
        });
        assert_eq!(events(&v2), [one(EventKind::HardBounce)]);
        let row = json!({"message_id": "a@x", "to": "b@y", "ok_time": "2026-11-24 10:20:30"});
        assert_eq!(events(&row), [one(EventKind::Delivered)]);
        let event =
            json!({"message_id": "a@x", "to": "B <b@y>", "status": "open", "time": 1_795_515_630});
        assert_eq!(events(&event), [one(EventKind::Opened)]);
        let mixed =
            json!({"messageId": "a@x", "to": "b@y", "status": "track", "statusTime": "1795515630"});
        assert_eq!(events(&mixed), [one(EventKind::Clicked)]);
        let none = json!({
            "messageId": "a@x", "message_id": "0", "to": "b@y", "status": "track", "statusTime": "1795515630",
        });
        assert_eq!(events(&none), [one(EventKind::Clicked)]);
    }

    #[test]
    fn other_items_are_told_apart() {
        let of =
            |status: &str| json!({"to": {"email": "b@y", "messageId": "a@x"}, "status": status});
        assert_eq!(webhook_item(&of("injected")), WebhookItem::Unneeded);
        assert_eq!(webhook_item(&of("teleported")), WebhookItem::UnknownStatus);
        for item in [
            json!(null),
            json!([]),
            json!({}),
            json!({"to": {}, "status": "ok"}),
            json!("ok"),
        ] {
            assert_eq!(webhook_item(&item), WebhookItem::Unreadable, "{item}");
        }
    }

    #[test]
    fn dates_are_read_in_many_forms() {
        for text in [
            "1795515630",
            "1795515630.25",
            "1795515630000",
            "2026-11-24 10:20:30",
            "2026-11-24T10:20:30Z",
            "2026-11-24T11:20:30+01:00",
            "Tue, 24 Nov 2026 10:20:30 GMT",
            "Tue, 24 Nov 2026 11:20:30 +0100",
        ] {
            let time = webhook_time(text).map(Timestamp::as_second);
            assert_eq!(time, Some(1_795_515_630), "{text}");
        }
        assert_eq!(webhook_time("soon"), None);
    }
}
