//! Who may ask: the `Host` that is meant, no page of another origin, and the login.
//!
//! Everything passes here, whatever its path: a route that is added is guarded.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// What the server's own page sends with its actions. A page of another origin can't, without
/// being let first.
const OWN_HEADER: HeaderName = HeaderName::from_static("x-mailrun");

/// What a page may load when its own answer does not say: nothing but the server's own files.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'self'";

/// A login of the API (HTTP Basic).
#[derive(Debug)]
pub struct Login {
    /// The App Key: the user.
    pub app_key: String,
    /// The Secret Key: the password.
    pub secret_key: SecretString,
}

/// The server would be open to everybody.
#[derive(Debug, thiserror::Error)]
#[error("{0} can be reached from other machines, and there is no login")]
pub struct Open(SocketAddr);

impl Open {
    /// Looks whether others than this machine could connect, and need no login.
    ///
    /// # Errors
    /// If it is so.
    pub fn check(login: Option<&Login>, listening: SocketAddr) -> Result<(), Self> {
        if login.is_none() && !listening.ip().is_loopback() {
            return Err(Self(listening));
        }
        Ok(())
    }
}

/// Lets requests pass, or says why not.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The digest of the login; without it any passes, and none as well.
    login: Option<[u8; 32]>,
    listening: SocketAddr,
    hosts: Vec<String>,
}

/// What a request's path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Below `/api/`: for programs.
    Api,
    /// `/healthz`: for whoever watches over it.
    Health,
    /// All else: for people.
    Page,
}

impl Area {
    fn of(uri: &Uri) -> Self {
        match uri.path() {
            "/healthz" => Self::Health,
            path if path.starts_with("/api/") => Self::Api,
            _ => Self::Page,
        }
    }
}

/// The head of a request, as far as it matters here.
#[derive(Clone, Copy)]
struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Stop {
    #[error(
        "The Host header is not this server's: use localhost, its address or a name in `hosts`"
    )]
    Host,
    #[error("A page of another origin may not ask this server")]
    Origin,
    #[error("Error: App Key is invalid")]
    Login,
    #[error("An action needs the header X-Mailrun, or an Origin that is this server's")]
    Action,
}

impl Guard {
    /// A guard of what listens on `listening`, under the names `hosts` as well.
    ///
    /// # Errors
    /// Without a login, when others than this machine could connect.
    pub(crate) fn new(
        login: Option<&Login>,
        listening: SocketAddr,
        hosts: Vec<String>,
    ) -> Result<Self, Open> {
        Open::check(login, listening)?;
        let login = login.map(|login| {
            digest(format!("{}:{}", login.app_key, login.secret_key.expose_secret()).as_bytes())
        });
        Ok(Self {
            login,
            listening,
            hosts,
        })
    }

    /// Has a request answered, or has `refuse` make the answer of a status and of words for people.
    pub(crate) async fn pass(
        &self,
        request: Request,
        next: Next,
        refuse: impl FnOnce(StatusCode, String) -> Response,
    ) -> Response {
        let uri = request.uri().clone();
        let checked = self.check(Head {
            method: request.method(),
            uri: &uri,
            headers: request.headers(),
        });
        let mut response = match checked {
            Ok(()) => next.run(request).await,
            Err(stop) => stop.answer(refuse),
        };
        secure(&uri, response.headers_mut());
        response
    }

    /// Lets a request pass, or says why not.
    fn check(&self, head: Head<'_>) -> Result<(), Stop> {
        // A page in a browser whose name now leads here has another name in its Host.
        let host = self.meant(head).ok_or(Stop::Host)?;
        if is_of_another_origin(head, &host) {
            return Err(Stop::Origin);
        }
        let area = Area::of(head.uri);
        if area != Area::Health && !self.is_known(head.headers) {
            return Err(Stop::Login);
        }
        if area == Area::Page && !is_safe(head.method) && !is_of_own_page(head.headers) {
            return Err(Stop::Action);
        }
        Ok(())
    }

