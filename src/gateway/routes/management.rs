//! The endpoints that accept no messages: lists, the blacklist, templates.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::address::Address;
use crate::api::{
    BlacklistEntry, BlacklistReason, ListError, ListQuery, Template, encode_done, encode_list,
};
use crate::gateway::Gateway;
use crate::gateway::compose::Composer;
use crate::gateway::lists::{ListStatement, blacklist, messages};
use crate::gateway::request::{RequestContext, read_form};
use crate::gateway::response::{Refusal, json_response, read_failed};
use crate::gateway::store::{EventKind, Status, Store, StoreError};
use crate::gateway::templates::stored;

/// The events that have a list in `smtp_events`.
const LISTED_EVENTS: [EventKind; 7] = [
    EventKind::Status(Status::Injected),
    EventKind::Status(Status::Ok),
    EventKind::Status(Status::Softbounce),
    EventKind::Status(Status::Hardbounce),
    EventKind::Status(Status::Spambounce),
    EventKind::Status(Status::Dropped),
    EventKind::Feedback,
];

#[derive(Clone)]
struct Management {
    store: Store,
    composer: Arc<Composer>,
    /// The configured accounts. If there are none, every name is an account.
    accounts: Vec<String>,
}

pub(super) fn router(
    store: &Store,
    composer: &Arc<Composer>,
    accounts: Vec<String>,
) -> Router<Arc<Gateway>> {
    let management = Management {
        store: store.clone(),
        composer: Arc::clone(composer),
        accounts,
    };
    Router::new()
        .route("/api/add_template", post(add_template))
        .route("/api/smtp", get(list_accounts))
        .route("/api/emails", get(list_emails))
        .route("/api/smtp_events/{kind}", get(list_events))
        .route("/api/blacklists", get(list_blocked).post(block))
        .route(
            "/api/blacklists/email/{address}",
            get(list_blocked_address)
                .post(block_address)
                .delete(unblock_address),
        )
        .route("/api/opens", get(list_opens))
        .route("/api/clicks", get(list_clicks))
        .route("/api/blacklist_reasons", get(list_reasons))
        .route("/api/is_mail_tmp/email/{address}", get(is_disposable))
        .with_state(management)
}

impl Management {
    /// Responds with the rows that a query in a URL selects.
    async fn select(
        &self,
        context: &RequestContext,
        query: Option<String>,
        statement: impl FnOnce(&ListQuery) -> Result<ListStatement, ListError>,
    ) -> Response {
        let query = ListQuery::decode(&query.unwrap_or_default());
        match query.and_then(|query| statement(&query)) {
            Ok(statement) => {
                let rows = move |connection: &Connection| statement.run(connection);
                self.list(context, rows).await
            }
            Err(error) => context.refuse(error),
        }
    }

    /// Responds with rows, or as the vendor does, with 404 if there are none.
    async fn list(
        &self,
        context: &RequestContext,
        rows: impl FnOnce(&Connection) -> rusqlite::Result<Vec<Value>> + Send + 'static,
    ) -> Response {
        match self.store.read_async(rows).await {
            Ok(rows) => list_response(rows, context),
            Err(error) => context.refuse(read_failed(&error)),
        }
    }

    async fn block(&self, context: &RequestContext, form: Vec<(String, String)>) -> Response {
        let entry = match BlacklistEntry::from_pairs(form) {
            Ok(entry) => entry,
            Err(error) => return context.refuse(error),
        };
        let data = json!({ "account": entry.account, "email": entry.email.as_str() });
        let written = blacklist::add(&self.store, entry, self.composer.now()).await;
        done(context, written, "Item added", data)
    }
}

fn list_response(rows: Vec<Value>, context: &RequestContext) -> Response {
    match rows.is_empty() {
        true => context.refuse(Refusal::no_items()),
        false => json_response(StatusCode::OK, encode_list(rows, &context.req_id)),
    }
}

/// The response after a write.
fn done(
    context: &RequestContext,
    written: Result<(), StoreError>,
    message: &str,
    data: Value,
) -> Response {
    match written {
        Ok(()) => json_response(StatusCode::OK, encode_done(message, data, &context.req_id)),
        Err(error) => context.write_failed(&error),
    }
}

/// The address in the last segment of a path.
struct PathAddress(Address);

