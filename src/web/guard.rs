//! Access control: requests must name this server in `Host`, must not come from a page of another
//! origin, and need the login.
//!
//! It covers every path, so new routes are protected without more work.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{HOST, HeaderName, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::connection::Peer;
use super::login::{Login, LoginCheck, LoginError, LoginRequired};
use super::security_headers::add_security_headers;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Sent by the server's own pages with every action. Browsers do not let a page of another origin
/// send it.
const PAGE_HEADER: HeaderName = HeaderName::from_static("x-mailrun");

#[derive(Debug)]
pub(crate) struct Guard {
    login: Option<LoginCheck>,
    listening: SocketAddr,
    /// Other host names of this server.
    hosts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    /// `/api/…` and `/v2.1/…`, for programs.
    Api,
    /// `/healthz`, for monitoring.
    Health,
    /// Everything else, for browsers.
    Page,
}

impl Area {
    fn of(uri: &Uri) -> Self {
        match uri.path() {
            "/healthz" => Self::Health,
            path if path.starts_with("/api/") || path.starts_with("/v2.1/") => Self::Api,
            _ => Self::Page,
        }
    }
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Denial {
    #[error(
        "The Host header does not name this server: use localhost, its address or a name in `hosts`"
    )]
    Host,
    #[error("Pages of other origins may not use this server")]
    Origin,
    #[error("Error: App Key is invalid")]
    Login,
    #[error("Too many wrong logins from this address. Try again later")]
    TooManyGuesses,
    #[error("This action needs the header X-Mailrun, or the Origin of this server")]
    Action,
}

impl Guard {
    /// # Errors
    /// There is no login, and other machines can connect.
    pub(crate) fn new(
        login: Option<&Login>,
        listening: SocketAddr,
        hosts: Vec<String>,
    ) -> Result<Self, LoginRequired> {
        LoginRequired::check(login, listening)?;
        Ok(Self {
            login: login.map(LoginCheck::new),
            listening,
            hosts,
        })
    }

    pub(crate) fn login(&self) -> Option<&LoginCheck> {
        self.login.as_ref()
    }

    /// Names of this server, besides `localhost` and its address.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Passes a request on, or answers it with `deny`.
    pub(crate) async fn pass(
        &self,
        request: Request,
        next: Next,
        deny: impl FnOnce(StatusCode, String) -> Response,
    ) -> Response {
        let area = Area::of(request.uri());
        let (head, body) = request.into_parts();
        let mut response = match self.check(&head).await {
            Ok(()) => next.run(Request::from_parts(head, body)).await,
            Err(denial) => denial.response(deny),
        };
        add_security_headers(response.headers_mut(), area == Area::Page);
        response
    }

    async fn check(&self, request: &Parts) -> Result<(), Denial> {
        let (method, headers) = (&request.method, &request.headers);
        // A page whose name was made to resolve to this machine still sends that name (DNS rebinding).
        let host = self.host(request).ok_or(Denial::Host)?;
        if is_cross_origin(method, headers, &host) {
            return Err(Denial::Origin);
        }
        let area = Area::of(&request.uri);
        if let Some(login) = &self.login
            && area != Area::Health
        {
            let peer = request.extensions.get::<Peer>();
            let client = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(peer)| peer.ip());
            login.check(headers, client).await?;
        }
        let is_action = ![Method::GET, Method::HEAD].contains(method);
        if area == Area::Page && is_action && !is_from_own_page(headers) {
            return Err(Denial::Action);
        }
        Ok(())
    }

    /// The host that the request names, if it is this server.
    fn host(&self, request: &Parts) -> Option<Authority> {
        let mut hosts = request.headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return None;
        };
        let host: Authority = host.to_str().ok()?.parse().ok()?;
        // A host in the request line takes precedence over the header (RFC 9112 3.2.2).
        let in_line = request.uri.authority();
        let is_own = self.is_own(&host) && in_line.is_none_or(|host| self.is_own(host));
        is_own.then_some(host)
    }

    fn is_own(&self, authority: &Authority) -> bool {
        let Some(host) = host_without_port(authority.as_str()) else {
            return false;
        };
        let ip = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').and_then(|ip| {
                let ip = ip.parse::<Ipv6Addr>().ok()?;
                Some(IpAddr::V6(ip))
            }),
            None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        if let Some(ip) = ip {
            // An IP address can't be rebound as a name can.
            let own = self.listening.ip();
            return ip.is_loopback() || own.is_unspecified() || ip == own;
        }
        let mut names = std::iter::once("localhost").chain(self.hosts.iter().map(String::as_str));
        names.any(|name| host.eq_ignore_ascii_case(name))
    }
}

/// The host of `HOST` or `HOST:PORT` (RFC 9110 7.2). An IPv6 address keeps its brackets. `http` also accepts
/// ports that are not numbers, and text after the brackets.
fn host_without_port(authority: &str) -> Option<&str> {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match port.strip_prefix(':') {
        Some(port) => is_port(port).then_some(host),
        None => port.is_empty().then_some(host),
    }
}

/// Whether a browser says that a page of another origin sent the request. A link that opens in its own
/// tab is allowed: the page with the link can't read the response.
fn is_cross_origin(method: &Method, headers: &HeaderMap, host: &Authority) -> bool {
    if let Some(origin) = headers.get(ORIGIN) {
        return !is_origin(origin, host);
    }
    match header_text(headers, &SEC_FETCH_SITE) {
        None | Some("same-origin" | "none") => false,
        Some(_) => {
            method != Method::GET
                || header_text(headers, &SEC_FETCH_MODE) != Some("navigate")
                || header_text(headers, &SEC_FETCH_DEST) != Some("document")
        }
    }
}

