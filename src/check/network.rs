//! The connections that `check --net` uses.

use crate::transport::lookup::{Dns, Guard, WebClient};

/// Access to DNS and the web. It connects to public addresses only.
pub struct Network {
    pub(super) dns: Dns,
    pub(super) web: WebClient,
}

impl Network {
    /// Uses the resolvers that this machine is configured for.
    ///
    /// # Errors
    /// If DNS or TLS cannot be set up.
    pub fn system() -> Result<Self, String> {
        let dns = Dns::system().map_err(|error| error.to_string())?;
        let web =
            WebClient::new(dns.clone(), Guard::public()).map_err(|error| error.to_string())?;
        Ok(Self { dns, web })
    }
}
