//! Looks up the domains, links and images of messages, by DNS and HTTP, and connects to public addresses
//! only.

mod dns;
mod error;
mod guard;
mod web;

pub(crate) use dns::{Dns, DnsError};
pub(crate) use error::LookupError;
pub(crate) use guard::Guard;
pub(crate) use web::{Resource, WebClient};

#[cfg(test)]
pub(crate) mod fake;
