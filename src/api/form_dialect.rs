//! The dialects that post forms, `sendmail` and `new_sendmail`: what their answers mean.

use base64::Engine as _;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::blacklist::{BlacklistEntry, BlacklistOutcome, BlockOutcome, BlockRequest};
use super::dialect::{Dialect, LoginHeader, Posted, WireFormat};
use super::emails::{EMAILS, emails_in, emails_query, rows_in};
use super::reply::{HttpReply, MAX_ID};
use super::tracking::{EventKind, TrackingList, TrackingOutcome, TrackingSpan, events_of_form_row};
use super::{Answer, File, FormDialect, MAX_RECIPIENTS, Request, Violation, form};
use crate::outcome::{LookupOutcome, PostOutcome, RecipientOutcome, one_line};

impl WireFormat for FormDialect {
    fn violations(&self, request: &Request<'_>) -> Vec<Violation> {
        request.violations(*self)
    }

    fn chooses_message_ids(&self) -> bool {
        *self == Self::NewSendmail
    }

    fn max_recipients(&self) -> usize {
        MAX_RECIPIENTS
    }

    fn encode(&self, request: &Request<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(request.size() * 5 / 4 + 512);
        request.encode_into(*self, &mut out);
        out
    }

    fn encode_files(&self, files: &[File<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, file) in files.iter().enumerate() {
            file.encode_into(index, &mut out);
        }
        out
    }
}

