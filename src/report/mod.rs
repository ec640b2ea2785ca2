//! What users see of a run: the results, the summary, the progress. All of it is read from the
//! ledger.

mod format;
mod progress;
mod results;
mod summary;

pub(crate) use format::{counted, duration, grouped, is_or_are, plural_s};
pub(crate) use progress::{ProgressStyle, planning, sending};
pub(crate) use results::{ResultsError, write_results, write_results_to};
pub(crate) use summary::{SummaryInputs, reasons, summary};
