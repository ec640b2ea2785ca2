//! Finds what is wrong with a campaign: the preflight of `send`, and `check`.
//!
//! Rules look at the campaign as it is written; at each *shape* of its messages, once for all rows whose HTML
//! has the same structure, with marks in place of the values; and at every row, which has to be cheap. Each
//! thread gathers totals of its rows for the rules about all of them.

mod checker;
mod checkers;
mod clients;
mod codes;
mod columns;
mod context;
mod families;
mod family;
mod findings;
mod format;
mod locate;
mod net;
mod network;
mod row_pass;
mod rule;
mod rules;
mod settings;
mod sink;

pub use checker::{Checker, CommonFinding, Totals};
pub use checkers::Checkers;
pub use codes::{FindingCode, codes};
pub use context::CheckerInputs;
pub use families::rules;
pub use network::Network;
pub use row_pass::{RowFinding, RowPass, check_rows};
pub use rule::Rule;

pub(crate) use findings::{FindingGroup, Findings, of_read_error, of_row, of_warning};
pub(crate) use format::{Report, github, json, sarif};
pub(crate) use rules::plan::nobody;
pub(crate) use settings::off;
pub(crate) use sink::Off;
