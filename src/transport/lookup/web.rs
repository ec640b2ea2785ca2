//! Finds out what a URL leads to with as little as possible: only headers, no cookies, no login, no Referer,
//! no proxy.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Client, Method, Response};
use url::Url;

use super::{Dns, DnsError, Guard, LookupError};
use crate::transport::SetupError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for one response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a URL with all its redirects.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 5;

/// What a URL leads to, by the headers of the last response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) status: u16,
    /// The URL after all redirects.
    pub(crate) url: Url,
    /// Whether a redirect led from https to http.
    pub(crate) is_downgraded: bool,
    /// In bytes.
    pub(crate) size: Option<u64>,
    pub(crate) media_type: Option<String>,
}

/// An HTTP client that connects only where its guard allows.
pub(crate) struct WebClient {
    client: Client,
    guard: Guard,
    dns: Dns,
}

impl WebClient {
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new(dns: Dns, guard: Guard) -> Result<Self, SetupError> {
        let resolver = GuardedResolver {
            dns: dns.clone(),
            guard: guard.clone(),
        };
        crate::transport::install_crypto_provider();
        let client = Client::builder()
            // A proxy would resolve names itself and bypass the guard.
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(RESPONSE_TIMEOUT)
            .user_agent(concat!(
                "mailrun/",
                env!("CARGO_PKG_VERSION"),
                " (link check)"
            ))
            .build();
        let client = client.map_err(|error| SetupError::Client(error.to_string()))?;
        Ok(Self { client, guard, dns })
    }

    /// Checks that a URL's host has a public address, without connecting to it.
    ///
    /// # Errors
    /// If it has none.
    pub(crate) async fn resolve(&self, url: &Url) -> Result<(), LookupError> {
        self.guard.check(url)?;
        match url.domain() {
            Some(host) => allowed(&self.dns, &self.guard, host).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Requests a URL and follows its redirects.
    ///
    /// # Errors
    /// If there is no final response.
    pub(crate) async fn probe(&self, url: &Url) -> Result<Resource, LookupError> {
        tokio::time::timeout(TOTAL_TIMEOUT, self.follow(url.clone()))
            .await
            .unwrap_or_else(|_| {
                let seconds = TOTAL_TIMEOUT.as_secs();
                let message = format!("no answer within {seconds} seconds");
                Err(LookupError::Unanswered(message))
            })
    }

    async fn follow(&self, mut url: Url) -> Result<Resource, LookupError> {
        let mut is_downgraded = false;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request_head(&url).await?;
            let Some(next) = redirect(&response) else {
                return Ok(resource(&response, url, is_downgraded));
            };
            let next = url
                .join(next)
                .map_err(|_| LookupError::Redirect("it redirects to an invalid URL".to_owned()))?;
            is_downgraded |= url.scheme() == "https" && next.scheme() == "http";
            url = next;
        }
        let message = format!("it redirects more than {MAX_REDIRECTS} times");
        Err(LookupError::Redirect(message))
    }

    /// Requests the headers, and from servers that refuse that the beginning of the content. Dropping the
    /// response closes the connection without reading the content.
    async fn request_head(&self, url: &Url) -> Result<Response, LookupError> {
        self.guard.check(url)?;
        match self.request(Method::HEAD, url).await {
            Ok(response) if response.status().as_u16() < 400 => Ok(response),
            Ok(_) | Err(LookupError::Unanswered(_)) => self.request(Method::GET, url).await,
            Err(error) => Err(error),
        }
    }

    async fn request(&self, method: Method, url: &Url) -> Result<Response, LookupError> {
        let mut request = self.client.request(method.clone(), url.clone());
        if method == Method::GET {
            request = request.header(RANGE, "bytes=0-1023");
        }
        request.send().await.map_err(|error| lookup_error(&error))
    }
}

fn redirect(response: &Response) -> Option<&str> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    location.to_str().ok()
}

