//! The login of the API, and when a server must have one.

use std::net::SocketAddr;

use secrecy::SecretString;

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
