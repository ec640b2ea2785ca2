//! The endpoints of the API v2.1 that accept no messages: lists, templates and blacklists.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{delete, get, options};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::address::Address;
use crate::api::{
    BlacklistEntry, BlacklistReason, ListError, ListQuery, V2Answer, V2Error, V2Template,
    v2_domain, v2_domains, v2_external_ids, v2_ids,
};
use crate::gateway::Gateway;
use crate::gateway::compose::Composer;
use crate::gateway::lists::{ListStatement, blacklist, messages, v2};
use crate::gateway::request::{RequestContext, read_body};
use crate::gateway::response::{Refusal, json_response, read_failed};
use crate::gateway::store::{EventKind, Store, StoreError};
use crate::gateway::templates::stored;

const MESSAGE_FILTERS: &[(&str, &str)] = &[
    ("smtpAccount", "account"),
    ("messageId", "message_id"),
    ("to", "to"),
];
const ACCOUNT_FILTER: &[(&str, &str)] = &[("smtpAccount", "account")];
const TEMPLATE_FILTERS: &[(&str, &str)] =
    &[("smtpAccount", "account"), ("externalId", "external_id")];
/// Filters of opens and clicks.
const EVENT_FILTERS: &[(&str, &str)] = &[
    ("smtpAccount", "account"),
    ("messageId", "message_id"),
    ("dateFrom", "dateFrom"),
    ("dateTo", "dateTo"),
];
/// The longest name of an account in a path, in bytes.
const MAX_ACCOUNT: usize = 255;

#[derive(Clone)]
struct Api {
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
    let api = Api {
        store: store.clone(),
        composer: Arc::clone(composer),
        accounts,
    };
    Router::new()
        .route("/v2.1/email", get(list_statuses))
        .route("/v2.1/email/open", get(list_opens))
        .route("/v2.1/email/click", get(list_clicks))
        .route(
            "/v2.1/email/template",
            get(list_templates)
                .post(put_template)
                .delete(delete_templates),
        )
        .route(
            "/v2.1/email/smtpAccount",
            get(list_accounts).options(list_accounts),
        )
        .route("/v2.1/email/blacklist", get(list_blocked).post(block))
        .route("/v2.1/email/blacklist/reason", options(list_reasons))
        .route("/v2.1/email/blacklist/{account}", delete(unblock))
        .route(
            "/v2.1/email/domain/blacklist/{account}",
            get(list_domains)
                .post(block_domains)
                .delete(unblock_domains),
        )
        .with_state(api)
}

impl Api {
    /// Answers with the rows of a list.
    async fn list(
        &self,
        context: &RequestContext,
        rows: impl FnOnce(&Connection) -> rusqlite::Result<Vec<Value>> + Send + 'static,
    ) -> Response {
        match self.store.read_async(rows).await {
            Ok(rows) => answer(rows, Vec::new(), context),
            Err(error) => context.refuse(read_failed(&error)),
        }
    }

    async fn select(
        &self,
        context: &RequestContext,
        query: Result<ListQuery, ListError>,
        statement: impl FnOnce(&ListQuery) -> Result<ListStatement, ListError>,
    ) -> Response {
        match query.and_then(|query| statement(&query)) {
            Ok(statement) => {
                let rows = move |connection: &Connection| statement.run(connection);
                self.list(context, rows).await
            }
            Err(error) => context.refuse(error),
        }
    }
}

fn decode(query: Option<String>, filters: &[(&str, &str)]) -> Result<ListQuery, ListError> {
    ListQuery::decode_v2(&query.unwrap_or_default(), filters)
}

/// 200, or 207 if some items were refused. Without any item, an empty list is a 404, and errors are a 400.
fn answer(data: Vec<Value>, errors: Vec<V2Error>, context: &RequestContext) -> Response {
    let status = match (data.is_empty(), errors.is_empty()) {
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::MULTI_STATUS,
        (true, true) => return context.refuse(Refusal::no_items()),
        (true, false) => StatusCode::BAD_REQUEST,
    };
    let answer = V2Answer { data, errors };
    json_response(status, answer.encode(status.as_u16(), &context.req_id))
}