/// The scheme may differ: a proxy may terminate TLS.
fn is_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

/// Whether the request proves that it comes from this server's page. An `Origin` does: requests with
/// another origin are already denied.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
        || headers.contains_key(PAGE_HEADER)
        || header_text(headers, &SEC_FETCH_SITE) == Some("same-origin")
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl From<LoginError> for Denial {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Invalid => Self::Login,
            LoginError::TooManyGuesses => Self::TooManyGuesses,
        }
    }
}

impl Denial {
    /// A 401 says how to log in (RFC 9110 15.5.2).
    fn response(self, deny: impl FnOnce(StatusCode, String) -> Response) -> Response {
        let status = match self {
            Self::Login => StatusCode::UNAUTHORIZED,
            Self::TooManyGuesses => StatusCode::TOO_MANY_REQUESTS,
            Self::Host | Self::Origin | Self::Action => StatusCode::FORBIDDEN,
        };
        let mut response = deny(status, self.to_string());
        let header = match self {
            Self::Login => Some((
                WWW_AUTHENTICATE,
                "Basic realm=\"mailrun\", charset=\"UTF-8\"",
            )),
            Self::TooManyGuesses => Some((RETRY_AFTER, "10")),
            Self::Host | Self::Origin | Self::Action => None,
        };
        if let Some((name, value)) = header {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use futures_util::FutureExt;

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

    fn check(
        guard: &Guard,
        method: &Method,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Option<Denial> {
        let request = axum::http::Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let checked = guard.check(&head).now_or_never();
        checked.expect("no wait").err()
    }

    fn check_host(host: &str) -> Option<Denial> {
        check(&guard(false), &Method::GET, "/", &[("host", host)])
    }

    #[test]
    fn only_own_host_names_pass() {
        for host in [
            "localhost",
            "LocalHost:8925",
            "127.0.0.1:8925",
            "[::1]:8925",
            "mail.acme.example",
            "MAIL.acme.example:443",
        ] {
            assert_eq!(check_host(host), None, "{host}");
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
            "localhost:abc",
            "localhost:",
            "localhost:+80",
            "localhost:80:80",
            "localhost:123456",
            "[::1]evil",
            "[::1]evil:80",
            "[::1]]",
            "[[::1]]",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[localhost]",
        ] {
            assert_eq!(check_host(host), Some(Denial::Host), "{host}");
        }
    }

    #[test]
    fn two_hosts_are_denied_and_the_request_line_counts() {
        let two = [("host", "localhost"), ("host", "localhost")];
        let guard = guard(false);
        assert_eq!(check(&guard, &Method::GET, "/", &two), Some(Denial::Host));
        assert_eq!(check(&guard, &Method::GET, "/", &[]), Some(Denial::Host));
        let own = [("host", "localhost")];
        let evil = "http://evil.example/";
        assert_eq!(check(&guard, &Method::GET, evil, &own), Some(Denial::Host));
        let same = "http://localhost:8925/";
        assert_eq!(check(&guard, &Method::GET, same, &own), None);
    }

    #[test]
    fn other_origins_are_denied_everywhere() {
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
                    let denial = check(&guard, &method, path, &lines);
                    assert_eq!(denial, Some(Denial::Origin), "{path} {origin}");
                }
            }
            for site in ["cross-site", "same-site", "whatever"] {
                let lines = [host, ("sec-fetch-site", site)];
                let denial = check(&guard, &Method::GET, path, &lines);
                assert_eq!(denial, Some(Denial::Origin), "{path} {site}");
            }
        }
    }

    #[test]
    fn a_link_on_another_page_opens_in_a_tab_but_not_in_a_frame() {
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
            assert_eq!(visit(method, dest), Some(Denial::Origin));
        }
    }

    #[test]
    fn an_action_must_prove_where_it_comes_from() {
        let guard = guard(false);
        let act = |line| {
            let lines = [("host", "localhost:8925"), line];
            check(&guard, &Method::POST, "/messages/1", &lines)
        };
        assert_eq!(act(("accept", "*/*")), Some(Denial::Action));
        assert_eq!(act(("sec-fetch-site", "none")), Some(Denial::Action));
        assert_eq!(act(("sec-fetch-site", "same-origin")), None);
        assert_eq!(act(("x-mailrun", "1")), None);
        assert_eq!(act(("origin", "http://localhost:8925")), None);
        assert_eq!(act(("origin", "https://localhost:8925")), None);
        // Programs send no origin.
        let program = [("host", "localhost")];
        assert_eq!(
            check(&guard, &Method::POST, "/api/sendmail", &program),
            None
        );
    }

    #[test]
    fn everything_but_health_needs_the_login() {
        let guard = guard(true);
        let right = format!("Basic {}", STANDARD.encode("key:secret"));
        let host = ("host", "localhost");
        for path in ["/", "/metrics", "/api/emails"] {
            let denial = check(&guard, &Method::GET, path, &[host]);
            assert_eq!(denial, Some(Denial::Login), "{path}");
            let lines = [host, ("authorization", &*right)];
            assert_eq!(check(&guard, &Method::GET, path, &lines), None, "{path}");
        }
        assert_eq!(check(&guard, &Method::GET, "/healthz", &[host]), None);
    }

    #[test]
    fn a_server_without_a_login_listens_on_loopback_only() {
        for address in ["0.0.0.0:1", "192.168.1.1:1", "[::]:1"] {
            let listening = address.parse().expect("an address");
            let error = Guard::new(None, listening, Vec::new()).expect_err("no login");
            assert!(error.to_string().contains(address));
        }
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            let listening = address.parse().expect("an address");
            assert!(Guard::new(None, listening, Vec::new()).is_ok());
        }
    }
}
