//! What is wrong with a campaign, gathered and grouped: the preflight of `send`, and `check`.

mod findings;

pub use findings::{Findings, Group, of_read_error, of_row, of_warning};
