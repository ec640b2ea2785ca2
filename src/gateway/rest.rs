//! The endpoints of the API that take no messages: lists, the blacklist, templates.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::answers::{Refusal, respond, store_failed, unreadable};
use super::lists::Select;
use super::routes::{Asked, read};
use super::sendmail::Post;
use super::store::{EventKind, Store};
use super::{Gateway, blacklists, lists, templates};
use crate::address::Address;
use crate::api::{
    BlacklistEntry, BlacklistReason, DecodeError, ListError, ListQuery, Template, encode_done,
    encode_list, form,
};

/// What these endpoints need.
#[derive(Clone)]
struct Rest {
    store: Store,
    post: Arc<Post>,
    /// The accounts that there are; without one, every name is an account.
    accounts: Vec<String>,
}

pub(super) fn router(
    store: &Store,
    taking: &Arc<Post>,
    accounts: Vec<String>,
) -> Router<Arc<Gateway>> {
    let rest = Rest {
        store: store.clone(),
        post: Arc::clone(taking),
        accounts,
    };
    Router::new()
        .route("/api/add_template", post(add_template))
        .route("/api/smtp", get(smtp))
        .route("/api/emails", get(emails))
        .route("/api/smtp_events/{kind}", get(events))
        .route("/api/blacklists", get(blacklist).post(block))
        .route(
            "/api/blacklists/email/{address}",
            get(blocked).post(block_this).delete(unblock),
        )
        .route("/api/opens", get(nothing))
        .route("/api/clicks", get(nothing))
        .route("/api/blacklist_reasons", get(reasons))
        .route("/api/is_mail_tmp/email/{address}", get(is_mail_tmp))
        .with_state(rest)
}

impl Rest {
    /// Answers with rows; the vendor says 404 when there are none.
    async fn list(
        &self,
        asked: Asked,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Vec<Value>> + Send + 'static,
    ) -> Response {
        match self.store.read_async(read).await {
            Ok(rows) if rows.is_empty() => Refusal::no_items().answer(&asked.req_id),
            Ok(rows) => respond(StatusCode::OK, encode_list(rows, &asked.req_id)),
            Err(error) => unreadable(&error).answer(&asked.req_id),
        }
    }

    /// Answers with the rows that a URL's query asks for.
    async fn select(
        &self,
        asked: Asked,
        query: Option<String>,
        select: impl FnOnce(&ListQuery) -> Result<Select, ListError>,
    ) -> Response {
        let query = ListQuery::decode(&query.unwrap_or_default());
        match query.and_then(|query| select(&query)) {
            Ok(select) => {
                self.list(asked, move |connection| select.run(connection))
                    .await
            }
            Err(error) => Refusal::from(error).answer(&asked.req_id),
        }
    }

    /// Puts on the blacklist what a form says.
    async fn block(&self, asked: Asked, form: Result<Vec<(String, String)>, Refusal>) -> Response {
        let entry = match form.and_then(|form| Ok(BlacklistEntry::from_pairs(form)?)) {
            Ok(entry) => entry,
            Err(refusal) => return refusal.answer(&asked.req_id),
        };
        let data = json!({ "account": entry.account, "email": entry.email.as_str() });
        let now = self.post.now();
        match blacklists::add(&self.store, entry, now).await {
            Ok(()) => done("Item added", data, &asked),
            Err(error) => store_failed(&error, &asked.req_id),
        }
    }
}

/// The last part of a path. What is not UTF-8 is refused as everything else is.
type Last = Result<Path<String>, PathRejection>;

fn done(message: &str, data: Value, asked: &Asked) -> Response {
    respond(StatusCode::OK, encode_done(message, data, &asked.req_id))
}

async fn smtp(State(rest): State<Rest>, Extension(asked): Extension<Asked>) -> Response {
    let known = rest.accounts.clone();
    let accounts = move |connection: &Connection| match known.is_empty() {
        true => lists::accounts(connection),
        false => Ok(known.iter().map(lists::account).collect()),
    };
    rest.list(asked, accounts).await
}

async fn emails(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    RawQuery(query): RawQuery,
) -> Response {
    rest.select(asked, query, lists::emails).await
}

async fn events(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    kind: Last,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(kind) = kind.ok().and_then(|Path(kind)| EventKind::parse(&kind)) else {
        return Refusal::unknown_action().answer(&asked.req_id);
    };
    rest.select(asked, query, |query| lists::events(kind, query))
        .await
}

async fn blacklist(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    RawQuery(query): RawQuery,
) -> Response {
    rest.select(asked, query, blacklists::list).await
}

/// Nothing is opened or clicked here.
async fn nothing(Extension(asked): Extension<Asked>) -> Response {
    Refusal::no_items().answer(&asked.req_id)
}

async fn block(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    rest.block(asked, pairs(request).await).await
}

/// The same, with the address in the path.
async fn block_this(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    address: Last,
    request: Request,
) -> Response {
    let form = match email(address) {
        Ok(address) => pairs(request).await.map(|mut form| {
            form.push(("email".to_owned(), address.as_str().to_owned()));
            form
        }),
        Err(refusal) => Err(refusal),
    };
    rest.block(asked, form).await
}

async fn blocked(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    address: Last,
) -> Response {
    match email(address) {
        Ok(address) => {
            let find = move |connection: &Connection| blacklists::of(connection, &address);
            rest.list(asked, find).await
        }
        Err(refusal) => refusal.answer(&asked.req_id),
    }
}

async fn unblock(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    address: Last,
) -> Response {
    let address = match email(address) {
        Ok(address) => address,
        Err(refusal) => return refusal.answer(&asked.req_id),
    };
    match blacklists::remove(&rest.store, &address).await {
        Ok(0) => Refusal::no_items().answer(&asked.req_id),
        Ok(_) => done("Item deleted", json!([]), &asked),
        Err(error) => store_failed(&error, &asked.req_id),
    }
}

async fn reasons(Extension(asked): Extension<Asked>) -> Response {
    let names = BlacklistReason::ALL.map(|reason| reason.as_str().into());
    respond(StatusCode::OK, encode_list(names.into(), &asked.req_id))
}

async fn is_mail_tmp(Extension(asked): Extension<Asked>, address: Last) -> Response {
    match email(address) {
        Ok(address) => {
            let is_tmp = address.is_disposable();
            let data = json!({ "email": address.as_str(), "is_tmp": is_tmp });
            done("OK", data, &asked)
        }
        Err(refusal) => refusal.answer(&asked.req_id),
    }
}

/// The address at the end of a path.
fn email(last: Last) -> Result<Address, Refusal> {
    let refused = |reason: &str| {
        let message = format!("the email is not valid: {reason}");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    };
    let Path(text) = last.map_err(|rejection| refused(&rejection.body_text()))?;
    Address::parse(&text).map_err(|error| refused(&error.to_string()))
}

async fn add_template(
    State(rest): State<Rest>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    let template = match pairs(request)
        .await
        .and_then(|form| Ok(Template::from_pairs(form)?))
    {
        Ok(template) => template,
        Err(refusal) => return refusal.answer(&asked.req_id),
    };
    let (id, now) = (rest.post.random_id(), rest.post.now());
    match templates::keep(&rest.store, id.clone(), template, now).await {
        Ok(()) => done("Template added", json!({ "template_id": id }), &asked),
        Err(error) => store_failed(&error, &asked.req_id),
    }
}

async fn pairs(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let body = read(request).await?;
    Ok(form::pairs(&body).map_err(DecodeError::from)?)
}
