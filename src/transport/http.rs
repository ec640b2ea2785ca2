//! The API over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Body, Lookup, PostError, Reply, Transport, http_date};
use crate::api::{Dialect, EMAILS};
use crate::campaign::is_loopback;

/// The longest that connecting may take, and at most half of the total: on a busy machine two ends
/// that are close together come at once, and then a request that was never sent is in doubt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept without use: servers close theirs after 5 s and more, and a
/// request on a connection that is being closed would be in doubt.
const IDLE: Duration = Duration::from_secs(3);
/// The longest answer that is read. One for 200 recipients has some 30 KB.
const MAX_ANSWER: usize = 4 << 20;

/// Where the API is, and who asks.
#[derive(Debug)]
pub struct HttpSettings<'a> {
    /// The API's base URL, with a slash at its end.
    pub url: &'a Url,
    /// Which endpoint is spoken.
    pub dialect: Dialect,
    /// The App Key.
    pub app_key: &'a SecretString,
    /// The Secret Key.
    pub secret_key: &'a SecretString,
    /// The longest that a request may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// The most requests in flight.
    pub concurrency: u32,
}

/// Why there is no way to the API.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The URL does not take an endpoint.
    #[error("the API's URL is not usable: {0}")]
    Url(#[from] url::ParseError),
    /// The keys can't be put into a header.
    #[error("the App Key or the Secret Key holds characters that HTTP can't carry")]
    Keys,
    /// TLS or the proxy's settings.
    #[error("can't set up HTTP: {0}")]
    Client(String),
}

/// The API over HTTP/1.1, with connections kept open.
pub struct HttpTransport {
    client: reqwest::Client,
    endpoint: Url,
    emails: Url,
    authorization: HeaderValue,
}

impl HttpTransport {
    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// When the settings can't work.
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
            .user_agent(concat!("mailrun/", env!("CARGO_PKG_VERSION")));
        if is_loopback(settings.url) {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client
                .build()
                .map_err(|error| SetupError::Client(chain(&error)))?,
            endpoint: settings.url.join(settings.dialect.path())?,
            emails: settings.url.join(EMAILS)?,
            authorization: basic(settings.app_key, settings.secret_key)?,
        })
    }
}

/// RFC 7617: HTTP Basic.
fn basic(app_key: &SecretString, secret_key: &SecretString) -> Result<HeaderValue, SetupError> {
    let login = format!("{}:{}", app_key.expose_secret(), secret_key.expose_secret());
    let value = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(login)
    );
    let mut value = HeaderValue::from_str(&value).map_err(|_| SetupError::Keys)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Transport for HttpTransport {
    async fn post(&self, body: Body) -> Result<Reply, PostError> {
        let request = self
            .client
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(reqwest::Body::wrap(Pieces(body.0.into())));
        self.ask(request).await
    }
}

impl Lookup for HttpTransport {
    async fn emails(&self, query: &str) -> Result<Reply, PostError> {
        let mut url = self.emails.clone();
        url.set_query(Some(query));
        self.ask(self.client.get(url)).await
    }
}

impl HttpTransport {
    /// Sends a request with the login, and reads its answer.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Reply, PostError> {
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let response = request.send().await.map_err(|error| failure(&error))?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let retry_after = header(RETRY_AFTER).map(|wait| in_seconds(wait, header(DATE).as_deref()));
        let location = header(LOCATION);
        let status = response.status().as_u16();
        let body = read(response).await?;
        Ok(Reply {
            status,
            retry_after,
            location,
            body,
        })
    }
}

/// A `Retry-After` that is a date, as seconds from the `Date` of its own answer: the server's clock and
/// ours need not agree.
fn in_seconds(retry_after: String, date: Option<&str>) -> String {
    let until = http_date(&retry_after);
    match (until, date.and_then(http_date)) {
        (Some(until), Some(now)) => until.duration_since(now).as_secs().max(0).to_string(),
        _ => retry_after,
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, PostError> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(PostError::Broken(format!(
                "the answer is longer than {MAX_ANSWER} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn failure(error: &reqwest::Error) -> PostError {
    if error.is_connect() {
        PostError::NotConnected(chain(error))
    } else if error.is_timeout() {
        PostError::Broken("no whole answer within the time that a request may take".to_owned())
    } else {
        PostError::Broken(chain(error))
    }
}

/// The innermost words of an error: the outer ones say "error sending request" and the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        words.push(error.to_string());
        source = error.source();
    }
    words.dedup();
    match words.last() {
        Some(last) => last.clone(),
        None => error.to_string(),
    }
}

/// A body of pieces whose length is known, so that it goes with a Content-Length.
struct Pieces(VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}