    /// The host that is asked, if it is this server.
    fn meant(&self, head: Head<'_>) -> Option<Authority> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return None;
        };
        let host: Authority = host.to_str().ok()?.parse().ok()?;
        // What stands in the first line in place of a path counts before the header.
        let asked = head.uri.authority();
        let is_own = self.is_own(&host) && asked.is_none_or(|asked| self.is_own(asked));
        is_own.then_some(host)
    }

    fn is_own(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = literal.parse::<IpAddr>() {
            // Nobody can have a name lead elsewhere that is an address.
            let here = self.listening.ip();
            return ip.is_loopback() || here.is_unspecified() || ip == here;
        }
        host.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|name| host.eq_ignore_ascii_case(name))
    }

    /// HTTP Basic (RFC 7617). Digests are compared, so that the time says nothing of the lengths either.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(login) = &self.login else {
            return true;
        };
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| basic(value.as_bytes()));
        given.is_some_and(|given| digest(&given).ct_eq(login).into())
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The user and the password of an `Authorization` header, with the colon between them.
fn basic(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    STANDARD.decode(credentials.trim_ascii()).ok()
}

/// Whether a browser says that a page asks which is not the server's own. To follow a link to here, in
/// a tab of its own, is no asking: who made the link sees nothing of it.
fn is_of_another_origin(head: Head<'_>, host: &Authority) -> bool {
    if let Some(origin) = head.headers.get(ORIGIN) {
        return !is_origin(origin, host);
    }
    match text(head.headers, &SEC_FETCH_SITE) {
        None | Some("same-origin" | "none") => false,
        Some(_) => !is_visit(head),
    }
}

/// Whether it is a page's opening in a tab.
fn is_visit(head: Head<'_>) -> bool {
    head.method == Method::GET
        && text(head.headers, &SEC_FETCH_MODE) == Some("navigate")
        && text(head.headers, &SEC_FETCH_DEST) == Some("document")
}

