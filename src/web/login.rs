//! The login of the API: when a server must have one, and whether a request has it.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep_until};

use super::login_guesses::LoginGuesses;

/// The App Key of the API v2.1, which has the Secret Key as `Authorization`, without a scheme.
const APPLICATION_KEY: HeaderName = HeaderName::from_static("application-key");

/// A login for HTTP Basic authentication.
#[derive(Debug)]
pub struct Login {
    /// The user name.
    pub app_key: String,
    /// The password.
    pub secret_key: SecretString,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} can be reached from other machines, but there is no login")]
pub struct LoginRequired(SocketAddr);

impl LoginRequired {
    /// # Errors
    /// There is no login, and other machines can connect.
    pub fn check(login: Option<&Login>, listening: SocketAddr) -> Result<(), Self> {
        if login.is_none() && !listening.ip().is_loopback() {
            return Err(Self(listening));
        }
        Ok(())
    }
}

/// Checks the login of requests.
#[derive(Debug)]
pub(crate) struct LoginCheck {
    app_key: String,
    digest: [u8; 32],
    guesses: LoginGuesses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginError {
    /// Missing or wrong.
    Invalid,
    /// Too many requests of this client wait until their login is checked.
    TooManyGuesses,
}

impl LoginCheck {
    pub(crate) fn new(login: &Login) -> Self {
        let keys = format!("{}:{}", login.app_key, login.secret_key.expose_secret());
        Self {
            app_key: login.app_key.clone(),
            digest: digest(keys.as_bytes()),
            guesses: LoginGuesses::default(),
        }
    }

    pub(crate) fn app_key(&self) -> &str {
        &self.app_key
    }

    /// HTTP Basic (RFC 7617), or the two headers of the API v2.1.
    pub(crate) async fn check(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Result<(), LoginError> {
        let credentials = credentials(headers).ok_or(LoginError::Invalid)?;
        self.check_credentials(&credentials, client).await
    }

    /// Checks `APP_KEY:SECRET_KEY`. After wrong logins, the next ones of the same client wait, whether they
    /// are right or wrong.
    pub(crate) async fn check_credentials(
        &self,
        credentials: &[u8],
        client: IpAddr,
    ) -> Result<(), LoginError> {
        let now = Instant::now();
        let turn = self.guesses.turn(client, now);
        let turn = turn.ok_or(LoginError::TooManyGuesses)?;
        if turn > now {
            sleep_until(turn).await;
        }
        // Comparing digests hides the lengths of the secrets from timing.
        let is_right = digest(credentials).ct_eq(&self.digest).into();
        self.guesses.record(client, is_right, Instant::now());
        if is_right {
            Ok(())
        } else {
            Err(LoginError::Invalid)
        }
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The keys of a request, as `APP_KEY:SECRET_KEY`.
fn credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let authorization = headers.get(AUTHORIZATION)?.as_bytes();
    match headers.get(APPLICATION_KEY) {
        Some(app_key) => Some([app_key.as_bytes(), b":", authorization].concat()),
        None => basic_credentials(authorization),
    }
}

/// The `user:password` of an `Authorization` header.
fn basic_credentials(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    STANDARD.decode(credentials.trim_ascii()).ok()
}
