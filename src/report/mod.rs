//! What users see of a run: the results, the summary, the progress. All of it is read from the
//! ledger.

mod events;
mod format;
mod list_export;
mod progress;
mod results;
mod summary;
mod variants;

pub(crate) use events::{write_events, write_recipients, write_recipients_file};
pub(crate) use format::{counted, duration, grouped, is_or_are, plural_s};
pub(crate) use list_export::{LIST_COLUMNS, unescaped, write_list, write_list_file};
pub(crate) use progress::{ProgressStyle, planning, sending};
pub(crate) use results::{ResultsError, ResultsFormat, write_results, write_results_to};
pub(crate) use summary::{SummaryInputs, reasons, summary};
pub(crate) use variants::{held_back, pending_by_variant, variant_line};
