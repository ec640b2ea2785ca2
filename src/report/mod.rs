//! What users see of a run: the results, the summary, the progress, the report. All of it is read from the ledger and the
//! events.

mod brief;
mod events;
mod figures;
mod format;
mod formats;
mod list_export;
mod page;
mod progress;
mod rates;
mod results;
mod statistics;
mod summary;
mod variants;
mod when;

pub(crate) use brief::brief;
pub(crate) use events::{write_events, write_recipients, write_recipients_file};
pub(crate) use figures::{RunFigures, Tracking};
pub(crate) use format::{counted, duration, grouped, is_or_are, plural_s};
pub(crate) use formats::{as_json, write_csv};
pub(crate) use list_export::{LIST_COLUMNS, unescaped, write_list, write_list_file};
pub(crate) use page::{PageError, page};
pub(crate) use progress::{ProgressStyle, planning, sending, waiting};
pub(crate) use rates::Group;
pub(crate) use results::{
    ResultsError, ResultsFormat, write_atomically, write_results, write_results_to,
};
pub(crate) use summary::{SummaryInputs, reasons, rows_of_messages, summary};
pub(crate) use variants::{held_back, pending_by_variant, variant_line};
pub(crate) use when::when;
