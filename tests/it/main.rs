//! What users run, run: the binary, against a fake API.

mod fake_api;
mod harness;
mod support;