fn resource(response: &Response, url: Url, is_downgraded: bool) -> Resource {
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name)?.to_str().ok();
    let size = match status {
        // A partial response has the total size after the slash.
        206 => header(CONTENT_RANGE)
            .and_then(|range| range.rsplit_once('/'))
            .map(|(_, size)| size),
        _ => header(CONTENT_LENGTH),
    };
    Resource {
        status,
        url,
        is_downgraded,
        size: size.and_then(|size| size.trim().parse().ok()),
        media_type: header(CONTENT_TYPE).map(str::to_owned),
    }
}

/// Resolves names to the addresses that the guard allows.
struct GuardedResolver {
    dns: Dns,
    guard: Guard,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, guard) = (self.dns.clone(), self.guard.clone());
        Box::pin(async move {
            let addresses = allowed(&dns, &guard, name.as_str()).await?;
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

async fn allowed(dns: &Dns, guard: &Guard, host: &str) -> Result<Vec<IpAddr>, LookupError> {
    let addresses = dns.addresses(host).await?;
    let (allowed, refused): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| guard.allows(*address));
    match refused.first() {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(address) => Err(LookupError::NotPublic(*address)),
        None => Err(DnsError::NoRecord.into()),
    }
}

/// The cause of a failed request.
fn lookup_error(error: &reqwest::Error) -> LookupError {
    let mut innermost = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(cause) = error.downcast_ref::<LookupError>() {
            return cause.clone();
        }
        if is_tls(error) {
            return LookupError::Tls(error.to_string());
        }
        innermost = error.to_string();
        source = error.source();
    }
    if error.is_timeout() {
        innermost = format!("no answer within {} seconds", RESPONSE_TIMEOUT.as_secs());
    }
    LookupError::Unanswered(innermost)
}