impl<S: Send + Sync> FromRequestParts<S> for PathAddress {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let segment = Path::<String>::from_request_parts(parts, state).await;
        let address = match segment {
            Ok(Path(text)) => Address::parse(&text).map_err(|error| error.to_string()),
            Err(rejection) => Err(rejection.body_text()),
        };
        address.map(Self).map_err(|reason| {
            let message = format!("the email is not valid: {reason}");
            context.refuse(Refusal::new(StatusCode::BAD_REQUEST, message))
        })
    }
}

/// The fields of a posted form.
struct PostedForm(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for PostedForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let context = RequestContext::from_request_parts(&mut parts, state).await?;
        let form = read_form(Request::from_parts(parts, body)).await;
        form.map(Self).map_err(|refusal| context.refuse(refusal))
    }
}

async fn list_accounts(State(management): State<Management>, context: RequestContext) -> Response {
    let accounts = management.accounts.clone();
    let rows = move |connection: &Connection| {
        let accounts = match accounts.is_empty() {
            true => messages::accounts(connection)?,
            false => accounts,
        };
        let row = |account| json!({ "account": account });
        Ok(accounts.into_iter().map(row).collect())
    };
    management.list(&context, rows).await
}

async fn list_emails(
    State(management): State<Management>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    management.select(&context, query, messages::emails).await
}

async fn list_events(
    State(management): State<Management>,
    context: RequestContext,
    kind: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let kind = kind.ok().and_then(|Path(kind)| EventKind::parse(&kind));
    // The others are in `emails`, `opens` and `clicks` only.
    let Some(kind) = kind.filter(|kind| LISTED_EVENTS.contains(kind)) else {
        return context.refuse(Refusal::unknown_action());
    };
    let statement = |query: &ListQuery| messages::events(kind, query);
    management.select(&context, query, statement).await
}

async fn list_blocked(
    State(management): State<Management>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    management.select(&context, query, blacklist::list).await
}

async fn list_opens(
    State(management): State<Management>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let statement = |query: &ListQuery| messages::events(EventKind::Opened, query);
    management.select(&context, query, statement).await
}

async fn list_clicks(
    State(management): State<Management>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let statement = |query: &ListQuery| messages::events(EventKind::Clicked, query);
    management.select(&context, query, statement).await
}

async fn block(
    State(management): State<Management>,
    context: RequestContext,
    PostedForm(form): PostedForm,
) -> Response {
    management.block(&context, form).await
}

async fn block_address(
    State(management): State<Management>,
    context: RequestContext,
    PathAddress(address): PathAddress,
    PostedForm(mut form): PostedForm,
) -> Response {
    form.push(("email".to_owned(), address.as_str().to_owned()));
    management.block(&context, form).await
}

async fn list_blocked_address(
    State(management): State<Management>,
    context: RequestContext,
    PathAddress(address): PathAddress,
) -> Response {
    let rows = move |connection: &Connection| blacklist::of_address(connection, &address);
    management.list(&context, rows).await
}

async fn unblock_address(
    State(management): State<Management>,
    context: RequestContext,
    PathAddress(address): PathAddress,
) -> Response {
    match blacklist::remove(&management.store, &address).await {
        Ok(0) => context.refuse(Refusal::no_items()),
        removed => done(&context, removed.map(drop), "Item deleted", json!([])),
    }
}

async fn list_reasons(context: RequestContext) -> Response {
    let names = BlacklistReason::ALL.map(|reason| reason.as_str().into());
    list_response(names.into(), &context)
}

async fn is_disposable(context: RequestContext, PathAddress(address): PathAddress) -> Response {
    let data = json!({ "email": address.as_str(), "is_tmp": address.is_disposable() });
    done(&context, Ok(()), "OK", data)
}

async fn add_template(
    State(management): State<Management>,
    context: RequestContext,
    PostedForm(form): PostedForm,
) -> Response {
    let template = match Template::from_pairs(form) {
        Ok(template) => template,
        Err(error) => return context.refuse(error),
    };
    let (id, now) = (management.composer.random_id(), management.composer.now());
    let written = stored::insert(&management.store, id.clone(), template, now).await;
    let data = json!({ "template_id": id });
    done(&context, written, "Template added", data)
}
