//! The dialect of the API v2.1, which posts JSON. Accounts of EmailLabs' new panel have only this API; MessageFlow
//! and Redlink speak it under their own hosts.

mod answer;
mod management;
mod posted;
mod request;

use jiff::Timestamp;
use secrecy::SecretString;

use super::blacklist::{BlacklistEntry, BlacklistOutcome, BlockOutcome, BlockRequest};
use super::dialect::{Dialect, LoginHeader, Posted, WireFormat};
use super::form::encode_into;
use super::reply::HttpReply;
use super::tracking::{EventKind, TrackingList, TrackingOutcome, TrackingSpan, events_of_v2_entry};
use super::{File, Request, Violation};
use crate::outcome::{LookupOutcome, PostOutcome, one_line};

use answer::recipients;
pub use answer::{V2Answer, V2Error};
pub use management::{V2Template, v2_domain, v2_domains, v2_external_ids, v2_ids};
pub use posted::{V2DecodeError, V2Request, V2Vars};
pub use request::v2_faults;

/// The most recipients of a request (vendor's documentation).
const MAX_RECIPIENTS: usize = 200;

const BLACKLIST: &str = "email/blacklist";

#[derive(Debug)]
pub struct V2;

impl WireFormat for V2 {
    fn violations(&self, request: &Request<'_>) -> Vec<Violation> {
        let mut violations = request::violations(request);
        request.check_reply_to(&mut violations);
        violations
    }

    fn chooses_message_ids(&self) -> bool {
        true
    }

    fn max_recipients(&self) -> usize {
        MAX_RECIPIENTS
    }

    fn encode(&self, request: &Request<'_>) -> Vec<u8> {
        request::encode(request)
    }

    fn encode_files(&self, files: &[File<'_>]) -> Vec<u8> {
        request::encode_files(files)
    }
}

impl Dialect for V2 {
    fn name(&self) -> &'static str {
        "v2"
    }

    fn as_format(&self) -> &dyn WireFormat {
        self
    }

