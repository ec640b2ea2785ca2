//! Rate limits and back-off. No I/O: the time of day and the random number are passed in, and
//! spaced limits run on tokio's clock, which tests can pause.

mod backoff;
mod daily;
mod group;
mod lane_numbers;
mod limits;
mod rate;
mod shared;
mod spaced;

pub(crate) use backoff::backoff;
#[cfg(test)]
pub(crate) use group::GroupPermits;
pub(crate) use group::{BothLimits, GroupAnswer, GroupDay, GroupLimit, GroupPosted, GroupRequest};
pub(crate) use lane_numbers::LaneNumbers;
pub(crate) use limits::{RateLimit, RateLimits, Turn, batch_size};
pub use rate::{Period, Rate, RateError};
pub(crate) use shared::{Grant, PermitRequest, Reservation, SharedLimit};
pub(crate) use spaced::SpacedLimit;
