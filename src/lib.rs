//! mailrun sends a campaign: a folder with a TOML file, a list of recipients and Tera templates.
//!
//! ```text
//! campaign.toml ─► Campaign ─┐
//! recipients.csv ─► plan ────┴─► ledger ─► render ─► pace ─► transport ═POST═► API (vendor's, or the gateway)
//!                                  ▲                              │
//!                                  └────────── outcome ◄──────────┘
//!                                ledger ─► results.csv, status, report
//! ```
//!
//! Data flows one way. `plan` reads the recipients once, strictly, and freezes the campaign in the run
//! folder; after that, a run does not read its original files again. `gateway` and `delivery` meet only
//! on the wire.

pub mod address;
pub mod api;
pub mod campaign;
pub mod check;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod delivery;
pub mod durable;
pub mod exit_code;
mod feedback;
mod file_name;
pub mod finding;
pub mod frame;
pub mod gateway;
mod html;
mod language;
pub mod ledger;
pub mod ledger_url;
pub mod list_name;
pub mod message;
pub mod outcome;
pub mod pace;
mod pace_group;
mod preview;
pub mod recipients;
mod regular_file;
pub mod render;
pub mod report;
pub mod run;
mod schedule;
mod smtp;
pub mod source;
pub mod spill;
pub mod suppression;
mod terminal_text;
mod text_encoding;
pub mod transport;
pub mod unsubscribe;
mod web;
