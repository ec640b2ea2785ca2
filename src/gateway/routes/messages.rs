//! The endpoints that accept messages: `sendmail`, `new_sendmail` and `sendmail_templates`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use tokio::task::spawn_blocking;

use crate::api::{Answer, Dialect};
use crate::gateway::access_log::RequestSummary;
use crate::gateway::capture::{self, CapturedRequest};
use crate::gateway::compose::RecipientResults;
use crate::gateway::request::{RequestContext, read_body};
use crate::gateway::response::{Refusal, json_response, unknown_result, write_failed};
use crate::gateway::{Destination, Gateway, outbox, templates};

/// The largest body whose messages are built on the thread that read it. That takes some 0.1 ms, as long
/// as moving the work to another thread and back.
const SMALL_BODY: usize = 64 * 1024;

#[derive(Clone, Copy)]
enum Endpoint {
    Sendmail(Dialect),
    SendmailTemplates,
}

pub(super) fn sendmail(dialect: Dialect) -> MethodRouter<Arc<Gateway>> {
    handler(Endpoint::Sendmail(dialect))
}

pub(super) fn sendmail_templates() -> MethodRouter<Arc<Gateway>> {
    handler(Endpoint::SendmailTemplates)
}

fn handler(endpoint: Endpoint) -> MethodRouter<Arc<Gateway>> {
    post(
        move |State(gateway), context: RequestContext, request: Request| async move {
            accept(gateway, endpoint, context, request).await
        },
    )
}

async fn accept(
    gateway: Arc<Gateway>,
    endpoint: Endpoint,
    context: RequestContext,
    request: Request,
) -> Response {
    let body = match read_body(request).await {
        Ok(body) => body,
        Err(refusal) => return context.refuse(refusal),
    };
    let req_id = context.req_id.clone();
    let prepared = if gateway.is_quick(endpoint) && body.len() <= SMALL_BODY {
        let prepared = gateway.prepare(endpoint, &context, &body);
        Ok(prepared.map(|prepared| (prepared, body.into_reservation())))
    } else {
        let gateway = Arc::clone(&gateway);
        // Building large messages, and writing files, would block other requests.
        spawn_blocking(move || {
            let prepared = gateway.prepare(endpoint, &context, &body);
            prepared.map(|prepared| (prepared, body.into_reservation()))
        })
        .await
    };
    let ((mut captured, results), reservation) = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(refusal)) => return refusal.into_response(&req_id),
        Err(_) => return unknown_result(),
    };
    let summary = summarize(&captured, results.len());
    if let Destination::Store(store) = &gateway.destination {
        let stored = store.write_repeatable(move |connection| {
            // Messages that wait to be written use memory even if the client has disconnected.
            let _reservation = &reservation;
            let mut captured = captured.iter_mut();
            captured.try_fold(None, |request, captured| {
                captured.insert(connection, request)
            })
        });
        if let Err(error) = stored.await {
            return write_failed(&error, &req_id);
        }
    }
    let mut response = json_response(StatusCode::OK, Answer::success(results, req_id).encode());
    response.extensions_mut().insert(summary);
    response
}

fn summarize(captured: &[CapturedRequest], recipients: usize) -> RequestSummary {
    let account = captured.iter().rev().find_map(CapturedRequest::account);
    RequestSummary {
        account: account.unwrap_or_default().to_owned(),
        recipients,
        accepted: captured.iter().map(CapturedRequest::message_count).sum(),
    }
}

impl Gateway {
    /// Whether [`Gateway::prepare`] does no I/O.
    fn is_quick(&self, endpoint: Endpoint) -> bool {
        matches!(
            (&self.destination, endpoint),
            (Destination::Store(_), Endpoint::Sendmail(_))
        )
    }

    /// Everything that can be done with a request before a commit. The returned messages are still to be
    /// stored, in one commit.
    fn prepare(
        &self,
        endpoint: Endpoint,
        context: &RequestContext,
        body: &[u8],
    ) -> Result<(Vec<CapturedRequest>, RecipientResults), Refusal> {
        match (&self.destination, endpoint) {
            (Destination::Outbox(maildir), Endpoint::Sendmail(dialect)) => {
                let results = outbox::store(&self.composer, maildir, dialect, body)?;
                Ok((Vec::new(), results))
            }
            (Destination::Store(_), Endpoint::Sendmail(dialect)) => {
                let (captured, results) = capture::prepare(self, dialect, context, body)?;
                Ok((vec![captured], results))
            }
            (Destination::Store(store), Endpoint::SendmailTemplates) => {
                templates::prepare(self, store, context, body)
            }
            (Destination::Outbox(_), Endpoint::SendmailTemplates) | (Destination::ReadOnly, _) => {
                Err(Refusal::unknown_action())
            }
        }
    }
}