/// Whether an error is a TLS error or wraps one.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    match io.and_then(std::io::Error::get_ref) {
        Some(inner) => is_tls(inner),
        None => error.is::<rustls::Error>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::lookup::fake::{Site, Zone, dns, reply};

    fn zone() -> Zone {
        Zone::from([
            ("here.example", (vec![[127, 0, 0, 1].into()], vec![])),
            ("inside.example", (vec![[10, 0, 0, 1].into()], vec![])),
            (
                "both.example",
                (vec![[10, 0, 0, 1].into(), [127, 0, 0, 1].into()], vec![]),
            ),
            ("empty.example", (vec![], vec![])),
        ])
    }

    async fn site() -> Site {
        Site::start(|request, port| {
            let to = |url: &str| reply(302, &[("location", url)]);
            match (request.method().as_str(), request.uri().path()) {
                (_, "/page") => reply(200, &[("content-type", "text/html")]),
                (_, "/gone") => reply(410, &[]),
                ("HEAD", "/no-head") => reply(405, &[]),
                ("GET", "/no-head") => {
                    let part = [("content-range", "bytes 0-1023/5000000")];
                    reply(206, &part)
                }
                (_, "/moved") => to("page"),
                (_, "/round") => to("/round"),
                (_, "/inside") => to("http://10.0.0.1/"),
                (_, "/inside-by-name") => to(&format!("http://inside.example:{port}/")),
                (_, "/other-port") => to("http://127.0.0.1:1/"),
                (_, "/file") => to("file:///etc/passwd"),
                (_, "/login") => to(&format!("http://a:b@127.0.0.1:{port}/page")),
                _ => reply(404, &[]),
            }
        })
        .await
    }

    async fn probe(site: &Site, url: &str) -> Result<Resource, LookupError> {
        let web = site.client(dns(zone()).await);
        web.probe(&url.parse().expect("a URL")).await
    }

    #[tokio::test]
    async fn requests_only_headers() {
        let site = site().await;
        let resource = probe(&site, &site.url("/page")).await.expect("a page");
        assert_eq!(resource.status, 200);
        assert_eq!(resource.media_type.as_deref(), Some("text/html"));
        assert_eq!(site.requests(), ["HEAD /page"]);
    }

    #[tokio::test]
    async fn requests_the_beginning_from_servers_without_head() {
        let site = site().await;
        let resource = probe(&site, &site.url("/no-head")).await.expect("a page");
        assert_eq!((resource.status, resource.size), (206, Some(5_000_000)));
        assert_eq!(site.requests(), ["HEAD /no-head", "GET /no-head"]);
        let gone = probe(&site, &site.url("/gone")).await.expect("an answer");
        assert_eq!(gone.status, 410);
    }

    #[tokio::test]
    async fn redirects_are_followed_five_times() {
        let site = site().await;
        let resource = probe(&site, &site.url("/moved")).await.expect("a page");
        assert_eq!(resource.url.path(), "/page");
        let loops = probe(&site, &site.url("/round")).await;
        assert!(matches!(loops, Err(LookupError::Redirect(_))), "{loops:?}");
        assert_eq!(site.requests().len(), 2 + 6);
    }

    #[tokio::test]
    async fn redirects_lead_to_allowed_addresses_only() {
        let site = site().await;
        for path in [
            "/inside",
            "/inside-by-name",
            "/other-port",
            "/file",
            "/login",
        ] {
            let resource = probe(&site, &site.url(path)).await;
            let refused = matches!(
                resource,
                Err(LookupError::NotPublic(_) | LookupError::NotAllowed(_))
            );
            assert!(refused, "{path}: {resource:?}");
        }
        assert_eq!(site.requests().len(), 5, "{:?}", site.requests());
    }

    #[tokio::test]
    async fn names_resolve_to_allowed_addresses_only() {
        let site = site().await;
        let at = |name: &str| format!("http://{name}:{}/page", site.port);
        for name in ["here.example", "both.example"] {
            let resource = probe(&site, &at(name)).await.expect("a page");
            assert_eq!(resource.status, 200);
        }
        assert_eq!(site.requests().len(), 2);
        let inside: IpAddr = [10, 0, 0, 1].into();
        let refused = probe(&site, &at("inside.example")).await;
        assert_eq!(refused, Err(LookupError::NotPublic(inside)));
        let unknown = probe(&site, &at("nowhere.example")).await;
        assert_eq!(unknown, Err(DnsError::NoName.into()));
        let empty = probe(&site, &at("empty.example")).await;
        assert_eq!(empty, Err(DnsError::NoRecord.into()));
        let silent = probe(&site, &at("silent.example")).await;
        assert!(
            matches!(silent, Err(LookupError::Dns(DnsError::Unanswered(_)))),
            "{silent:?}"
        );
        assert_eq!(site.requests().len(), 2);
    }

    #[tokio::test]
    async fn the_public_guard_refuses_localhost() {
        let site = site().await;
        let web = WebClient::new(dns(zone()).await, Guard::public()).expect("a client");
        for url in [site.url("/page"), "http://here.example/page".to_owned()] {
            let url = url.parse().expect("a URL");
            assert!(web.probe(&url).await.is_err());
            assert!(web.resolve(&url).await.is_err());
        }
        assert!(site.requests().is_empty());
    }

    #[tokio::test]
    async fn resolving_requests_nothing() {
        let site = site().await;
        let web = site.client(dns(zone()).await);
        let resolve = |name: &str| format!("http://{name}:{}/", site.port).parse();
        let here = resolve("here.example").expect("a URL");
        assert_eq!(web.resolve(&here).await, Ok(()));
        let unknown = resolve("nowhere.example").expect("a URL");
        assert_eq!(web.resolve(&unknown).await, Err(DnsError::NoName.into()));
        assert!(site.requests().is_empty());
    }

    #[tokio::test]
    async fn a_server_without_tls_is_not_missing() {
        let site = site().await;
        let https = site.url("/page").replace("http:", "https:");
        let resource = probe(&site, &https).await;
        assert!(matches!(resource, Err(LookupError::Tls(_))), "{resource:?}");
    }
}
