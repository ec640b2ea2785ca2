//! DNS lookups with the system's resolver configuration.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};

const TIMEOUT: Duration = Duration::from_secs(3);
const RETRIES: usize = 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DnsError {
    #[error("the name does not exist in DNS")]
    NoName,
    /// The name exists, but has no record of this type.
    #[error("DNS has no such record for it")]
    NoRecord,
    #[error("DNS did not answer: {0}")]
    Unanswered(String),
}

impl From<NetError> for DnsError {
    fn from(error: NetError) -> Self {
        if error.is_nx_domain() {
            Self::NoName
        } else if error.is_no_records_found() {
            Self::NoRecord
        } else {
            Self::Unanswered(error.to_string())
        }
    }
}

#[derive(Clone)]
pub(crate) struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// Uses the system's DNS servers.
    ///
    /// # Errors
    /// If the system's configuration cannot be read.
    pub(crate) fn system() -> Result<Self, DnsError> {
        let mut builder = TokioResolver::builder_tokio()?;
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = RETRIES;
        let resolver = builder.build()?;
        Ok(Self { resolver })
    }

    #[cfg(test)]
    pub(crate) fn with_resolver(resolver: TokioResolver) -> Self {
        Self { resolver }
    }

    /// The IP addresses of a host.
    ///
    /// # Errors
    /// If there are none, or DNS does not answer.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let lookup = self.resolver.lookup_ip(name(host)?).await?;
        Ok(lookup.iter().collect())
    }

    /// The TXT records of a name, each with its strings joined.
    ///
    /// # Errors
    /// If there are none, or DNS does not answer.
    pub(crate) async fn texts(&self, host: &str) -> Result<Vec<String>, DnsError> {
        let lookup = self.resolver.txt_lookup(name(host)?).await?;
        let texts = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => {
                    Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
                }
                _ => None,
            });
        Ok(texts.collect())
    }
}

/// A fully qualified name, so that the resolver appends no search domain.
fn name(host: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_str(host).map_err(|_| DnsError::NoName)?;
    name.set_fqdn(true);
    Ok(name)
}