    fn default_url(&self) -> &'static str {
        "https://api.emaillabs.io/v2.1/"
    }

    fn local_path(&self) -> &'static str {
        "/v2.1/"
    }

    fn path(&self) -> &'static str {
        "email"
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    /// Both keys, without a scheme.
    fn login(&self, app_key: &SecretString, secret_key: &SecretString) -> Vec<LoginHeader> {
        vec![
            ("application-key", app_key.clone()),
            ("authorization", secret_key.clone()),
        ]
    }

    fn outcome(&self, reply: &HttpReply, to: &[Posted<'_>], now: Timestamp) -> PostOutcome {
        let answer = V2Answer::decode(reply.json());
        let words = || words(reply, answer.as_ref());
        if let Some(outcome) = reply.outcome_by_status(reply.status, words, answer.is_some(), now) {
            return outcome;
        }
        let refuses = answer.as_ref().is_some_and(V2Answer::refuses);
        match (reply.status, &answer) {
            (200 | 207, Some(answer)) => {
                let outcome = |to| answer.recipient(to, reply.status);
                PostOutcome::Settled(to.iter().map(outcome).collect())
            }
            // One bad name has the whole request refused.
            (400, _) if refuses && to.len() > 1 => PostOutcome::TryAlone { reason: words() },
            (413 | 422, _) => PostOutcome::rejected(to.len(), reply.status, words()),
            (400..500, _) if refuses => PostOutcome::rejected(to.len(), reply.status, words()),
            _ => PostOutcome::unknown(to.len(), words()),
        }
    }

    fn lookup(&self, smtp_account: &str, message_id: &str) -> Option<String> {
        let mut query = b"email?smtpAccount=".to_vec();
        encode_into(smtp_account.as_bytes(), &mut query);
        query.extend_from_slice(b"&messageId=");
        encode_into(message_id.as_bytes(), &mut query);
        // Percent-encoded text is ASCII.
        Some(String::from_utf8_lossy(&query).into_owned())
    }

    fn lookup_period(&self) -> Option<&'static str> {
        Some("1 to 15 days, depending on your plan")
    }

    fn lookup_outcome(&self, reply: &HttpReply, message_id: &str, now: Timestamp) -> LookupOutcome {
        let answer = V2Answer::decode(reply.json());
        let words = words(reply, answer.as_ref());
        if let Some(outcome) = reply.lookup_by_status(reply.status, words.clone(), now) {
            return outcome;
        }
        match answer {
            Some(answer) if answer.message_ids().any(|id| id == message_id) => LookupOutcome::Taken,
            Some(_) => LookupOutcome::NotListed,
            None => reply.unanswered(words, now),
        }
    }

    fn tracking_lists(&self, span: &TrackingSpan<'_>) -> Vec<TrackingList> {
        let (from, to) = (span.new_from(), span.until());
        let lists = [
            ("email/open", EventKind::Opened),
            ("email/click", EventKind::Clicked),
        ];
        let list = |(endpoint, kind)| {
            let query = [
                ("smtpAccount", span.smtp_account),
                ("dateFrom", &*from),
                ("dateTo", &*to),
            ];
            TrackingList::new(endpoint, &query, &[], Some(kind))
        };
        lists.map(list).into()
    }

    fn tracks_by_lookup(&self) -> bool {
        true
    }

    fn tracking_outcome(
        &self,
        reply: &HttpReply,
        list: Option<&TrackingList>,
        now: Timestamp,
    ) -> TrackingOutcome {
        let answer = V2Answer::decode(reply.json());
        let words = words(reply, answer.as_ref());
        if let Some(outcome) = reply.lookup_by_status(reply.status, words.clone(), now) {
            return TrackingOutcome::of_lookup(outcome);
        }
        let Some(answer) = answer else {
            return TrackingOutcome::unanswered(reply, words, now);
        };
        let kind = list.and_then(|list| list.kind);
        let mut events = Vec::new();
        for entry in &answer.data {
            events_of_v2_entry(entry, recipients(entry), kind, &mut events);
        }
        TrackingOutcome::Events {
            rows: answer.data.len() as u64,
            first: answer
                .data
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            events,
        }
    }

    fn blacklist(&self, smtp_account: &str) -> TrackingList {
        TrackingList::new(BLACKLIST, &[("smtpAccount", smtp_account)], &[], None)
    }

    fn blacklist_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlacklistOutcome {
        let answer = V2Answer::decode(reply.json());
        let words = words(reply, answer.as_ref());
        if let Some(outcome) = reply.lookup_by_status(reply.status, words.clone(), now) {
            return BlacklistOutcome::of_lookup(outcome);
        }
        match answer {
            Some(answer) => BlacklistOutcome::page(&answer.data),
            None => BlacklistOutcome::of_lookup(reply.unanswered(words, now)),
        }
    }

    fn block(&self, entry: &BlacklistEntry) -> BlockRequest {
        BlockRequest {
            path: BLACKLIST,
            content_type: self.content_type(),
            body: entry.v2_entry().to_string().into_bytes(),
        }
    }

    fn block_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlockOutcome {
        let answer = V2Answer::decode(reply.json());
        let words = words(reply, answer.as_ref());
        let refuses = answer.as_ref().is_some_and(V2Answer::refuses);
        let is_success = answer.is_some() && !refuses;
        BlockOutcome::of(reply, reply.status, (is_success, refuses), words, now)
    }
}

/// The server's message in one line.
fn words(reply: &HttpReply, answer: Option<&V2Answer>) -> String {
    let errors = answer.map(V2Answer::error_text).unwrap_or_default();
    match (errors.as_str(), answer) {
        ("", Some(_)) => format!("HTTP {} without a reason", reply.status),
        ("", None) => reply.status_words(),
        (errors, _) => one_line(errors),
    }
}