impl Dialect for FormDialect {
    fn name(&self) -> &'static str {
        self.path()
    }

    fn as_format(&self) -> &dyn WireFormat {
        self
    }

    fn default_url(&self) -> &'static str {
        "https://api.emaillabs.net.pl/api/"
    }

    fn local_path(&self) -> &'static str {
        "/api/"
    }

    fn path(&self) -> &'static str {
        FormDialect::path(*self)
    }

    fn content_type(&self) -> &'static str {
        "application/x-www-form-urlencoded"
    }

    /// HTTP Basic authentication (RFC 7617).
    fn login(&self, app_key: &SecretString, secret_key: &SecretString) -> Vec<LoginHeader> {
        let login = format!("{}:{}", app_key.expose_secret(), secret_key.expose_secret());
        let login = base64::engine::general_purpose::STANDARD.encode(login);
        vec![("authorization", format!("Basic {login}").into())]
    }

    fn outcome(&self, reply: &HttpReply, to: &[Posted<'_>], now: Timestamp) -> PostOutcome {
        let answer = Answer::decode(&reply.body);
        let words = || words(reply, answer.as_ref());
        // If the API puts its code into the body of a 200, the code means what the status would.
        let code = match (&answer, reply.status) {
            (Some(answer), 200) if matches!(answer.code, 401 | 403 | 429) => answer.code,
            _ => reply.status,
        };
        if let Some(outcome) = reply.outcome_by_status(code, words, answer.is_some(), now) {
            return outcome;
        }
        match &answer {
            Some(answer) if answer.is_success() => {
                PostOutcome::Settled(to.iter().map(|to| recipient(answer, to)).collect())
            }
            Some(answer) if answer.is_refusal() => {
                PostOutcome::rejected(to.len(), answer.code, words())
            }
            Some(_) => {
                let words = format!("the answer contradicts itself: {}", words());
                PostOutcome::unknown(to.len(), words)
            }
            None if (400..500).contains(&code) => PostOutcome::rejected(to.len(), code, words()),
            None => PostOutcome::unknown(to.len(), words()),
        }
    }

    fn lookup(&self, _: &str, message_id: &str) -> Option<String> {
        let query = || format!("{EMAILS}?{}", emails_query(message_id));
        self.chooses_message_ids().then(query)
    }

    fn lookup_period(&self) -> Option<&'static str> {
        None
    }

    fn lookup_outcome(&self, reply: &HttpReply, message_id: &str, now: Timestamp) -> LookupOutcome {
        let answer = Answer::decode(&reply.body);
        let words = words(reply, answer.as_ref());
        // As for a message: if the API puts its code into the body of a 200, that code counts.
        let code = match (&answer, reply.status) {
            (Some(answer), 200) => answer.code,
            _ => reply.status,
        };
        if let Some(outcome) = reply.lookup_by_status(code, words.clone(), now) {
            return outcome;
        }
        match answer.filter(Answer::is_success) {
            // Only the exact ID counts: an API that ignores the filter lists other messages.
            Some(answer)
                if emails_in(&answer, &reply.body)
                    .iter()
                    .any(|id| id == message_id) =>
            {
                LookupOutcome::Taken
            }
            Some(_) => LookupOutcome::NotListed,
            None => reply.unanswered(words, now),
        }
    }

    /// `emails` has the last time of each status. Complaints, and everything that happened since the last time, are
    /// in `smtp_events`.
    fn tracking_lists(&self, span: &TrackingSpan<'_>) -> Vec<TrackingList> {
        let (from, to, new_from) = (span.sent_from(), span.sent_to(), span.new_from());
        let events = EVENT_LISTS
            .into_iter()
            .filter(|kind| span.known_before.is_some() || *kind == EventKind::Complaint)
            .filter_map(|kind| {
                let endpoint = format!("smtp_events/{}", kind.status()?);
                let query = [("from_time", &*new_from), ("sort", "created_at")];
                let filters = [("account", span.smtp_account)];
                let list = TrackingList::new(&endpoint, &query, &filters, Some(kind));
                Some(list)
            });
        let filters = [
            ("account", span.smtp_account),
            ("created_at.from", &*from),
            ("created_at.to", &*to),
        ];
        let emails = TrackingList::new(EMAILS, &[("sort", "created_at")], &filters, None);
        events.chain([emails]).collect()
    }

    fn tracks_by_lookup(&self) -> bool {
        false
    }

    fn tracking_outcome(
        &self,
        reply: &HttpReply,
        list: Option<&TrackingList>,
        now: Timestamp,
    ) -> TrackingOutcome {
        let answer = Answer::decode(&reply.body);
        let words = words(reply, answer.as_ref());
        let code = match (&answer, reply.status) {
            (Some(answer), 200) => answer.code,
            _ => reply.status,
        };
        if let Some(outcome) = reply.lookup_by_status(code, words.clone(), now) {
            return TrackingOutcome::of_lookup(outcome);
        }
        let Some(answer) = answer.filter(Answer::is_success) else {
            return TrackingOutcome::unanswered(reply, words, now);
        };
        let rows = rows_in(&answer, &reply.body);
        let mut events = Vec::new();
        for row in &rows {
            events_of_form_row(row, list.and_then(|list| list.kind), &mut events);
        }
        TrackingOutcome::Events {
            rows: rows.len() as u64,
            first: rows.first().map(ToString::to_string).unwrap_or_default(),
            events,
        }
    }

    fn blacklist(&self, smtp_account: &str) -> TrackingList {
        let filters = [("account", smtp_account)];
        TrackingList::new(BLACKLIST, &[("sort", "created_at")], &filters, None)
    }

    fn blacklist_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlacklistOutcome {
        let (answer, code, words) = decoded(reply);
        if let Some(outcome) = reply.lookup_by_status(code, words.clone(), now) {
            return BlacklistOutcome::of_lookup(outcome);
        }
        match answer.filter(Answer::is_success) {
            Some(answer) => BlacklistOutcome::page(&rows_in(&answer, &reply.body)),
            None => BlacklistOutcome::of_lookup(reply.unanswered(words, now)),
        }
    }

    fn block(&self, entry: &BlacklistEntry) -> BlockRequest {
        let fields = [
            ("account", entry.account.as_str()),
            ("email", entry.email.as_str()),
            ("reason", entry.reason.as_str()),
            ("comment", &entry.comment),
            ("source", &entry.source),
        ];
        let mut body = Vec::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push(b'&');
            }
            body.extend_from_slice(format!("{name}=").as_bytes());
            form::encode_into(value.as_bytes(), &mut body);
        }
        BlockRequest {
            path: BLACKLIST,
            content_type: self.content_type(),
            body,
        }
    }

    fn block_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlockOutcome {
        let (answer, code, words) = decoded(reply);
        let says = |what: fn(&Answer) -> bool| answer.as_ref().is_some_and(what);
        let says = (says(Answer::is_success), says(Answer::is_refusal));
        BlockOutcome::of(reply, code, says, words, now)
    }
}

