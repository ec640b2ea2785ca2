//! What users run, run: the binary, against a fake API.

mod answers;
mod contract;
mod fake_api;
mod gateway;
mod harness;
mod pace;
mod recipients;
mod resume;
mod send;
mod support;
