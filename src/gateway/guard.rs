//! Who may ask: the `Host` that is meant, and the login.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::answers::Refusal;

/// A login of the API (HTTP Basic).
pub struct Login {
    /// The App Key: the user.
    pub app_key: String,
    /// The Secret Key: the password.
    pub secret_key: SecretString,
}

/// The login that the gateway takes, and what it is called.
pub(super) struct Guard {
    /// Without one, any or none is taken.
    pub(super) login: Option<Login>,
    /// The address that it listens on.
    pub(super) listening: SocketAddr,
    /// Its names, beside `localhost` and its address.
    pub(super) hosts: Vec<String>,
}

impl Guard {
    /// Lets a request pass, or says why not.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.is_meant(headers) {
            // A page in a browser whose name now leads here has another name in its Host.
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "The Host header is not this gateway's: use localhost or its address",
            ));
        }
        if !self.is_known(headers) {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "Error: App Key is invalid",
            ));
        }
        Ok(())
    }

    fn is_meant(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
            return false;
        };
        let host = authority.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(ip) => {
                let here = self.listening.ip();
                ip.is_loopback() || here.is_unspecified() || ip == here
            }
            Err(_) => {
                let own = self.hosts.iter().map(String::as_str);
                own.chain(["localhost"])
                    .any(|name| host.eq_ignore_ascii_case(name))
            }
        }
    }

    /// HTTP Basic (RFC 7617), compared in constant time.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(login) = &self.login else {
            return true;
        };
        let Some(given) = headers
            .get(AUTHORIZATION)
            .and_then(|value| basic(value.as_bytes()))
        else {
            return false;
        };
        let expected = format!("{}:{}", login.app_key, login.secret_key.expose_secret());
        given.ct_eq(expected.as_bytes()).into()
    }
}

/// The user and the password of an `Authorization` header, with the colon between them.
fn basic(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    STANDARD.decode(credentials.trim_ascii()).ok()
}
