//! The API over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use reqwest::header::{
    CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::mask::Mask;
use super::{Lookup, PostError, PostRequest, Transport, post_outcome};
use crate::api::{Dialect, HttpReply, Posted, http_date};
use crate::campaign::is_loopback;
use crate::clock::Clock;
use crate::outcome::{LookupOutcome, PostOutcome, one_line};

/// The longest time to connect; at most half of the whole timeout. On a busy machine two deadlines
/// that are close together expire at once, and then a request that was never sent is unknown.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept. Servers close theirs after 5 s or later, and a request on a
/// connection that is being closed would be unknown.
const IDLE: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes. One for 200 recipients has about 30 KB.
const MAX_ANSWER: usize = 4 << 20;

pub struct HttpSettings<'a> {
    /// The API's base URL, with a slash at the end.
    pub url: &'a Url,
    pub dialect: &'static dyn Dialect,
    /// For lookups.
    pub smtp_account: &'a str,
    pub app_key: &'a SecretString,
    pub secret_key: &'a SecretString,
    /// From connecting to the end of the answer.
    pub timeout: Duration,
    /// The most requests in flight.
    pub concurrency: u32,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the API's URL is invalid: {0}")]
    Url(#[from] url::ParseError),
    #[error("the App Key or the Secret Key contains characters that are invalid in an HTTP header")]
    Keys,
    /// The settings of TLS or the proxy.
    #[error("can't set up HTTP: {0}")]
    Client(String),
}

impl SetupError {
    /// How the user can fix it.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Client(reason) if reason.contains("CA certificates") => Some(
                "install the root certificates (in Debian: the package ca-certificates), or name a file that has them in SSL_CERT_FILE",
            ),
            Self::Client(_) | Self::Url(_) | Self::Keys => None,
        }
    }
}

/// The API over HTTP/1.1, with connections kept open.
pub struct HttpTransport {
    client: reqwest::Client,
    dialect: &'static dyn Dialect,
    smtp_account: String,
    url: Url,
    endpoint: Url,
    mask: Mask,
    clock: Clock,
}

impl HttpTransport {
    /// Sends nothing.
    ///
    /// # Errors
    /// The settings are invalid.
    pub fn new(settings: &HttpSettings<'_>) -> Result<Self, SetupError> {
        super::install_crypto_provider();
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout / 2))
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrency as usize)
            .user_agent(concat!("mailrun/", env!("CARGO_PKG_VERSION")))
            .default_headers(login(settings)?);
        if is_loopback(settings.url) {
            client = client.no_proxy();
            if settings.url.scheme() == "http" {
                // Machines without root certificates, such as containers, can send to a server on themselves.
                client = client.tls_certs_only([]);
            }
        }
        Ok(Self {
            client: client
                .build()
                .map_err(|error| SetupError::Client(cause(&error)))?,
            dialect: settings.dialect,
            smtp_account: settings.smtp_account.to_owned(),
            url: settings.url.clone(),
            endpoint: settings.url.join(settings.dialect.path())?,
            mask: Mask::new(settings.app_key, settings.secret_key),
            clock: settings.clock.clone(),
        })
    }
}

/// The headers that log in.
fn login(settings: &HttpSettings<'_>) -> Result<HeaderMap, SetupError> {
    let login = settings
        .dialect
        .login(settings.app_key, settings.secret_key);
    let header = |(name, value): (&'static str, SecretString)| {
        let mut value =
            HeaderValue::from_str(value.expose_secret()).map_err(|_| SetupError::Keys)?;
        value.set_sensitive(true);
        Ok((HeaderName::from_static(name), value))
    };
    login.into_iter().map(header).collect()
}

impl Transport for HttpTransport {
    async fn post(&self, request: &PostRequest) -> PostOutcome {
        let post = self
            .client
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, self.dialect.content_type())
            .body(reqwest::Body::wrap(Chunks(request.body.0.clone().into())));
        let result = self.send(post).await;
        let to = request.to.iter().map(|recipient| Posted {
            address: &recipient.mailbox.address,
            message_id: recipient.message_id.as_deref(),
        });
        let to: Vec<_> = to.collect();
        post_outcome(&result, self.dialect, &to, self.clock.now())
    }
}

impl Lookup for HttpTransport {
    async fn look_up(&self, message_id: &str) -> LookupOutcome {
        let unanswered = |reason: &str| LookupOutcome::Unanswered {
            reason: one_line(reason),
            wait: None,
        };
        let lookup = self.dialect.lookup(&self.smtp_account, message_id);
        let Some(Ok(url)) = lookup.map(|lookup| self.url.join(&lookup)) else {
            return LookupOutcome::Stop {
                reason: "the API can't look up messages by their ID".to_owned(),
            };
        };
        match self.send(self.client.get(url)).await {
            Ok(reply) => self
                .dialect
                .lookup_outcome(&reply, message_id, self.clock.now()),
            Err(error) => unanswered(&error.to_string()),
        }
    }
}

impl HttpTransport {
    /// Gets what is at this path and query, below the API's base URL.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn get(&self, path: &str) -> Result<HttpReply, PostError> {
        let url = self
            .url
            .join(path)
            .map_err(|error| PostError::Broken(error.to_string()))?;
        self.send(self.client.get(url)).await
    }

    /// Posts to this path, below the API's base URL.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn post_to(
        &self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<HttpReply, PostError> {
        let url = self
            .url
            .join(path)
            .map_err(|error| PostError::Broken(error.to_string()))?;
        let post = self.client.post(url).header(CONTENT_TYPE, content_type);
        self.send(post.body(body)).await
    }

    /// Sends a request, and reads its answer.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<HttpReply, PostError> {
        let response = request.send().await.map_err(|error| failure(&error))?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let retry_after = header(RETRY_AFTER).map(|wait| in_seconds(wait, header(DATE).as_deref()));
        let location = header(LOCATION).map(|location| self.mask.text(location));
        let status = response.status().as_u16();
        let body = self.mask.bytes(read(response).await?);
        Ok(HttpReply {
            status,
            retry_after,
            location,
            body,
        })
    }
}

/// A `Retry-After` that is a date, as seconds from the `Date` of the same answer, because the server's
/// clock and ours may differ.
fn in_seconds(retry_after: String, date: Option<&str>) -> String {
    let until = http_date(&retry_after);
    match (until, date.and_then(http_date)) {
        (Some(until), Some(now)) => until.duration_since(now).as_secs().max(0).to_string(),
        _ => retry_after,
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, PostError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(PostError::Broken(format!(
                "the answer is longer than {MAX_ANSWER} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn failure(error: &reqwest::Error) -> PostError {
    if let Some(reason) = untrusted(error) {
        PostError::Untrusted(reason)
    } else if error.is_connect() {
        PostError::NotConnected(cause(error))
    } else if error.is_timeout() {
        PostError::Broken("no complete answer within the timeout".to_owned())
    } else {
        PostError::Broken(cause(error))
    }
}

/// What is wrong with the server's certificate, if that is the error.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(reason.to_string());
        }
        // An I/O error does not name what it holds as its source.
        let held = error.downcast_ref().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// The innermost error: the outer ones say "error sending request" and the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A body of known length, so that it is sent with a `Content-Length`.
struct Chunks(VecDeque<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|chunk| chunk.len() as u64).sum())
    }
}
