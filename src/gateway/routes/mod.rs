//! The routes of the gateway, and what every request passes.

mod management;
mod messages;
mod v2;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::task::spawn_blocking;

use self::messages::post_messages;
use super::message_endpoint::MessageEndpoint;
use super::request::RequestContext;
use super::response::{Refusal, json_response};
use super::{Destination, Gateway, inbox, metrics};
use crate::api::FormDialect;

pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    if !matches!(gateway.destination, Destination::ReadOnly) {
        router = router
            .route(
                "/api/sendmail",
                post_messages(MessageEndpoint::Form(FormDialect::Sendmail)),
            )
            .route(
                "/api/new_sendmail",
                post_messages(MessageEndpoint::Form(FormDialect::NewSendmail)),
            )
            .route("/v2.1/email", post_messages(MessageEndpoint::V2));
    }
    if let Destination::Store(store) = &gateway.destination {
        let accounts = gateway.permits.accounts();
        let templates = messages::sendmail_templates();
        router = router
            .route("/healthz", get(health))
            .route("/metrics", get(metrics))
            .route("/api/sendmail_templates", templates)
            .merge(management::router(
                store,
                &gateway.composer,
                accounts.clone(),
            ))
            .merge(v2::router(store, &gateway.composer, accounts));
    }
    if let Some(inbox) = &gateway.inbox {
        router = router.merge(inbox::router(Arc::clone(inbox)));
    }
    let mut router = router
        .fallback(unknown_action)
        .method_not_allowed_fallback(unknown_action);
    let state = || Arc::clone(&gateway);
    if gateway.chaos.is_some() {
        router = router.layer(middleware::from_fn_with_state(state(), inject_faults));
    }
    router
        .layer(Extension(gateway.memory.clone()))
        .layer(middleware::from_fn_with_state(state(), guard))
        .layer(middleware::from_fn_with_state(state(), record))
        .with_state(gateway)
}

/// Gives a request its ID, and logs it.
async fn record(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let req_id = gateway.composer.random_id();
    gateway.access_log.record(req_id, request, next).await
}

/// Refuses a request without permission.
async fn guard(
    State(gateway): State<Arc<Gateway>>,
    context: RequestContext,
    request: Request,
    next: Next,
) -> Response {
    let refuse = |status, message| context.refuse(Refusal::new(status, message));
    gateway.guard.pass(request, next, refuse).await
}

async fn inject_faults(
    State(gateway): State<Arc<Gateway>>,
    context: RequestContext,
    request: Request,
    next: Next,
) -> Response {
    let metrics = &gateway.access_log.metrics;
    match &gateway.chaos {
        Some(chaos) => chaos.run(&context, metrics, request, next).await,
        None => next.run(request).await,
    }
}

async fn health(State(gateway): State<Arc<Gateway>>, context: RequestContext) -> Response {
    let (status, mut json) = match gateway.health.check().await {
        Ok(()) => (StatusCode::OK, json!({"status": "ok"})),
        Err(message) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"status": "error", "message": message}),
        ),
    };
    json["req_id"] = context.req_id.into();
    json_response(status, json.to_string().into_bytes())
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    match spawn_blocking(move || gateway.access_log.metrics.encode()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn unknown_action(context: RequestContext) -> Response {
    context.refuse(Refusal::unknown_action())
}
