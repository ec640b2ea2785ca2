//! The connections that `check --net` uses.

use crate::transport::lookup::{Dns, Guard, Web};

/// DNS and the web. It connects to public addresses only.
pub struct Network {
    pub(super) dns: Dns,
    pub(super) web: Web,
}

impl Network {
    /// Uses the resolvers that this machine is configured for.
    ///
    /// # Errors
    /// Why the configuration can't be used.
    pub fn system() -> Result<Self, String> {
        let dns = Dns::system().map_err(|error| error.to_string())?;
        let web = Web::new(dns.clone(), Guard::public()).map_err(|error| error.to_string())?;
        Ok(Self { dns, web })
    }
}
