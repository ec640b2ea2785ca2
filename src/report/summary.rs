//! The summary at the end of a run: how many rows have which status, why, and what to do next.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::format::{counted, grouped, is_or_are, plural_s};
use crate::delivery::Ending;
use crate::ledger::{
    InvalidRows, Ledger, LedgerError, Run, Status, StatusCounts, StatusReason, Target,
};
use crate::terminal_text::{printable, printable_line};

/// How many reasons are shown.
const MAX_REASONS: u32 = 12;
/// How many rows of each code are named.
const MAX_NUMBERS: usize = 5;

pub(crate) struct SummaryInputs<'a> {
    pub(crate) run: &'a Run,
    /// What commands call the run.
    pub(crate) name: &'a str,
    /// The file with the results, if it was written.
    pub(crate) results: Option<&'a Path>,
    /// The messages of a local run.
    pub(crate) outbox: Option<&'a Path>,
    pub(crate) ending: &'a Ending,
    pub(crate) can_reconcile: bool,
    /// How many other processes send the run.
    pub(crate) others: usize,
}

pub(crate) struct Summary<'a> {
    inputs: &'a SummaryInputs<'a>,
    pub(crate) counts: StatusCounts,
    /// The rows in the messages of others.
    members: StatusCounts,
    reasons: Vec<StatusReason>,
    invalid: Vec<InvalidRows>,
    /// How many of the pending rows are held back.
    held_back: u64,
}

/// # Errors
/// The ledger can't be read.
pub(crate) fn summary<'a>(
    ledger: &dyn Ledger,
    inputs: &'a SummaryInputs<'a>,
) -> Result<Summary<'a>, LedgerError> {
    let counts = ledger.counts()?;
    Ok(Summary {
        inputs,
        counts: match inputs.others {
            0 => counts.without_holder(),
            _ => counts,
        },
        members: match inputs.others {
            0 => ledger.members()?.without_holder(),
            _ => ledger.members()?,
        },
        reasons: reasons(ledger)?,
        invalid: ledger.invalid_by_code(MAX_NUMBERS)?,
        held_back: ledger.held_back()?,
    })
}

/// The most frequent reasons of rows that were not accepted.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn reasons(ledger: &dyn Ledger) -> Result<Vec<StatusReason>, LedgerError> {
    ledger.reasons(MAX_REASONS)
}

/// The rows of a code: `2 link-empty (rows 4, 9)`.
fn by_code(invalid: &InvalidRows) -> String {
    let rows: Vec<_> = invalid.first.iter().map(ToString::to_string).collect();
    let more = if invalid.count > rows.len() as u64 {
        " …"
    } else {
        ""
    };
    format!(
        "{} {} (row{} {}{more})",
        grouped(invalid.count),
        printable_line(&invalid.code),
        plural_s(invalid.count),
        rows.join(", ")
    )
}

/// How many rows are in these messages, if these are more: ` (5 rows)`.
pub(crate) fn rows_of_messages(messages: u64, members: u64) -> String {
    match members {
        0 => String::new(),
        members => format!(" ({})", counted(messages + members, "row")),
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        match self.inputs.ending {
            Ending::Done | Ending::Closed => {}
            Ending::Interrupted => writeln!(text, "Interrupted. Nothing is lost.")?,
            Ending::Stopped(reason) => writeln!(text, "Stopped: {}", printable(reason))?,
        }
        for status in Status::ALL
            .into_iter()
            .filter(|status| self.counts.of(*status) > 0)
        {
            write!(text, "{:>12}  {status}", grouped(self.counts.of(status)))?;
            text.push_str(&rows_of_messages(
                self.counts.of(status),
                self.members.of(status),
            ));
            if status == Status::Invalid && !self.invalid.is_empty() {
                let codes: Vec<_> = self.invalid.iter().map(by_code).collect();
                write!(text, ": {}", codes.join(", "))?;
            }
            if status == Status::Pending && self.held_back > 0 {
                let held_back = grouped(self.held_back);
                write!(text, ": {held_back} held back until a variant is chosen")?;
            }
            writeln!(text)?;
            let of_status = |reason: &&StatusReason| reason.status == status;
            for reason in self.reasons.iter().filter(of_status) {
                if !reason.error.is_empty() {
                    let (rows, error) = (grouped(reason.rows), printable_line(&reason.error));
                    writeln!(text, "{:>14}{rows:>7}  {error}", "")?;
                }
            }
        }
        let rows = self.counts.total() + self.members.total();
        let (total, s) = (grouped(rows), plural_s(rows));
        writeln!(text, "{total:>12}  row{s} in all")?;
        if self.inputs.run.blank_rows > 0 {
            let blank = self.inputs.run.blank_rows;
            let (rows, s) = (grouped(blank), plural_s(blank));
            writeln!(text, "{rows:>12}  blank row{s} ignored")?;
        }
        text.push('\n');
        if let Some(results) = self.inputs.results {
            writeln!(text, "results: {}", results.display())?;
        }
        if let Some(outbox) = self.inputs.outbox {
            writeln!(text, "outbox:  {}", outbox.display())?;
        }
        if self.inputs.others > 0 {
            let others = self.inputs.others as u64;
            let (workers, are) = (counted(others, "other worker"), is_or_are(others));
            writeln!(text, "{workers} {are} still sending this run")?;
        }
        for next in self.next() {
            writeln!(text, "next:    {next}")?;
        }
        f.write_str(&text)
    }
}

impl Summary<'_> {
    /// The commands to run next, each with its purpose.
    fn next(&self) -> Vec<String> {
        let some = |status| self.counts.of(status) > 0;
        let folder = self.inputs.name;
        let mut next = Vec::new();
        let mut add = |command: String| next.push(command);
        if self.inputs.results.is_none() {
            add(format!(
                "mailrun results {folder} --out FILE   # writes the results"
            ));
        }
        let pending = self.counts.of(Status::Pending) - self.held_back;
        match (pending, self.held_back) {
            (0, _) => {}
            (_, 0) => add(format!(
                "mailrun resume {folder}   # sends the pending rows"
            )),
            _ => add(format!(
                "mailrun resume {folder} --variant-sample   # sends the pending rows of the sample"
            )),
        }
        if self.held_back > 0 {
            let variants = self.inputs.run.variants.join(", ");
            add(format!(
                "mailrun resume {folder} --variant NAME   # sends one variant to the rows that are held back: {variants}"
            ));
        }
        if some(Status::Unknown) {
            if self.inputs.can_reconcile && self.inputs.run.target != Target::Local {
                add(format!(
                    "mailrun resolve {folder} --how reconcile   # asks the API about the unknown rows"
                ));
            }
            add(format!(
                "mailrun resolve {folder} --how accepted|resend   # resolves the unknown rows"
            ));
        }
        if some(Status::Invalid) {
            let campaign = self.inputs.run.campaign.display();
            add(format!(
                "mailrun check {campaign}   # explains the invalid rows"
            ));
        }
        if some(Status::Failed) {
            add(format!(
                "mailrun retry {folder}   # tries the failed rows again"
            ));
        }
        if some(Status::Rejected) {
            add(format!(
                "mailrun retry {folder} --rejected   # posts the rejected rows again, one by one"
            ));
        }
        next
    }
}
