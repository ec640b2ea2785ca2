//! Names, asked for at the system's DNS servers.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};

/// The longest that a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often a question is asked again.
const AGAIN: usize = 1;

/// Why there is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist.
    #[error("DNS knows no such name")]
    NoName,
    /// The name exists, and has no such record.
    #[error("DNS has no such record of it")]
    NoRecord,
    /// There was no answer.
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

/// The DNS.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// The DNS as the system is set up for it.
    ///
    /// # Errors
    /// When it is not.
    pub fn system() -> Result<Self, DnsError> {
        let mut builder = TokioResolver::builder_tokio()?;
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = AGAIN;
        let resolver = builder.build()?;
        Ok(Self { resolver })
    }

    /// The DNS that a test has put up.
    #[cfg(test)]
    pub(crate) fn of(resolver: TokioResolver) -> Self {
        Self { resolver }
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// When it has none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let found = self.resolver.lookup_ip(name(host)?).await?;
        Ok(found.iter().collect())
    }

    /// The texts of a name, each put together of its strings.
    ///
    /// # Errors
    /// When it has none.
    pub async fn texts(&self, host: &str) -> Result<Vec<String>, DnsError> {
        let found = self.resolver.txt_lookup(name(host)?).await?;
        let texts = found
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

/// A whole name: no domain of the system's is put behind it.
fn name(host: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_str(host).map_err(|_| DnsError::NoName)?;
    name.set_fqdn(true);
    Ok(name)
}
