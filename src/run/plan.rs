//! The plan: reads the recipients once, strictly, and writes every row into the ledger.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::PlanProgress;
use super::decision::Decision;
use super::differing::DifferingDuplicates;
use super::exclusions::{Exclusions, identity};
use super::lanes::Lanes;
use crate::campaign::{Campaign, STANDARD_INPUT, Sample};
use crate::finding::Finding;
use crate::ledger::sqlite::{NewRow, Planner};
use crate::ledger::{LedgerError, Run, StoredMember};
use crate::recipients::{LineNumbers, ReadError, RecipientReader, Warning};
use crate::schedule::Zone;
use crate::spill::SpillError;
use crate::suppression::CampaignLists;

pub struct PlanInputs<'a> {
    pub campaign: &'a Campaign,
    /// Its header is that of the reader.
    pub run: &'a Run,
    /// The kept lists of the campaign.
    pub lists: &'a CampaignLists,
    /// Where the ledger is created.
    pub ledger: &'a Path,
    /// For a test: plan only this many rows, and none that are left out.
    pub only: Option<u64>,
    /// Hold back the rows outside of it until a variant is chosen for them.
    pub sample: Option<Sample>,
    /// The indexes of the columns that the message uses, except the address.
    pub used: &'a [usize],
    pub progress: &'a PlanProgress,
}

pub struct Plan {
    /// Still to be finished.
    pub planner: Planner,
    /// The empty rows.
    pub blank: LineNumbers,
    /// The rows whose address an earlier row has.
    pub duplicates: LineNumbers,
    /// The duplicates that differ from the row that is sent.
    pub differing: DifferingDuplicates,
    /// Warnings about the recipients and the suppression lists.
    pub warnings: Vec<Warning>,
    /// How many rows were planned.
    pub rows: u64,
    /// How many rows are to be sent.
    pub pending: u64,
    /// The number of the last row.
    pub last: u32,
    /// The time zones of rows, besides the campaign's own.
    pub(crate) zones: Vec<Zone>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The recipients or a suppression list can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("can't read standard input: {0}")]
    Input(#[from] io::Error),
    #[error("can't compare the recipients' addresses: {0}")]
    Compare(#[from] SpillError),
    /// The expression of `where` is invalid.
    #[error("the recipients can't be selected")]
    Selection(Vec<Finding>),
    /// It can't be computed for a row: the row, its line, and why.
    #[error("{2}")]
    Row(u32, u64, Box<Finding>),
}

/// Reads all rows of `reader` into a new ledger.
///
/// # Errors
/// The recipients can't be read to their end, or the ledger can't be written.
pub fn plan(reader: &mut RecipientReader, inputs: &PlanInputs<'_>) -> Result<Plan, PlanError> {
    let header = reader.header();
    let mut exclusions =
        Exclusions::new(inputs.campaign, &inputs.campaign.dir, inputs.lists.clone())?
            .of_rows(
                inputs.campaign,
                header.columns(),
                header.email(),
                inputs.run.started,
            )
            .map_err(PlanError::Selection)?;
    let mut planner = Planner::create(inputs.ledger, inputs.run)?;
    let email = reader.header().email();
    let mut lanes = Lanes::new(inputs.campaign, inputs.run);
    let (mut rows, mut pending, mut last) = (0, 0, 0);
    let mut duplicates = LineNumbers::default();
    let mut differing = DifferingDuplicates::default();
    // The last row may still be part of the first message.
    let only = inputs.only.filter(|_| !exclusions.groups());
    while only.is_none_or(|most| pending < most) {
        let Some(row) = reader.next().transpose()? else {
            break;
        };
        let identity_of = |row| {
            let (address, key) = planner.address_and_key(row)?;
            let identity = address.map(|address| identity(&address, key.as_deref()).into_owned());
            Ok::<_, PlanError>(identity)
        };
        let decision = exclusions.next(&row, identity_of)?;
        let cells = row.cells_as_json();
        let in_message_of = match &decision {
            Decision::Join(first) | Decision::Spoil(first, _) => Some(*first),
            Decision::Send | Decision::LeaveOut(_) | Decision::Fail(_) => None,
        };
        if let Some(first) = in_message_of {
            planner.add_member(&StoredMember {
                row: row.number,
                first,
                line: row.line,
                email: row.cells.get(email).unwrap_or_default().to_owned(),
                cells,
            })?;
            if let Decision::Spoil(_, fault) = decision {
                let reason = format!("row {}: {}", row.number, fault.reason);
                let spoilt = planner.leave_out(first, fault.status, fault.code, &reason)?;
                pending -= u64::from(spoilt);
            }
            rows += 1;
            inputs.progress.planned.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let left_out = match decision {
            Decision::LeaveOut(left_out) => Some(left_out),
            Decision::Fail(finding) => {
                return Err(PlanError::Row(row.number, row.line, finding));
            }
            _ => None,
        };
        if only.is_some() && left_out.is_some() {
            continue;
        }
        if let Some(first) = left_out.as_ref().and_then(|it| it.duplicate_of) {
            duplicates.add(row.line);
            if !inputs.used.is_empty() {
                let cell = |index: usize| row.cells.get(index).unwrap_or_default();
                differing.compare(row.number, cell, &planner.cells(first)?, inputs.used);
            }
        }
        let address = exclusions.address_of(&row);
        let address = address.map(|address| address.normalized());
        let sent_to = address.as_deref().filter(|_| left_out.is_none());
        let is_held_back = |address| {
            inputs
                .sample
                .is_some_and(|it| !it.contains(inputs.campaign, address))
        };
        let held_back = sent_to.is_some_and(is_held_back);
        let variant = sent_to
            .filter(|_| !held_back)
            .and_then(|address| inputs.campaign.variant_for(address));
        planner.add(&NewRow {
            number: row.number,
            line: row.line,
            email: row.cells.get(email).unwrap_or_default(),
            address: address.as_deref(),
            key: exclusions.key_of(&row),
            cells: &cells,
            lane: lanes.of(&row),
            variant: variant.map(|variant| variant.name.as_str()),
            held_back,
            left_out: left_out
                .as_ref()
                .map(|it| (it.status, it.code, it.reason.as_str())),
        })?;
        rows += 1;
        last = row.number;
        pending += u64::from(left_out.is_none());
        inputs.progress.planned.fetch_add(1, Ordering::Relaxed);
    }
    planner.end_groups()?;
    if let Some(most) = inputs.only.filter(|_| exclusions.groups()) {
        (rows, pending) = planner.keep_first(most)?;
    }
    let mut warnings = reader.warnings();
    warnings.extend(exclusions.warnings().iter().cloned());
    Ok(Plan {
        planner,
        blank: reader.blank().clone(),
        duplicates,
        differing,
        warnings,
        rows,
        pending,
        last,
        zones: lanes.into_zones(),
    })
}

/// A campaign's recipients: a path to read, and its name in messages. Standard input is copied into a
/// temporary file first, because it is read twice.
///
/// # Errors
/// Standard input can't be copied.
pub(crate) fn recipients_file(
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
