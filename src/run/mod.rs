//! A run: its folder, its plan, and the frozen copy of its campaign.

mod decision;
mod differing;
mod duplicates;
mod exclusions;
mod folder;
mod forget_key;
mod freeze;
mod lanes;
mod lock;
mod other_runs;
mod plan;

pub(crate) use decision::{Decision, ExclusionReason, LeftOutRow};
pub use differing::DifferingDuplicates;
pub(crate) use exclusions::{Exclusions, identity};
pub(crate) use folder::{Folder, FolderError};
pub(crate) use forget_key::{forget_keys, key_for_forgetting, write_forget_keys};
pub(crate) use freeze::{SCHEDULE, freeze, freeze_schedule};
pub(crate) use lock::{Lock, LockError};
pub(crate) use other_runs::{
    OtherRun, OtherRunError, earlier_runs, later_runs, remove_unplanned_runs,
};
pub(crate) use plan::recipients_file;
pub use plan::{Plan, PlanError, PlanInputs, plan};

use std::sync::atomic::AtomicU64;

/// Progress before the first request.
#[derive(Default)]
pub struct PlanProgress {
    /// Rows planned.
    pub planned: AtomicU64,
    /// Rows rendered by the preflight.
    pub rendered: AtomicU64,
    /// Rows that the preflight has to render; 0 before it begins.
    pub to_render: AtomicU64,
}
