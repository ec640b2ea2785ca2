//! The last word on a run: how many rows have which status, why, and what to do next.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::face::{grouped, printable, printable_line, s};
use crate::api::Dialect;
use crate::delivery::Ending;
use crate::ledger::{Counts, InvalidRows, Ledger, LedgerError, Run, Status, Target};

/// How many reasons are shown.
const REASONS: u32 = 12;
/// How many rows of a code are named.
const NAMED: usize = 5;

/// What a summary is about.
pub struct Summary<'a> {
    /// What the ledger says of the run.
    pub run: &'a Run,
    /// The counts.
    pub counts: Counts,
    /// The reasons.
    pub reasons: Vec<(Status, String, String, u64)>,
    /// The invalid rows by their codes.
    pub invalid: Vec<InvalidRows>,
    /// The run's folder.
    pub folder: &'a Path,
    /// How it ended.
    pub ending: &'a Ending,
    /// Which endpoint was spoken: not of every one can the unknown rows be asked for.
    pub dialect: Dialect,
}

/// What the ledger says of a run that has ended so.
///
/// # Errors
/// When the ledger can't be read.
pub fn summary<'a>(
    ledger: &Ledger,
    run: &'a Run,
    folder: &'a Path,
    ending: &'a Ending,
    dialect: Dialect,
) -> Result<Summary<'a>, LedgerError> {
    Ok(Summary {
        run,
        counts: ledger.counts()?.without_holder(),
        reasons: reasons(ledger)?,
        invalid: ledger.invalid_by_code(NAMED)?,
        folder,
        ending,
        dialect,
    })
}

/// The commonest reasons of rows that were not accepted; their number in each row is not told apart.
///
/// # Errors
/// When the ledger can't be read.
pub fn reasons(ledger: &Ledger) -> Result<Vec<(Status, String, String, u64)>, LedgerError> {
    let mut grouped: Vec<(Status, String, String, u64)> = Vec::new();
    for (status, code, error, rows) in ledger.reasons(1000)? {
        let general = general(&code, error);
        match grouped
            .iter_mut()
            .find(|(s, c, e, _)| *s == status && *c == code && *e == general)
        {
            Some(group) => group.3 += rows,
            None => grouped.push((status, code, general, rows)),
        }
    }
    grouped.sort_by_key(|group| std::cmp::Reverse(group.3));
    grouped.truncate(REASONS as usize);
    Ok(grouped)
}

/// A reason without what is particular to its row.
fn general(code: &str, error: String) -> String {
    match code {
        "duplicate" => "duplicate of an earlier row".to_owned(),
        _ => error,
    }
}

/// The rows of a code: `2 link-empty (rows 4, 9)`.
fn by_code(invalid: &InvalidRows) -> String {
    let rows: Vec<_> = invalid.rows.iter().map(ToString::to_string).collect();
    let more = if invalid.count > rows.len() as u64 {
        " …"
    } else {
        ""
    };
    format!(
        "{} {} (row{} {}{more})",
        grouped(invalid.count),
        printable_line(&invalid.code),
        s(invalid.count),
        rows.join(", ")
    )
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        match self.ending {
            Ending::Done => {}
            Ending::Interrupted => writeln!(text, "Interrupted. Nothing is lost.")?,
            Ending::Stopped(reason) => writeln!(text, "Stopped: {}", printable(reason))?,
        }
        for status in Status::ALL
            .into_iter()
            .filter(|status| self.counts.of(*status) > 0)
        {
            write!(text, "{:>12}  {status}", grouped(self.counts.of(status)))?;
            if status == Status::Invalid && !self.invalid.is_empty() {
                let codes: Vec<_> = self.invalid.iter().map(by_code).collect();
                write!(text, ": {}", codes.join(", "))?;
            }
            writeln!(text)?;
            for (_, _, error, rows) in self
                .reasons
                .iter()
                .filter(|reason| reason.0 == status && !reason.2.is_empty())
            {
                writeln!(
                    text,
                    "{:>14}{:>7}  {}",
                    "",
                    grouped(*rows),
                    printable_line(error)
                )?;
            }
        }
        let rows = self.counts.total();
        writeln!(text, "{:>12}  row{} in all", grouped(rows), s(rows))?;
        if self.run.blank_rows > 0 {
            writeln!(
                text,
                "{:>12}  blank row{} passed over",
                grouped(self.run.blank_rows),
                s(self.run.blank_rows)
            )?;
        }
        writeln!(
            text,
            "\nresults: {}",
            self.folder.join("results.csv").display()
        )?;
        if self.run.target == Target::Local {
            writeln!(text, "outbox:  {}", self.folder.join("outbox").display())?;
        }
        for next in self.next() {
            writeln!(text, "next:    {next}")?;
        }
        f.write_str(&text)
    }
}

impl Summary<'_> {
    /// The commands to run next, with what for.
    fn next(&self) -> Vec<String> {
        let some = |status| self.counts.of(status) > 0;
        let folder = self.folder.display();
        let mut next = Vec::new();
        if some(Status::Pending) {
            next.push(format!(
                "mailrun resume {folder}   # sends the pending rows"
            ));
        }
        if some(Status::Unknown) || some(Status::Sending) {
            if self.dialect == Dialect::NewSendmail && self.run.target != Target::Local {
                next.push(format!(
                    "mailrun resolve {folder} --how reconcile   # asks the API about the unknown rows"
                ));
            }
            next.push(format!(
                "mailrun resolve {folder} --how accepted|resend   # settles the unknown rows"
            ));
        }
        if some(Status::Invalid) {
            next.push(format!(
                "mailrun check {}   # explains the invalid rows",
                self.run.campaign.display()
            ));
        }
        if some(Status::Failed) {
            next.push(format!(
                "mailrun retry {folder}   # tries the failed rows again"
            ));
        }
        if some(Status::Rejected) {
            next.push(format!(
                "mailrun retry {folder} --rejected   # posts the rejected rows again, one by one"
            ));
        }
        next
    }
}
