//! Whether there is something at a URL, asked as little as possible: headers alone, no cookies, no
//! login, no Referer, no proxy.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Client, Method};
use url::Url;

use super::{Dns, DnsError, Guard};
use crate::transport::SetupError;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest that a URL may take, with all that it leads to.
const ALL: Duration = Duration::from_secs(20);
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// What is at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The HTTP status.
    pub status: u16,
    /// Where the redirects have led to.
    pub url: Url,
    /// Whether they led from https to http.
    pub insecure: bool,
    /// The length of what is there, in bytes, as the server says.
    pub size: Option<u64>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// Why it is not known what is at a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// It is not looked at.
    #[error("{0}")]
    NotAllowed(String),
    /// It is at an address that is not public.
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    /// It has no address.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The certificate, or what is before it.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// It redirects on and on, or to nowhere.
    #[error("{0}")]
    Redirect(String),
    /// There was no answer.
    #[error("{0}")]
    Unanswered(String),
}

/// The web, behind a guard.
pub struct Web {
    client: Client,
    guard: Guard,
    dns: Dns,
}

impl Web {
    /// Makes the client; nothing is asked.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(dns: Dns, guard: Guard) -> Result<Self, SetupError> {
        let resolver = Guarded {
            dns: dns.clone(),
            guard: guard.clone(),
        };
        // A proxy would resolve names by itself, past the guard.
        crate::transport::install_crypto_provider();
        let client = Client::builder()
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .user_agent(concat!(
                "mailrun/",
                env!("CARGO_PKG_VERSION"),
                " (link check)"
            ))
            .build();
        let client = client.map_err(|error| SetupError::Client(error.to_string()))?;
        Ok(Self { client, guard, dns })
    }

    /// Whether the host of a URL has an address that is public; nothing is asked of it.
    ///
    /// # Errors
    /// Why not.
    pub async fn resolve(&self, url: &Url) -> Result<(), LookError> {
        self.guard.check(url)?;
        match url.domain() {
            Some(host) => allowed(&self.dns, &self.guard, host).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Looks what is at a URL.
    ///
    /// # Errors
    /// When that can't be told.
    pub async fn look(&self, url: &Url) -> Result<Seen, LookError> {
        let late = || LookError::Unanswered(format!("no answer within {} seconds", ALL.as_secs()));
        tokio::time::timeout(ALL, self.follow(url.clone()))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn follow(&self, mut url: Url) -> Result<Seen, LookError> {
        let mut insecure = false;
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&url).await?;
            let Some(next) = answer.redirect() else {
                return Ok(Seen {
                    insecure,
                    ..answer.seen(url)
                });
            };
            let next = url
                .join(next)
                .map_err(|_| LookError::Redirect("it redirects to no URL".to_owned()))?;
            insecure |= url.scheme() == "https" && next.scheme() == "http";
            url = next;
        }
        let message = format!("it redirects more than {REDIRECTS} times");
        Err(LookError::Redirect(message))
    }

    /// Asks for the headers; of servers that refuse that, for the beginning of the content.
    async fn ask(&self, url: &Url) -> Result<Answer, LookError> {
        self.guard.check(url)?;
        match self.request(Method::HEAD, url).await {
            Ok(answer) if answer.status < 400 => Ok(answer),
            Ok(_) | Err(LookError::Unanswered(_)) => self.request(Method::GET, url).await,
            Err(error) => Err(error),
        }
    }

    async fn request(&self, method: Method, url: &Url) -> Result<Answer, LookError> {
        let mut request = self.client.request(method.clone(), url.clone());
        if method == Method::GET {
            request = request.header(RANGE, "bytes=0-1023");
        }
        // The content is not read: the connection is closed when the answer is dropped.
        let answer = request.send().await.map_err(|error| failure(&error))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
        })
    }
}

/// The head of an answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
}

impl Answer {
    fn redirect(&self) -> Option<&str> {
        let redirects = [301, 302, 303, 307, 308].contains(&self.status);
        let location = self.headers.get(LOCATION).filter(|_| redirects)?;
        location.to_str().ok()
    }

    fn seen(&self, url: Url) -> Seen {
        let header = |name| self.headers.get(name)?.to_str().ok();
        // Of a part the length of the whole stands behind the slash.
        let whole = header(CONTENT_RANGE).and_then(|range| range.rsplit_once('/'));
        let size = match (self.status, whole) {
            (206, whole) => whole.map(|(_, size)| size),
            _ => header(CONTENT_LENGTH),
        };
        Seen {
            status: self.status,
            url,
            insecure: false,
            size: size.and_then(|size| size.trim().parse().ok()),
            media_type: header(CONTENT_TYPE).map(str::to_owned),
        }
    }
}

/// Gives the client those addresses of a name that may be connected to, and no others.
struct Guarded {
    dns: Dns,
    guard: Guard,
}