/// Answers after items were deleted. None of them is a 404.
fn deleted(
    written: Result<Vec<String>, StoreError>,
    requested: &[String],
    item: impl Fn(&str) -> Value,
    context: &RequestContext,
) -> Response {
    let found = match written {
        Ok(found) => found,
        Err(error) => return context.write_failed(&error),
    };
    if found.is_empty() {
        return context.refuse(Refusal::no_items());
    }
    let missing = requested.iter().filter(|id| !found.contains(id));
    let errors = missing.map(|id| V2Error {
        title: "Not Found".to_owned(),
        message: format!("There is no such item: {id}"),
        code: "E-1-404".to_owned(),
        value: id.clone(),
    });
    answer(
        found.iter().map(|id| item(id)).collect(),
        errors.collect(),
        context,
    )
}

/// The body of a request in JSON.
struct Body(Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let context = RequestContext::from_request_parts(&mut parts, state).await?;
        let body = read_body(Request::from_parts(parts, body)).await;
        let body = body.map_err(|refusal| context.refuse(refusal))?;
        Ok(Self(body.to_vec()))
    }
}

/// The account in the last segment of a path.
struct Account(String);

impl<S: Send + Sync> FromRequestParts<S> for Account {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let segment: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        match segment {
            Ok(Path(account)) if account.len() <= MAX_ACCOUNT => Ok(Self(account)),
            Ok(_) => Err(context.refuse(Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("the SMTP account has more than {MAX_ACCOUNT} bytes"),
            ))),
            Err(rejection) => {
                Err(context.refuse(Refusal::new(StatusCode::BAD_REQUEST, rejection.body_text())))
            }
        }
    }
}

async fn list_statuses(
    State(api): State<Api>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let query = decode(query, MESSAGE_FILTERS);
    api.select(&context, query, v2::statuses).await
}

async fn list_opens(
    State(api): State<Api>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let query = decode(query, EVENT_FILTERS);
    let statement = |query: &ListQuery| v2::events(EventKind::Opened, query);
    api.select(&context, query, statement).await
}

async fn list_clicks(
    State(api): State<Api>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let query = decode(query, EVENT_FILTERS);
    let statement = |query: &ListQuery| v2::events(EventKind::Clicked, query);
    api.select(&context, query, statement).await
}

async fn list_accounts(State(api): State<Api>, context: RequestContext) -> Response {
    let accounts = api.accounts.clone();
    let rows = move |connection: &Connection| {
        let accounts = match accounts.is_empty() {
            true => messages::accounts(connection)?,
            false => accounts,
        };
        let row = |account| json!({ "smtpAccount": account });
        Ok(accounts.into_iter().map(row).collect())
    };
    api.list(&context, rows).await
}

async fn list_templates(
    State(api): State<Api>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    match decode(query, TEMPLATE_FILTERS) {
        Ok(query) => {
            let rows = move |connection: &Connection| v2::templates(connection, &query);
            api.list(&context, rows).await
        }
        Err(error) => context.refuse(error),
    }
}

async fn put_template(
    State(api): State<Api>,
    context: RequestContext,
    Body(body): Body,
) -> Response {
    let mut template = match V2Template::decode(&body) {
        Ok(template) => template,
        Err(error) => return context.refuse(error),
    };
    if template.external_id.is_empty() {
        template.external_id = api.composer.random_id();
    }
    if let Err(refusal) = stored::check(&template) {
        return context.refuse(refusal);
    }
    let data = json!({
        "externalId": template.external_id,
        "name": template.name,
        "smtpAccount": template.smtp_account,
    });
    match stored::put(&api.store, template, api.composer.now()).await {
        Ok(()) => answer(vec![data], Vec::new(), &context),
        Err(error) => context.write_failed(&error),
    }
}

