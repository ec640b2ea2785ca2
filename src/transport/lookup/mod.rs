//! Looking at what messages lead to: names by DNS, pages and images by HTTP, without ever connecting to
//! what is not public.

mod dns;
mod guard;
mod web;

pub use dns::{Dns, DnsError};
pub use guard::Guard;
pub use web::{LookError, Seen, Web};

#[cfg(test)]
pub(crate) mod fake;
