//! What the vendor says about messages after it has taken them, scripted: the lists and lookups of both APIs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::fake_api::{FakeApi, Reply, Request, Verdict};

/// A fake API that also answers questions about the messages that it took.
pub struct Vendor {
    pub api: FakeApi,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    /// The most rows of a page, whatever the client asks for.
    page: usize,
    /// Every message to one of these addresses gets this ID.
    shared: Option<(Vec<String>, String)>,
    /// Every message is delivered at once.
    delivers: bool,
    /// The answers to the next questions, instead of the right ones.
    next: Vec<Answer>,
    /// After this many messages, it takes no more and never answers; 0 if it takes all.
    most: usize,
}

/// An answer that is not the right one.
#[derive(Clone, Copy)]
pub enum Answer {
    /// This HTTP status.
    Status(u16),
    /// None, until the client gives up.
    Hang,
    /// The right answer after all.
    Right,
}

struct Message {
    id: String,
    to: String,
    /// Its statuses in the API's words, each with a time and a description.
    statuses: BTreeMap<&'static str, (String, String)>,
}

impl Vendor {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            page: 1000,
            ..State::default()
        }));
        let answering = Arc::clone(&state);
        let api = FakeApi::start(move |_, request| {
            let mut state = lock(&answering);
            match request.method.as_str() {
                "GET" => state.answer(request),
                _ => state.take(request),
            }
        });
        Self { api, state }
    }

    /// Every message is delivered at once.
    pub fn delivering() -> Self {
        let vendor = Self::start();
        lock(&vendor.state).delivers = true;
        vendor
    }

    /// Answers with at most this many rows.
    pub fn page(self, rows: usize) -> Self {
        lock(&self.state).page = rows;
        self
    }

    /// Takes this many messages, and never answers about others.
    pub fn take_only(self, messages: usize) -> Self {
        lock(&self.state).most = messages;
        self
    }

    /// Gives one ID to the messages to several addresses.
    pub fn share(self, id: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|it| (*it).to_owned()).collect();
        lock(&self.state).shared = Some((addresses, id.to_owned()));
        self
    }

    /// Something happens to the message to an address, at a time such as `12:00:00` of today.
    pub fn event(&self, to: &str, status: &'static str, time: &str) -> &Self {
        self.described(to, status, time, &format!("{status} of {to}"))
    }

    /// The same, in these words.
    pub fn described(
        &self,
        to: &str,
        status: &'static str,
        time: &str,
        description: &str,
    ) -> &Self {
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
        for message in &mut lock(&self.state).messages {
            if message.to == to {
                let event = (format!("{today} {time}"), description.to_owned());
                message.statuses.insert(status, event);
            }
        }
        self
    }

    /// A message that nobody posted here.
    pub fn foreign(&self, id: &str, to: &str) -> &Self {
        lock(&self.state).messages.push(Message {
            id: id.to_owned(),
            to: to.to_owned(),
            statuses: BTreeMap::new(),
        });
        self
    }

    /// The ID of the message to an address.
    pub fn id(&self, to: &str) -> String {
        let state = lock(&self.state);
        let mut messages = state.messages.iter();
        messages
            .find(|it| it.to == to)
            .expect("a message")
            .id
            .clone()
    }

    /// The answers to the next questions.
    pub fn next(&self, replies: &[Answer]) -> &Self {
        let mut replies = replies.to_vec();
        replies.reverse();
        lock(&self.state).next = replies;
        self
    }

    /// The questions so far, without the server's address.
    pub fn questions(&self) -> Vec<String> {
        let requests = self.api.requests().into_iter();
        let questions = requests.filter(|request| request.method == "GET");
        questions.map(|request| request.target.clone()).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn take(&mut self, request: &Request) -> Reply {
        if self.most > 0 && self.messages.len() >= self.most {
            return Reply::Hang { take: false };
        }
        let shared = self.shared.clone();
        for (place, recipient) in request.recipients.iter().enumerate() {
            let id = match &shared {
                Some((to, id)) if to.contains(&recipient.address) => id.clone(),
                _ => request.message_id(place),
            };
            let delivered = ("2026-09-01 08:00:00".to_owned(), "250 OK".to_owned());
            let delivered = self.delivers.then_some(("ok", delivered));
            self.messages.push(Message {
                id,
                to: recipient.address.clone(),
                statuses: delivered.into_iter().collect(),
            });
        }
        match shared {
            None => Reply::Take,
            Some((to, id)) => Reply::PerRecipient(Box::new(move |address| {
                match to.iter().any(|it| it == address) {
                    true => Verdict::TakeAs(id.clone()),
                    false => Verdict::Take,
                }
            })),
        }
    }

    fn answer(&mut self, request: &Request) -> Reply {
        match self.next.pop().unwrap_or(Answer::Right) {
            Answer::Hang => return Reply::Hang { take: false },
            Answer::Status(401) => return Reply::wrong_key(),
            Answer::Status(status) => return Reply::error(status, "Not now").into(),
            Answer::Right => {}
        }
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let number = |name: &str| query.get(name).and_then(|it| it.parse::<usize>().ok());
        let is_v2 =
            !request.target.contains("/emails") && !request.target.contains("/smtp_events/");
        let rows: Vec<Value> = match request.endpoint() {
            "emails" => {
                let filter = query.get("filter").expect("a filter");
                for part in ["account::1.", "|created_at.from::", "|created_at.to::"] {
                    assert!(filter.contains(part), "{filter}");
                }
                self.messages.iter().map(Message::row).collect()
            }
            "email" => {
                let id = query.get("messageId").expect("an ID");
                let found = self.messages.iter().filter(|it| it.id == *id);
                found.map(|it| it.entry(it.last())).collect()
            }
            "open" | "click" => {
                assert!(query.contains_key("smtpAccount"), "{}", request.target);
                let status = if request.endpoint() == "open" {
                    "open"
                } else {
                    "track"
                };
                let found = self.messages.iter();
                let found = found.filter(|it| it.statuses.contains_key(status));
                found.map(|it| it.entry(Some(status))).collect()
            }
            kind => {
                assert!(query.contains_key("from_time"), "{}", request.target);
                let found = self.messages.iter();
                let found = found.filter(|it| it.statuses.contains_key(kind));
                found.map(Message::row).collect()
            }
        };
        let limit = number("limit").unwrap_or(100).min(self.page);
        let rows = rows
            .into_iter()
            .skip(number("offset").unwrap_or(0))
            .take(limit);
        let rows: Vec<_> = rows.collect();
        let status = if rows.is_empty() { 404 } else { 200 };
        let body = match (is_v2, rows.is_empty()) {
            (true, _) => {
                json!({"meta": {"status": status, "numberOfData": rows.len()}, "data": rows, "errors": []})
            }
            (false, true) => {
                json!({"code": 404, "status": "error", "message": "No items", "data": []})
            }
            (false, false) => {
                json!({"code": 200, "status": "success", "message": "", "data": rows, "req_id": "r"})
            }
        };
        Reply::json(status, body.to_string()).into()
    }
}

impl Message {
    fn row(&self) -> Value {
        let mut row = json!({"id": 7, "account": "1.test.smtp", "to": self.to, "message_id": format!("<{}>", self.id), "ok_time": null});
        for (status, (time, description)) in &self.statuses {
            row[format!("{status}_time")] = time.clone().into();
            row[format!("{status}_desc")] = description.clone().into();
        }
        row
    }

    /// The status that came last.
    fn last(&self) -> Option<&'static str> {
        let last = self.statuses.iter().max_by_key(|(_, (time, _))| time);
        last.map(|(status, _)| *status)
    }

    fn entry(&self, status: Option<&'static str>) -> Value {
        let mut entry = json!({
            "smtpAccount": "1.test.smtp", "status": status.unwrap_or("injected"),
            "to": {"email": self.to, "name": "", "messageId": format!("<{}>", self.id)},
        });
        // A list of one is seen as well.
        if status == Some("open") {
            entry["to"] = json!([entry["to"]]);
        }
        if let Some((time, description)) = status.and_then(|status| self.statuses.get(status)) {
            entry["statusTime"] = time.clone().into();
            entry["statusDesc"] = description.clone().into();
        }
        entry
    }
}