const BLACKLIST: &str = "blacklists";

/// The answer, the API's code, and its words. If the API puts its code into the body of a 200, that code counts.
fn decoded(reply: &HttpReply) -> (Option<Answer>, u16, String) {
    let answer = Answer::decode(&reply.body);
    let words = words(reply, answer.as_ref());
    let code = match (&answer, reply.status) {
        (Some(answer), 200) => answer.code,
        _ => reply.status,
    };
    (answer, code, words)
}

/// The lists of `smtp_events`, without `injected`.
const EVENT_LISTS: [EventKind; 6] = [
    EventKind::Delivered,
    EventKind::SoftBounce,
    EventKind::HardBounce,
    EventKind::SpamBounce,
    EventKind::Dropped,
    EventKind::Complaint,
];

/// One recipient's part of a success.
fn recipient(answer: &Answer, to: &Posted<'_>) -> RecipientOutcome {
    match answer.value_for(to.address).map(str::trim) {
        None | Some("") => RecipientOutcome::Unknown {
            error: "the answer does not mention this address".to_owned(),
        },
        Some(id) if !id.contains(char::is_whitespace) && id.len() > MAX_ID => {
            RecipientOutcome::Unknown {
                error: format!(
                    "the answer's message ID has {} bytes; the maximum is {MAX_ID}",
                    id.len()
                ),
            }
        }
        Some(id) if !id.contains(char::is_whitespace) => RecipientOutcome::Accepted {
            message_id: id.to_owned(),
        },
        Some(refusal) => RecipientOutcome::Rejected {
            code: answer.code,
            error: one_line(refusal),
        },
    }
}

/// The server's message in one line: the API's text if there is one, otherwise the HTTP status.
fn words(reply: &HttpReply, answer: Option<&Answer>) -> String {
    let Some(answer) = answer else {
        return reply.status_words();
    };
    let data = answer.error_text();
    if data.is_empty() || data == answer.message {
        one_line(&answer.message)
    } else {
        one_line(&format!("{} ({data})", answer.message))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn ask(status: u16, body: &str, retry_after: Option<&str>) -> LookupOutcome {
        let reply = HttpReply {
            status,
            retry_after: retry_after.map(str::to_owned),
            location: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        FormDialect::NewSendmail.lookup_outcome(&reply, "a@x", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_the_exact_id_in_a_success_is_proof() {
        let with = |id: &str| {
            format!(r#"{{"code":200,"status":"success","data":[{{"message_id":"{id}"}}]}}"#)
        };
        assert_eq!(ask(200, &with("a@x"), None), LookupOutcome::Taken);
        for other in ["b@x", "A@x", "aa@x", "a@x ", ""] {
            assert_eq!(
                ask(200, &with(other), None),
                LookupOutcome::NotListed,
                "{other:?}"
            );
        }
        for status in [404, 500] {
            assert_ne!(ask(status, &with("a@x"), None), LookupOutcome::Taken);
        }
    }

    #[test]
    fn an_empty_answer_proves_nothing() {
        for (status, body) in [
            (200, r#"{"code":200,"status":"success","data":[]}"#),
            (200, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, ""),
        ] {
            assert_eq!(
                ask(status, body, None),
                LookupOutcome::NotListed,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again() {
        let waits = |outcome| match outcome {
            LookupOutcome::Unanswered { wait, .. } => wait,
            outcome => panic!("{outcome:?}"),
        };
        for status in [200, 400, 408, 429, 500, 502, 503] {
            assert_eq!(waits(ask(status, "<p>no</p>", None)), None, "{status}");
        }
        let second = Some(Duration::from_secs(1));
        assert_eq!(waits(ask(429, "", Some("1"))), second);
    }

    #[test]
    fn a_refused_login_a_redirect_and_a_long_wait_stop_the_lookups() {
        let json = r#"{"code":401,"status":"error","message":"App Key is invalid"}"#;
        for (status, body, wait) in [
            (401, json, None),
            (200, json, None),
            (403, "", None),
            (302, "", None),
            (429, "", Some("901")),
        ] {
            let outcome = ask(status, body, wait);
            let stops = matches!(outcome, LookupOutcome::Stop { .. });
            assert!(stops, "{status}: {outcome:?}");
        }
    }
}
