//! The plan: the recipients read once, strictly, and every row given its place in the ledger.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::address::Mailbox;
use crate::campaign::{Campaign, STANDARD_INPUT};
use crate::ledger::{LedgerError, NewRow, Planner, Run, Status, Target};
use crate::recipients::{LineNumbers, ReadError, RecipientReader, Warning};
use crate::spill::SpillError;

use super::Stages;
use super::left_out::LeftOut;

/// What is planned.
pub struct PlanInputs<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// What is said of the run; its header is that of the reader.
    pub run: &'a Run,
    /// Where the ledger is to be.
    pub ledger: &'a Path,
    /// Only so many rows, and none that is left out: a test.
    pub only: Option<u64>,
    /// Where to tell how far it is.
    pub stages: &'a Stages,
}

/// A plan that was made.
pub struct Planned {
    /// The ledger, to be finished.
    pub planner: Planner,
    /// The rows with nothing in them.
    pub blank: LineNumbers,
    /// The rows whose address an earlier one has.
    pub duplicates: LineNumbers,
    /// What is odd about the files.
    pub warnings: Vec<Warning>,
    /// The rows planned.
    pub rows: u64,
    /// The rows to be sent.
    pub pending: u64,
    /// The number of the last row.
    pub last: u32,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The recipients or a suppression list can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger can't be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Standard input can't be kept.
    #[error("can't read standard input: {0}")]
    Input(#[from] io::Error),
    /// The addresses of a long list can't be kept.
    #[error("the recipients' addresses can't be compared: {0}")]
    Compare(#[from] SpillError),
}

/// Reads all rows of `reader` into a new ledger.
///
/// # Errors
/// When the recipients can't be read to their end, or the ledger can't be written.
pub fn plan(reader: &mut RecipientReader, inputs: &PlanInputs<'_>) -> Result<Planned, PlanError> {
    let mut left_out_by = LeftOut::new(inputs.campaign)?;
    let mut planner = Planner::create(inputs.ledger, inputs.run)?;
    let email = reader.header().email();
    let lanes = lanes(inputs);
    let (mut rows, mut pending, mut last) = (0, 0, 0);
    let mut duplicates = LineNumbers::default();
    let mut cells = String::new();
    while inputs.only.is_none_or(|most| pending < most) {
        let Some(row) = reader.next().transpose()? else {
            break;
        };
        let address = row
            .recipient
            .as_ref()
            .ok()
            .map(|mailbox| mailbox.address.normalized());
        let left_out = match &row.recipient {
            Err(fault) => Some((Status::Invalid, fault.code(), fault.to_string())),
            Ok(mailbox) => left_out_by
                .next(&mailbox.address, row.number, |row| {
                    planner.address(row).map_err(PlanError::from)
                })?
                .map(|reason| (Status::Skipped, reason.code(), reason.to_string())),
        };
        if inputs.only.is_some() && left_out.is_some() {
            continue;
        }
        if left_out
            .as_ref()
            .is_some_and(|(_, code, _)| *code == "duplicate")
        {
            duplicates.add(row.line);
        }
        cells.clear();
        write_cells(&row.cells, &mut cells);
        planner.add(&NewRow {
            number: row.number,
            line: row.line,
            email: row.cells.get(email).unwrap_or_default(),
            address: address.as_deref(),
            cells: &cells,
            lane: lane_of(&row.recipient, &lanes),
            left_out: left_out
                .as_ref()
                .map(|(status, code, error)| (*status, *code, error.as_str())),
        })?;
        rows += 1;
        last = row.number;
        pending += u64::from(left_out.is_none());
        inputs.stages.planned.fetch_add(1, Ordering::Relaxed);
    }
    let mut warnings = reader.warnings();
    warnings.extend(left_out_by.warnings().iter().cloned());
    Ok(Planned {
        planner,
        blank: reader.blank().clone(),
        duplicates,
        warnings,
        rows,
        pending,
        last,
    })
}

/// The domains with a limit of their own, each with its lane. Only the pace of a real run counts
/// its recipients' domains.
fn lanes<'a>(inputs: &PlanInputs<'a>) -> HashMap<&'a str, u32> {
    let domains = match inputs.run.target {
        Target::Real => inputs.campaign.pace.per_domain.as_slice(),
        Target::Local | Target::Test => &[],
    };
    let domains = domains.iter().map(|limit| limit.domain.as_str());
    domains.zip(1..).collect()
}

fn lane_of<E>(recipient: &Result<Mailbox, E>, lanes: &HashMap<&str, u32>) -> u32 {
    match recipient {
        Ok(mailbox) if !lanes.is_empty() => {
            let domain = mailbox.address.ascii_domain();
            lanes.get(domain).copied().unwrap_or(0)
        }
        _ => 0,
    }
}

/// A JSON array of the cells.
fn write_cells(cells: &csv::StringRecord, out: &mut String) {
    let cells: Vec<&str> = cells.iter().collect();
    // Strings always have a JSON form.
    out.push_str(&serde_json::to_string(&cells).unwrap_or_default());
}

/// Where a campaign's recipients are: a path to read, and the name for messages. Standard input is
/// kept in a file first, since it is read twice.
///
/// # Errors
/// When standard input can't be kept.
pub fn recipients_file(
    campaign: &Campaign,
) -> Result<(PathBuf, String, Option<tempfile::NamedTempFile>), PlanError> {
    match &campaign.recipients.file {
        Some(file) => Ok((campaign.dir.join(file), file.display().to_string(), None)),
        None => {
            let spooled = crate::recipients::spool(io::stdin().lock())?;
            Ok((
                spooled.path().to_owned(),
                STANDARD_INPUT.to_owned(),
                Some(spooled),
            ))
        }
    }
}
