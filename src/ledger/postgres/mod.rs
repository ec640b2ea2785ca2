//! A ledger in PostgreSQL, for several machines that send one run.
//!
//! `add_run` writes a planned run into the database. Each process that sends it is a `Worker`: it leases
//! ranges of rows, tells the database by a heartbeat that it is alive, and shares its limits with the others.
//! What must not be interrupted is done by functions of the database (`migrations/`).

mod columns;
mod commit;
mod connect;
mod database;
mod forget;
mod operations;
mod pace;
mod pace_group;
mod publish;
mod rows;
mod run_state;
mod runs;
mod schema;
mod stored;
mod variants;
mod worker;

pub(crate) use columns::{column, number};
pub(crate) use commit::open_writer;
pub use connect::{ConnectionTask, connect};
pub(crate) use database::{Database, Parameter, wait};
pub(crate) use forget::{add_forget_key, forget_keys, key_for_forgetting};
pub(crate) use pace::reserve_permits;
pub(crate) use pace_group::PostgresPace;
pub(crate) use publish::{NewRun, PlanLock, add_run};
pub(crate) use run_state::FullDay;
pub(crate) use runs::{
    PostgresLedger, RunEntry, SharedPause, WorkerStatus, all_runs, find_run, find_run_by_id_prefix,
    newest_run, real_runs, runs_of,
};
pub use schema::{Migration, check_version, init};
pub(crate) use worker::{HEARTBEAT, News, PostingTime, Worker};
