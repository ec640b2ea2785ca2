//! How fast, and how soon again: pure, the time and the chance are passed in.

mod backoff;
mod day;
mod limits;
mod rate;
mod spaced;

pub use backoff::backoff;
pub use limits::{Now, Pace, Turn, batch_size};
pub use rate::{Per, Rate, RateError};
pub use spaced::Spaced;
