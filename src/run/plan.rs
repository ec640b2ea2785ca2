//! The plan: the recipients read once, strictly, and every row given its place in the ledger.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use hashbrown::HashTable;

use crate::address::Mailbox;
use crate::campaign::{Campaign, STANDARD_INPUT};
use crate::ledger::{LedgerError, NewRow, Planner, Run, Status, Target};
use crate::recipients::{Lines, ReadError, Reader, SuppressionList, Warning};

use super::Stages;

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
    pub blank: Lines,
    /// The rows whose address an earlier one has.
    pub duplicates: Lines,
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
}

/// Reads all rows of `reader` into a new ledger.
///
/// # Errors
/// When the recipients can't be read to their end, or the ledger can't be written.
pub fn plan(reader: &mut Reader, inputs: &PlanInputs<'_>) -> Result<Planned, PlanError> {
    let suppressed = suppression_list(inputs.campaign, &inputs.campaign.dir)?;
    let mut planner = Planner::create(inputs.ledger, inputs.run)?;
    let email = reader.header().email();
    let lanes = lanes(inputs);
    let mut seen: Seen = Seen::default();
    let (mut rows, mut pending, mut last) = (0, 0, 0);
    let mut duplicates = Lines::default();
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
            Ok(mailbox) => match suppressed.file_of(&mailbox.address) {
                Some(file) => Some((
                    Status::Skipped,
                    "suppressed",
                    format!("on the suppression list {file}"),
                )),
                None => seen
                    .before(&mailbox.address.normalized(), row.number, &planner)?
                    .map(|earlier| {
                        (
                            Status::Skipped,
                            "duplicate",
                            format!("duplicate of row {earlier}"),
                        )
                    }),
            },
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
    warnings.extend(suppressed.warnings().iter().cloned());
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

/// The suppression lists of a campaign, read from its folder.
///
/// # Errors
/// When one can't be read.
pub fn suppression_list(campaign: &Campaign, dir: &Path) -> Result<SuppressionList, ReadError> {
    let mut list = SuppressionList::default();
    for path in &campaign.recipients.suppress {
        list.add(&dir.join(path), &path.display().to_string())?;
    }
    Ok(list)
}

/// A JSON array of the cells.
fn write_cells(cells: &csv::StringRecord, out: &mut String) {
    let cells: Vec<&str> = cells.iter().collect();
    // Strings always have a JSON form.
    out.push_str(&serde_json::to_string(&cells).unwrap_or_default());
}

/// The addresses that were planned: nine bytes each, whatever they are.
#[derive(Default)]
struct Seen<S = RandomState> {
    hasher: S,
    rows: HashTable<Entry>,
    /// Addresses whose fingerprint is that of another one.
    clashes: HashMap<String, u32>,
}

/// A row, and a part of the hash of its address.
struct Entry {
    fingerprint: u32,
    row: u32,
}

impl Entry {
    /// The fingerprint as the table wants a hash: with all its bits in use.
    fn hash(&self) -> u64 {
        u64::from(self.fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl<S: BuildHasher> Seen<S> {
    /// The row that has this address already; else it is remembered.
    fn before(
        &mut self,
        address: &str,
        row: u32,
        planner: &Planner,
    ) -> Result<Option<u32>, LedgerError> {
        let fingerprint = self.hasher.hash_one(address) as u32;
        let new = Entry { fingerprint, row };
        let hash = new.hash();
        let is_it = |entry: &Entry| entry.fingerprint == fingerprint;
        let Some(Entry { row: earlier, .. }) = self.rows.find(hash, is_it) else {
            self.rows.insert_unique(hash, new, Entry::hash);
            return Ok(None);
        };
        if planner.address(*earlier)?.as_deref() == Some(address) {
            return Ok(Some(*earlier));
        }
        match self.clashes.get(address) {
            Some(earlier) => Ok(Some(*earlier)),
            None => {
                self.clashes.insert(address.to_owned(), row);
                Ok(None)
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use super::*;

    /// Everything has the same hash.
    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            7
        }
    }

    fn earlier<S: BuildHasher + Default>(addresses: &[&str]) -> Vec<Option<u32>> {
        let dir = tempfile::tempdir().expect("a folder");
        let run = crate::ledger::tests::run();
        let path = crate::ledger::path_in(dir.path());
        let mut planner = Planner::create(&path, &run).expect("a ledger");
        let mut seen = Seen::<S>::default();
        let rows = addresses.iter().zip(1..);
        let before = rows.map(|(address, number)| {
            let before = seen.before(address, number, &planner).expect("a ledger");
            let row = NewRow {
                number,
                line: 1,
                email: address,
                address: Some(address),
                cells: "[]",
                lane: 0,
                left_out: None,
            };
            planner.add(&row).expect("a row");
            before
        });
        before.collect()
    }

    #[test]
    fn addresses_are_told_apart_whatever_their_hashes() {
        let addresses = ["a@x", "b@x", "a@x", "c@x", "b@x", "c@x", "a@x"];
        let wanted = [None, None, Some(1), None, Some(2), Some(4), Some(1)];
        assert_eq!(earlier::<RandomState>(&addresses), wanted);
        assert_eq!(earlier::<BuildHasherDefault<Same>>(&addresses), wanted);
    }
}