async fn delete_templates(
    State(api): State<Api>,
    context: RequestContext,
    Body(body): Body,
) -> Response {
    let ids = match v2_external_ids(&body) {
        Ok(ids) => ids,
        Err(error) => return context.refuse(error),
    };
    let written = stored::delete(&api.store, ids.clone()).await;
    deleted(written, &ids, |id| json!({ "externalId": id }), &context)
}

async fn list_blocked(
    State(api): State<Api>,
    context: RequestContext,
    RawQuery(query): RawQuery,
) -> Response {
    let query = decode(query, ACCOUNT_FILTER);
    api.select(&context, query, blacklist::list_v2).await
}

async fn block(State(api): State<Api>, context: RequestContext, Body(body): Body) -> Response {
    let entry = match BlacklistEntry::decode_v2(&body) {
        Ok(entry) => entry,
        Err(error) => return context.refuse(error),
    };
    let data = entry.v2_entry();
    match blacklist::add(&api.store, entry, api.composer.now()).await {
        Ok(()) => answer(vec![data], Vec::new(), &context),
        Err(error) => context.write_failed(&error),
    }
}

async fn unblock(
    State(api): State<Api>,
    context: RequestContext,
    Account(account): Account,
    Body(body): Body,
) -> Response {
    let ids = match v2_ids(&body) {
        Ok(ids) => ids,
        Err(error) => return context.refuse(error),
    };
    let normalized = |id: &str| Address::parse(id).ok().map(|address| address.normalized());
    let written = blacklist::remove_from_account(
        &api.store,
        account.clone(),
        with_normalized(&ids, normalized),
    );
    let item = |id: &str| json!({ "email": id, "smtpAccount": account });
    deleted(written.await, &ids, item, &context)
}

/// The IDs that can be in a list, each with the form in which it is stored.
fn with_normalized(
    ids: &[String],
    normalized: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let known = ids
        .iter()
        .filter_map(|id| Some((id.clone(), normalized(id)?)));
    known.collect()
}

async fn list_reasons(context: RequestContext) -> Response {
    let reasons = BlacklistReason::ALL.map(|reason| json!({ "reason": reason.as_str() }));
    answer(reasons.into(), Vec::new(), &context)
}

async fn list_domains(
    State(api): State<Api>,
    context: RequestContext,
    Account(account): Account,
    RawQuery(query): RawQuery,
) -> Response {
    let query = decode(query, &[]).map(|mut query| {
        query.filters.push(("account".to_owned(), account));
        query
    });
    api.select(&context, query, v2::domains).await
}

async fn block_domains(
    State(api): State<Api>,
    context: RequestContext,
    Account(account): Account,
    Body(body): Body,
) -> Response {
    let texts = match v2_domains(&body) {
        Ok(texts) => texts,
        Err(error) => return context.refuse(error),
    };
    let (mut domains, mut errors) = (Vec::new(), Vec::new());
    for text in texts {
        match v2_domain(&text) {
            Some(domain) => domains.push(domain),
            None => errors.push(V2Error {
                title: "Domain is not valid".to_owned(),
                message: format!("This is not a domain of addresses: {text}"),
                code: "E-1-002".to_owned(),
                value: text,
            }),
        }
    }
    let item = |domain: &String| json!({ "domain": domain, "smtpAccount": account });
    let data: Vec<_> = domains.iter().map(item).collect();
    if !domains.is_empty() {
        let now = api.composer.now();
        let written = blacklist::add_domains(&api.store, account.clone(), domains, now);
        if let Err(error) = written.await {
            return context.write_failed(&error);
        }
    }
    answer(data, errors, &context)
}

async fn unblock_domains(
    State(api): State<Api>,
    context: RequestContext,
    Account(account): Account,
    Body(body): Body,
) -> Response {
    let ids = match v2_ids(&body) {
        Ok(ids) => ids,
        Err(error) => return context.refuse(error),
    };
    let domains = with_normalized(&ids, v2_domain);
    let written = blacklist::remove_domains(&api.store, account.clone(), domains).await;
    let item = |id: &str| json!({ "domain": id, "smtpAccount": account });
    deleted(written, &ids, item, &context)
}
