//! What users run, run: the binary, against a fake API.

mod contract;
mod docs;
mod fake_api;
mod gateway;
mod harness;
mod recipients;
mod support;
