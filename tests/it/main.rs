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
mod findings;
mod gateway;
mod harness;
mod init;
mod ledgers;
mod pace;
mod preview;
mod recipients;
mod recipients_run;
mod reconcile;
mod render;
mod resume;
mod send;
mod status;
mod support;
mod twice;
