//! What is told of a run: the results, the summary, the progress. All of it is read from the ledger.

mod face;
mod progress;
mod results;
mod summary;

pub use face::{Face, are, counted, duration, grouped, printable, printable_line, s};
pub use progress::{Progress, planning, sending};
pub use results::{ResultsError, write_results, write_results_to};
pub use summary::{Summary, reasons, summary};
