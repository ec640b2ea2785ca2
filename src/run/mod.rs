//! A run: its folder, its plan, and the copy of the campaign that it is frozen to.

mod folder;
mod freeze;
mod left_out;
mod lock;
mod plan;
mod previous;
mod seen;

pub use folder::{Folder, FolderError};
pub use freeze::freeze;
pub use left_out::{LeftOut, Reason, suppression_list};
pub use lock::{Lock, LockError};
pub use plan::{PlanError, PlanInputs, Planned, plan, recipients_file};
pub use previous::{Previous, PreviousError, later, previous, sweep};

use std::sync::atomic::AtomicU64;

/// How far the work before the first request is, for those who watch.
#[derive(Debug, Default)]
pub struct Stages {
    /// The rows planned.
    pub planned: AtomicU64,
    /// The rows rendered by the preflight.
    pub rendered: AtomicU64,
    /// The rows that the preflight has to render; 0 before it begins.
    pub to_render: AtomicU64,
}