impl Resolve for Guarded {
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

async fn allowed(dns: &Dns, guard: &Guard, host: &str) -> Result<Vec<IpAddr>, LookError> {
    let addresses = dns.addresses(host).await?;
    let refused = addresses
        .iter()
        .find(|address| !guard.allows(**address))
        .copied();
    let allowed: Vec<_> = addresses
        .into_iter()
        .filter(|address| guard.allows(*address))
        .collect();
    match refused {
        Some(address) if allowed.is_empty() => Err(LookError::NotPublic(address)),
        _ if allowed.is_empty() => Err(DnsError::NoRecord.into()),
        _ => Ok(allowed),
    }
}

/// What went wrong, by the innermost errors.
fn failure(error: &reqwest::Error) -> LookError {
    let mut innermost = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(known) = error.downcast_ref::<LookError>() {
            return known.clone();
        }
        if is_tls(error) {
            return LookError::Tls(error.to_string());
        }
        innermost = error.to_string();
        source = error.source();
    }
    if error.is_timeout() {
        innermost = format!("no answer within {} seconds", ANSWER.as_secs());
    }
    LookError::Unanswered(innermost)
}

/// Whether an error is one of TLS, or wraps one.
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

    async fn look(site: &Site, url: &str) -> Result<Seen, LookError> {
        let web = site.web(dns(zone()).await);
        web.look(&url.parse().expect("a URL")).await
    }

    #[tokio::test]
    async fn headers_alone_are_asked_for_where_that_is_enough() {
        let site = site().await;
        let seen = look(&site, &site.url("/page")).await.expect("a page");
        assert_eq!(seen.status, 200);
        assert_eq!(seen.media_type.as_deref(), Some("text/html"));
        assert_eq!(site.asked(), ["HEAD /page"]);
    }

    #[tokio::test]
    async fn what_refuses_that_is_asked_for_its_beginning() {
        let site = site().await;
        let seen = look(&site, &site.url("/no-head")).await.expect("a page");
        assert_eq!((seen.status, seen.size), (206, Some(5_000_000)));
        assert_eq!(site.asked(), ["HEAD /no-head", "GET /no-head"]);
        let gone = look(&site, &site.url("/gone")).await.expect("an answer");
        assert_eq!(gone.status, 410);
    }

    #[tokio::test]
    async fn redirects_are_followed_five_times() {
        let site = site().await;
        let seen = look(&site, &site.url("/moved")).await.expect("a page");
        assert_eq!(seen.url.path(), "/page");
        let round = look(&site, &site.url("/round")).await;
        assert!(matches!(round, Err(LookError::Redirect(_))), "{round:?}");
        assert_eq!(site.asked().len(), 2 + 6);
    }

    #[tokio::test]
    async fn redirects_lead_to_nothing_that_is_not_allowed() {
        let site = site().await;
        for path in [
            "/inside",
            "/inside-by-name",
            "/other-port",
            "/file",
            "/login",
        ] {
            let seen = look(&site, &site.url(path)).await;
            let refused = matches!(
                seen,
                Err(LookError::NotPublic(_) | LookError::NotAllowed(_))
            );
            assert!(refused, "{path}: {seen:?}");
        }
        assert_eq!(site.asked().len(), 5, "{:?}", site.asked());
    }

    #[tokio::test]
    async fn names_are_connected_to_only_at_addresses_that_are_allowed() {
        let site = site().await;
        let at = |name: &str| format!("http://{name}:{}/page", site.port);
        for name in ["here.example", "both.example"] {
            let seen = look(&site, &at(name)).await.expect("a page");
            assert_eq!(seen.status, 200);
        }
        assert_eq!(site.asked().len(), 2);
        let inside: IpAddr = [10, 0, 0, 1].into();
        let refused = look(&site, &at("inside.example")).await;
        assert_eq!(refused, Err(LookError::NotPublic(inside)));
        let unknown = look(&site, &at("nowhere.example")).await;
        assert_eq!(unknown, Err(DnsError::NoName.into()));
        let empty = look(&site, &at("empty.example")).await;
        assert_eq!(empty, Err(DnsError::NoRecord.into()));
        let silent = look(&site, &at("silent.example")).await;
        assert!(
            matches!(silent, Err(LookError::Dns(DnsError::Unanswered(_)))),
            "{silent:?}"
        );
        assert_eq!(site.asked().len(), 2);
    }

    #[tokio::test]
    async fn the_guard_of_users_refuses_this_machine() {
        let site = site().await;
        let web = Web::new(dns(zone()).await, Guard::public()).expect("a client");
        for url in [site.url("/page"), "http://here.example/page".to_owned()] {
            let url = url.parse().expect("a URL");
            assert!(web.look(&url).await.is_err());
            assert!(web.resolve(&url).await.is_err());
        }
        assert!(site.asked().is_empty());
    }

    #[tokio::test]
    async fn to_resolve_asks_nothing() {
        let site = site().await;
        let web = site.web(dns(zone()).await);
        let resolve = |name: &str| format!("http://{name}:{}/", site.port).parse();
        let here = resolve("here.example").expect("a URL");
        assert_eq!(web.resolve(&here).await, Ok(()));
        let unknown = resolve("nowhere.example").expect("a URL");
        assert_eq!(web.resolve(&unknown).await, Err(DnsError::NoName.into()));
        assert!(site.asked().is_empty());
    }

    #[tokio::test]
    async fn what_speaks_no_tls_is_told_from_what_is_not_there() {
        let site = site().await;
        let https = site.url("/page").replace("http:", "https:");
        let seen = look(&site, &https).await;
        assert!(matches!(seen, Err(LookError::Tls(_))), "{seen:?}");
    }
}
