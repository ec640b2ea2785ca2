//! What users run, run: the binary, against a fake API.

mod contract;
mod gateway;
mod recipients;
