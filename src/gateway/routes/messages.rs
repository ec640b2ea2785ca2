//! The endpoints that accept messages: `sendmail`, `new_sendmail`, `sendmail_templates` and v2.1's `email`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use tokio::task::spawn_blocking;

use crate::api::FormDialect;
use crate::gateway::access_log::RequestSummary;
use crate::gateway::capture::{self, CapturedRequest};
use crate::gateway::message_endpoint::{
    DecodedRequest, MessageEndpoint, RecipientResults, RequestOutline,
};
use crate::gateway::request::{RequestContext, read_body};
use crate::gateway::response::{Refusal, json_response, unknown_result};
use crate::gateway::{Destination, Gateway, outbox, templates};

/// The largest body whose messages are built on the thread that read it. That takes some 0.1 ms, as long
/// as moving the work to another thread and back.
const SMALL_BODY: usize = 64 * 1024;

#[derive(Clone, Copy)]
enum Endpoint {
    Messages(MessageEndpoint),
    SendmailTemplates,
}

pub(super) fn post_messages(endpoint: MessageEndpoint) -> MethodRouter<Arc<Gateway>> {
    handler(Endpoint::Messages(endpoint))
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
    let quick = if gateway.is_quick(endpoint) && body.len() <= SMALL_BODY {
        match gateway.prepare(endpoint, &context, &body, Effort::Quick) {
            Ok(prepared) => prepared,
            Err(refusal) => return context.refuse(refusal),
        }
    } else {
        None
    };
    let (prepared, reservation) = match quick {
        Some(prepared) => (prepared, body.into_reservation()),
        None => {
            let (gateway, blocking_context) = (Arc::clone(&gateway), context.clone());
            // Building large messages, filling templates and writing files would block other requests.
            let prepared = spawn_blocking(move || {
                let prepared = gateway.prepare(endpoint, &blocking_context, &body, Effort::Any);
                prepared.map(|prepared| (prepared, body.into_reservation()))
            });
            match prepared.await {
                Ok(Ok((Some(prepared), reservation))) => (prepared, reservation),
                Ok(Err(refusal)) => return context.refuse(refusal),
                Ok(Ok((None, _))) | Err(_) => return unknown_result(),
            }
        }
    };
    let Prepared {
        mut captured,
        outline,
        results,
    } = prepared;
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
            return context.write_failed(&error);
        }
    }
    let (status, answer) = endpoint.format().answer(&outline, results, context.req_id);
    let mut response = json_response(status, answer);
    response.extensions_mut().insert(summary);
    response
}

/// What preparing a request may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Little time, and no I/O.
    Quick,
    Any,
}

/// A request before it is stored.
struct Prepared {
    captured: Vec<CapturedRequest>,
    outline: RequestOutline,
    results: RecipientResults,
}

impl Endpoint {
    /// How its answers are written.
    fn format(self) -> MessageEndpoint {
        match self {
            Self::Messages(endpoint) => endpoint,
            Self::SendmailTemplates => MessageEndpoint::Form(FormDialect::NewSendmail),
        }
    }
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
    /// Whether [`Gateway::prepare`] does no I/O, except for templates.
    fn is_quick(&self, endpoint: Endpoint) -> bool {
        matches!(
            (&self.destination, endpoint),
            (Destination::Store(_), Endpoint::Messages(_))
        )
    }

    /// Everything that can be done with a request before a commit. The returned messages are still to be
    /// stored, in one commit. `None` if that takes more than the effort.
    fn prepare(
        &self,
        endpoint: Endpoint,
        context: &RequestContext,
        body: &[u8],
        effort: Effort,
    ) -> Result<Option<Prepared>, Refusal> {
        let prepared = match (&self.destination, endpoint) {
            (Destination::Outbox(maildir), Endpoint::Messages(endpoint)) => {
                let (outline, results) = outbox::store(&self.composer, maildir, endpoint, body)?;
                Prepared {
                    captured: Vec::new(),
                    outline,
                    results,
                }
            }
            (Destination::Store(store), Endpoint::Messages(endpoint)) => {
                let (captured, outline, results) = match endpoint.decode(body)? {
                    DecodedRequest::Message(request, fields) => {
                        let (captured, outline, results) =
                            capture::prepare(self, endpoint, context, *request, fields)?;
                        (vec![captured], outline, results)
                    }
                    DecodedRequest::Template(..) if effort == Effort::Quick => return Ok(None),
                    DecodedRequest::Template(posted, fields) => {
                        templates::prepare_v2(self, store, context, *posted, fields)?
                    }
                };
                Prepared {
                    captured,
                    outline,
                    results,
                }
            }
            (Destination::Store(store), Endpoint::SendmailTemplates) => {
                let (captured, results) = templates::prepare(self, store, context, body)?;
                Prepared {
                    captured,
                    outline: RequestOutline::default(),
                    results,
                }
            }
            (Destination::Outbox(_), Endpoint::SendmailTemplates) | (Destination::ReadOnly, _) => {
                return Err(Refusal::unknown_action());
            }
        };
        Ok(Some(prepared))
    }
}
