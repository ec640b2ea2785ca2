//! The endpoints that accept no messages: lists, the blacklist, templates.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::address::Address;
use crate::api::{
    BlacklistEntry, BlacklistReason, ListError, ListQuery, Template, encode_done, encode_list,
};
use crate::gateway::compose::Composer;
use crate::gateway::lists::{ListStatement, blacklist, messages};
use crate::gateway::request::{RequestContext, read_form};
use crate::gateway::response::{Refusal, json_response, read_failed, write_failed};
use crate::gateway::store::{EventKind, Store};
use crate::gateway::{Gateway, templates};

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
        .route("/api/opens", get(empty_list))
        .route("/api/clicks", get(empty_list))
        .route("/api/blacklist_reasons", get(list_reasons))
        .route("/api/is_mail_tmp/email/{address}", get(is_disposable))
        .with_state(management)
}

impl Management {
    /// Responds with the rows that a query in a URL selects.
    async fn select(
        &self,
        context: RequestContext,
        query: Option<String>,
        statement: impl FnOnce(&ListQuery) -> Result<ListStatement, ListError>,
    ) -> Response {
        let query = ListQuery::decode(&query.unwrap_or_default());
        match query.and_then(|query| statement(&query)) {
            Ok(statement) => {
                let rows = move |connection: &Connection| statement.run(connection);
                self.list(context, rows).await
            }
            Err(error) => Refusal::from(error).into_response(&context.req_id),
        }
    }

    /// Responds with rows, or as the vendor does, with 404 if there are none.
    async fn list(
        &self,
        context: RequestContext,
        rows: impl FnOnce(&Connection) -> rusqlite::Result<Vec<Value>> + Send + 'static,
    ) -> Response {
        match self.store.read_async(rows).await {
            Ok(rows) if rows.is_empty() => Refusal::no_items().into_response(&context.req_id),
            Ok(rows) => json_response(StatusCode::OK, encode_list(rows, &context.req_id)),
            Err(error) => read_failed(&error).into_response(&context.req_id),
        }
    }

    async fn block(
        &self,
        context: RequestContext,
        form: Result<Vec<(String, String)>, Refusal>,
    ) -> Response {
        let entry = match form.and_then(|form| Ok(BlacklistEntry::from_pairs(form)?)) {
            Ok(entry) => entry,
            Err(refusal) => return refusal.into_response(&context.req_id),
        };
        let data = json!({ "account": entry.account, "email": entry.email.as_str() });
        match blacklist::add(&self.store, entry, self.composer.now()).await {
            Ok(()) => done("Item added", data, &context),
            Err(error) => write_failed(&error, &context.req_id),
        }
    }
}

/// The last segment of a path.
type LastSegment = Result<Path<String>, PathRejection>;

fn done(message: &str, data: Value, context: &RequestContext) -> Response {
    let json = encode_done(message, data, &context.req_id);
    json_response(StatusCode::OK, json)
}

fn address(segment: LastSegment) -> Result<Address, Refusal> {
    let invalid = |reason: &str| {
        let message = format!("the email is not valid: {reason}");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    };
    let Path(text) = segment.map_err(|rejection| invalid(&rejection.body_text()))?;
    Address::parse(&text).map_err(|error| invalid(&error.to_string()))
}

async fn list_accounts(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
) -> Response {
    let accounts = management.accounts.clone();
    let rows = move |connection: &Connection| {
        let accounts = match accounts.is_empty() {
            true => messages::accounts(connection)?,
            false => accounts,
        };
        let row = |account| json!({ "account": account });
        Ok(accounts.into_iter().map(row).collect())
    };
    management.list(context, rows).await
}

async fn list_emails(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    RawQuery(query): RawQuery,
) -> Response {
    management.select(context, query, messages::emails).await
}

async fn list_events(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    kind: LastSegment,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(kind) = kind.ok().and_then(|Path(kind)| EventKind::parse(&kind)) else {
        return Refusal::unknown_action().into_response(&context.req_id);
    };
    let statement = |query: &ListQuery| messages::events(kind, query);
    management.select(context, query, statement).await
}

async fn list_blocked(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    RawQuery(query): RawQuery,
) -> Response {
    management.select(context, query, blacklist::list).await
}

/// Opens and clicks are not tracked.
async fn empty_list(Extension(context): Extension<RequestContext>) -> Response {
    Refusal::no_items().into_response(&context.req_id)
}

async fn block(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    management.block(context, read_form(request).await).await
}

async fn block_address(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    segment: LastSegment,
    request: Request,
) -> Response {
    let form = match address(segment) {
        Ok(address) => read_form(request).await.map(|mut form| {
            form.push(("email".to_owned(), address.as_str().to_owned()));
            form
        }),
        Err(refusal) => Err(refusal),
    };
    management.block(context, form).await
}

async fn list_blocked_address(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    segment: LastSegment,
) -> Response {
    match address(segment) {
        Ok(address) => {
            let rows = move |connection: &Connection| blacklist::of_address(connection, &address);
            management.list(context, rows).await
        }
        Err(refusal) => refusal.into_response(&context.req_id),
    }
}

async fn unblock_address(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    segment: LastSegment,
) -> Response {
    let address = match address(segment) {
        Ok(address) => address,
        Err(refusal) => return refusal.into_response(&context.req_id),
    };
    match blacklist::remove(&management.store, &address).await {
        Ok(0) => Refusal::no_items().into_response(&context.req_id),
        Ok(_) => done("Item deleted", json!([]), &context),
        Err(error) => write_failed(&error, &context.req_id),
    }
}

async fn list_reasons(Extension(context): Extension<RequestContext>) -> Response {
    let names = BlacklistReason::ALL.map(|reason| reason.as_str().into());
    json_response(StatusCode::OK, encode_list(names.into(), &context.req_id))
}

async fn is_disposable(
    Extension(context): Extension<RequestContext>,
    segment: LastSegment,
) -> Response {
    match address(segment) {
        Ok(address) => {
            let is_tmp = address.is_disposable();
            let data = json!({ "email": address.as_str(), "is_tmp": is_tmp });
            done("OK", data, &context)
        }
        Err(refusal) => refusal.into_response(&context.req_id),
    }
}

async fn add_template(
    State(management): State<Management>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Response {
    let form = read_form(request).await;
    let template = match form.and_then(|form| Ok(Template::from_pairs(form)?)) {
        Ok(template) => template,
        Err(refusal) => return refusal.into_response(&context.req_id),
    };
    let (id, now) = (management.composer.random_id(), management.composer.now());
    match templates::insert(&management.store, id.clone(), template, now).await {
        Ok(()) => done("Template added", json!({ "template_id": id }), &context),
        Err(error) => write_failed(&error, &context.req_id),
    }
}
