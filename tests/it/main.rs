//! What users run, run: the binary, against a fake API.

mod answers;
mod architecture;
mod campaign;
mod check;
mod cli;
mod contract;
mod docs;
mod dry_run;
mod examples;
mod fake_api;
mod faults;
mod findings;
mod gateway;
mod harness;
mod init;
mod matrix;
mod pace;
mod preview;
mod recipients;
mod recipients_run;
mod render;
mod resume;
mod send;
mod support;
mod unreachable;
