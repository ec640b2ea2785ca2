//! The URL of an SMTP server: `smtp://HOST`, `smtps://USER@HOST:PORT`.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// What the URL of a server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// A host name in ASCII, or an IP address.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// `smtps:`
    pub(crate) implicit_tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) has_password: bool,
}

/// What is wrong with a URL, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrlError {
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

const HELP: &str = "write smtp://HOST, smtp://HOST:PORT or smtps://HOST";

impl ServerUrl {
    /// # Errors
    /// If it is not such a URL.
    pub(crate) fn parse(text: &str) -> Result<Self, ServerUrlError> {
        let error = |message: String, help| Err(ServerUrlError { message, help });
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(invalid) => return error(format!("invalid URL: {invalid}"), HELP),
        };
        let implicit_tls = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            other => {
                return error(
                    format!("`{other}:` is not supported"),
                    "use smtp: or smtps:",
                );
            }
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return error(
                "the URL continues after the host and the port".to_owned(),
                HELP,
            );
        }
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) if host.to_string().is_ascii() && !host.to_string().contains('%') => {
                // Hosts of unknown schemes are opaque: an IP address is not recognized as one.
                host.to_string()
            }
            _ => {
                let help = "write the server's host name in ASCII, or its IP address";
                return error("the URL has no valid host".to_owned(), help);
            }
        };
        let username = percent_decode_str(url.username()).decode_utf8_lossy();
        Ok(Self {
            host,
            port: url.port(),
            implicit_tls,
            has_password: url.password().is_some(),
            username: (!username.is_empty()).then(|| username.into_owned()),
        })
    }

    /// Whether the host is this machine, without asking DNS.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether a text can be the name that a client sends with EHLO.
pub(crate) fn is_hello_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_allowed)
}

/// Whether a host is this machine, without asking DNS.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}