/// Whether `origin` is that of `host`. Which scheme is not compared: TLS may end before the server.
fn is_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Whether it is shown that no other page asks. An `Origin` that is here is the server's own: another
/// has been refused.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
        || headers.contains_key(OWN_HEADER)
        || text(headers, &SEC_FETCH_SITE) == Some("same-origin")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl Stop {
    /// What is said to who asked. With a 401 goes the way to log in (RFC 9110 15.5.2).
    fn answer(self, refuse: impl FnOnce(StatusCode, String) -> Response) -> Response {
        let status = match self {
            Self::Login => StatusCode::UNAUTHORIZED,
            Self::Host | Self::Origin | Self::Action => StatusCode::FORBIDDEN,
        };
        let mut response = refuse(status, self.to_string());
        if self == Self::Login {
            let basic = HeaderValue::from_static("Basic realm=\"mailrun\", charset=\"UTF-8\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// Sets on the answer to a request for `uri` what keeps a browser from using it elsewhere; what the
/// answer says itself stays.
fn secure(uri: &Uri, headers: &mut HeaderMap) {
    const ALL: [(HeaderName, &str); 3] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    const OF_PAGES: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    let of_pages = match Area::of(uri) {
        Area::Page => &OF_PAGES[..],
        Area::Api | Area::Health => &[],
    };
    for (name, value) in ALL.iter().chain(of_pages) {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(login: bool) -> Guard {
        let login = login.then(|| Login {
            app_key: "key".to_owned(),
            secret_key: "secret".into(),
        });
        let listening = "127.0.0.1:8925".parse().expect("an address");
        let hosts = vec!["mail.acme.example".to_owned()];
        Guard::new(login.as_ref(), listening, hosts).expect("a guard")
    }

    /// What becomes of a request with these headers.
    fn check(guard: &Guard, method: &Method, uri: &str, lines: &[(&str, &str)]) -> Option<Stop> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        let uri = uri.parse().expect("a URI");
        let head = Head {
            method,
            uri: &uri,
            headers: &headers,
        };
        guard.check(head).err()
    }

    fn of_host(host: &str) -> Option<Stop> {
        check(&guard(false), &Method::GET, "/", &[("host", host)])
    }

    #[test]
    fn only_its_own_names_pass() {
        for host in [
            "localhost",
            "LocalHost:8925",
            "127.0.0.1:8925",
            "[::1]:8925",
            "mail.acme.example",
            "MAIL.acme.example:443",
        ] {
            assert_eq!(of_host(host), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "mail.acme.example.evil.example",
            "localhost.",
            "evil.example@localhost",
            "192.168.1.1",
            "0.0.0.0:8925",
            "[::]:8925",
            "2130706433",
            "127.1",
        ] {
            assert_eq!(of_host(host), Some(Stop::Host), "{host}");
        }
    }

    #[test]
    fn two_hosts_are_none_and_the_first_line_counts() {
        let two = [("host", "localhost"), ("host", "localhost")];
        let guard = guard(false);
        assert_eq!(check(&guard, &Method::GET, "/", &two), Some(Stop::Host));
        assert_eq!(check(&guard, &Method::GET, "/", &[]), Some(Stop::Host));
        let own = [("host", "localhost")];
        let evil = "http://evil.example/";
        assert_eq!(check(&guard, &Method::GET, evil, &own), Some(Stop::Host));
        let same = "http://localhost:8925/";
        assert_eq!(check(&guard, &Method::GET, same, &own), None);
    }

    #[test]
    fn other_origins_are_refused_everywhere() {
        let guard = guard(false);
        let host = ("host", "localhost:8925");
        for path in ["/", "/api/sendmail", "/api/emails", "/healthz", "/metrics"] {
            for origin in [
                "null",
                "",
                "http://evil.example",
                "http://localhost",
                "http://localhost:3000",
                "http://localhost:89250",
                "http://evil.example/http://localhost:8925",
                "ftp://localhost:8925",
            ] {
                for method in [Method::GET, Method::POST] {
                    let lines = [host, ("origin", origin)];
                    let stop = check(&guard, &method, path, &lines);
                    assert_eq!(stop, Some(Stop::Origin), "{path} {origin}");
                }
            }
            for site in ["cross-site", "same-site", "whatever"] {
                let lines = [host, ("sec-fetch-site", site)];
                let stop = check(&guard, &Method::GET, path, &lines);
                assert_eq!(stop, Some(Stop::Origin), "{path} {site}");
            }
        }
    }

    #[test]
    fn a_link_from_elsewhere_opens_in_a_tab_but_in_no_frame() {
        let guard = guard(false);
        let visit = |method, dest| {
            let lines = [
                ("host", "localhost:8925"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", dest),
            ];
            check(&guard, &method, "/", &lines)
        };
        assert_eq!(visit(Method::GET, "document"), None);
        for (method, dest) in [
            (Method::GET, "iframe"),
            (Method::GET, "script"),
            (Method::POST, "document"),
        ] {
            assert_eq!(visit(method, dest), Some(Stop::Origin));
        }
    }

    #[test]
    fn an_action_of_a_page_shows_where_it_comes_from() {
        let guard = guard(false);
        let act = |line| {
            let lines = [("host", "localhost:8925"), line];
            check(&guard, &Method::POST, "/messages/1", &lines)
        };
        assert_eq!(act(("accept", "*/*")), Some(Stop::Action));
        assert_eq!(act(("sec-fetch-site", "none")), Some(Stop::Action));
        assert_eq!(act(("sec-fetch-site", "same-origin")), None);
        assert_eq!(act(("x-mailrun", "1")), None);
        assert_eq!(act(("origin", "http://localhost:8925")), None);
        assert_eq!(act(("origin", "https://localhost:8925")), None);
        // A program has no origin.
        let program = [("host", "localhost")];
        assert_eq!(
            check(&guard, &Method::POST, "/api/sendmail", &program),
            None
        );
    }

    #[test]
    fn the_login_is_asked_for_everywhere_but_in_health() {
        let guard = guard(true);
        let right = format!("Basic {}", STANDARD.encode("key:secret"));
        let host = ("host", "localhost");
        for path in ["/", "/metrics", "/api/emails"] {
            let stop = check(&guard, &Method::GET, path, &[host]);
            assert_eq!(stop, Some(Stop::Login), "{path}");
            let lines = [host, ("authorization", &*right)];
            assert_eq!(check(&guard, &Method::GET, path, &lines), None, "{path}");
        }
        assert_eq!(check(&guard, &Method::GET, "/healthz", &[host]), None);
    }

    #[test]
    fn nothing_is_open_beyond_this_machine() {
        for address in ["0.0.0.0:1", "192.168.1.1:1", "[::]:1"] {
            let listening = address.parse().expect("an address");
            let open = Guard::new(None, listening, Vec::new()).expect_err("it would be open");
            assert!(open.to_string().contains(address));
        }
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            let listening = address.parse().expect("an address");
            assert!(Guard::new(None, listening, Vec::new()).is_ok());
        }
    }
}
