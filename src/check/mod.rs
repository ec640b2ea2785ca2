//! What is wrong with a campaign, gathered and grouped: the preflight of `send`, and `check`.
//!
//! Rules look at three things: the campaign as it is written; each *shape* of its messages, once for
//! all rows whose HTML is built alike, with marks for the rows' own values; and every row, with its
//! own values, cheaply. What they know of all rows together is in a tally, one a thread.

mod clients;
mod codes;
mod colour;
mod facts;
mod findings;
mod format;
mod lint;
mod locate;
mod net;
mod out;
mod page;
mod pass;
mod rule;
mod rules;
mod seen;
mod settings;
mod sources;
mod style;

pub use codes::{Code, codes};
pub use findings::{Findings, Group, of_read_error, of_row, of_warning};
pub use format::{Report, github, json, sarif};
pub use lint::{Common, Gathered, Inputs, Lint};
pub use net::Network;
pub use pass::{Pass, RowFinding, pass};
pub use rule::Rule;
pub use rules::{all as rules, nobody};
pub use settings::{Off, off};
