//! Everything before the first request: what `check`, `send --dry-run` and `send` have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::failure::Failure;
use super::show::Shown;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::check::{self, Checker, Findings, Network, RowFinding, RowPass, of_row, of_warning};
use crate::clock::Clock;
use crate::finding::{Finding, Severity};
use crate::ledger::{Counts, Ledger, LedgerError, Planner, Run, Status};
use crate::recipients::{ReadError, Reader, RowFault};
use crate::render::{Engine, Inputs};
use crate::report;
use crate::run::{self, Folder, PlanError, PlanInputs, Planned, Previous, Stages};

/// How a run is prepared.
pub(super) struct Wanted<'a> {
    pub(super) campaign: &'a Campaign,
    /// Where the run is made.
    pub(super) folder: &'a Folder,
    /// Copy the campaign into the run's folder.
    pub(super) freeze: bool,
    /// What is said of the run; its header is filled in.
    pub(super) run: Run,
    pub(super) test_to: Option<&'a Address>,
    /// Only so many rows, and none that is left out: a test.
    pub(super) only: Option<u64>,
    /// Leave out the addresses that these runs have sent to.
    pub(super) except_sent: &'a [Previous],
    /// Render every row and look at it.
    pub(super) preflight: bool,
    /// The least that is looked for.
    pub(super) least: Severity,
    /// Look up what the messages lead to.
    pub(super) net: bool,
    /// Rows that can't be rendered are left out.
    pub(super) skip_invalid: bool,
}

/// A run that is ready but for the completion of its plan.
pub(super) struct Ready {
    pub(super) engine: Arc<Engine>,
    pub(super) run: Run,
    pub(super) counts: Counts,
    /// How many pending rows each lane has.
    pub(super) by_lane: Vec<(u32, u64)>,
    pub(super) findings: Findings,
    planner: Planner,
    blank: u64,
}

impl Ready {
    /// Completes the plan: from now on the run can be resumed.
    pub(super) fn finish(self) -> Result<(Arc<Engine>, Run), LedgerError> {
        self.planner.finish(self.blank, self.run.started)?;
        Ok((
            self.engine,
            Run {
                blank_rows: self.blank,
                ..self.run
            },
        ))
    }
}

/// Reads, plans and renders.
///
/// # Errors
/// Everything that stops `send`.
pub(super) fn prepare(wanted: Wanted<'_>, shown: &Shown) -> Result<Ready, Failure> {
    let stages = Arc::new(Stages::default());
    let _progress = report::planning(shown.face, &stages);
    let campaign = wanted.campaign;
    let (path, name, _spooled) = run::recipients_file(campaign)?;
    let mut reader = Reader::open(&path, &name, &campaign.recipients.settings)
        .map_err(|error| through_folder(error, campaign))?;
    let run = Run {
        header: reader.header().columns().to_vec(),
        ..wanted.run
    };
    if wanted.freeze {
        run::freeze(campaign, &wanted.folder.frozen())?;
    }
    let frozen = wanted.folder.frozen();
    let engine = Engine::new(&Inputs {
        campaign,
        dir: if wanted.freeze {
            &frozen
        } else {
            &campaign.dir
        },
        own_dir: &campaign.dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        test_to: wanted.test_to,
    })?;
    let ledger = wanted.folder.ledger();
    let inputs = PlanInputs {
        campaign,
        run: &run,
        ledger: &ledger,
        only: wanted.only,
        stages: &stages,
    };
    let planned = run::plan(&mut reader, &inputs);
    let mut planned = planned.map_err(|error| match error {
        PlanError::Read(error) => PlanError::Read(through_folder(error, campaign)),
        error => error,
    })?;
    for earlier in wanted.except_sent {
        let reason = format!(
            "already sent in the run {}",
            earlier.folder.path().display()
        );
        planned
            .planner
            .skip_sent_in(&earlier.folder.ledger(), &reason)?;
    }
    planned.planner.publish()?;
    let warnings = planned.warnings.iter().map(|warning| {
        let mut finding = of_warning(warning);
        finding.place.file = Some(campaign.through_folder(&warning.file));
        finding
    });
    let mut rendering = Rendering {
        findings: warnings.collect(),
        recipients: campaign.recipients_path(),
        skip_invalid: wanted.skip_invalid,
    };
    let recipients = rendering.recipients.clone();
    let checker = Checker::new(&check::Inputs {
        campaign,
        engine: &engine,
        header: &run.header,
        email: reader.header().email(),
        recipients: &recipients,
        rows: planned.pending,
        duplicates: planned.duplicates.clone(),
        least: wanted.least,
        net: wanted.net,
        clock: Clock::system(),
    })?;
    rendering.findings.extend(checker.campaign());
    if wanted.preflight {
        stages.to_render.store(planned.pending, Ordering::Relaxed);
        rendering.preflight(&checker, &mut planned, &ledger, &stages)?;
        planned.planner.publish()?;
    }
    if wanted.net {
        rendering.findings.extend(look_up(&checker)?);
    }
    // After the preflight, so that a file that is missing is not told twice.
    if engine.has_own_attachments() && !rendering.findings.has_errors() {
        rendering.record_attachments(&engine, &mut planned, &ledger)?;
    }
    planned.planner.publish()?;
    if rendering.findings.has_errors() {
        return Err(rendering.findings.into());
    }
    let ledger = Ledger::open(&ledger)?;
    Ok(Ready {
        engine: Arc::new(engine),
        run,
        counts: ledger.counts()?,
        by_lane: ledger.pending_by_lane()?,
        findings: rendering.findings,
        planner: planned.planner,
        blank: planned.blank.count,
    })
}

/// What is wrong with what the messages lead to, and whom they are from.
fn look_up(checker: &Checker<'_>) -> Result<Vec<Finding>, Failure> {
    let no_network =
        |error: String| Failure::new("net", format!("nothing can be looked up: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_network(error.to_string()))?;
    runtime.block_on(async {
        let network = Network::system().map_err(no_network)?;
        Ok(checker.look_up(&network).await)
    })
}

/// The rows that can't be rendered, as they are found.
struct Rendering {
    findings: Findings,
    recipients: PathBuf,
    skip_invalid: bool,
}

impl Rendering {
    fn preflight(
        &mut self,
        checker: &Checker<'_>,
        planned: &mut Planned,
        ledger: &Path,
        stages: &Stages,
    ) -> Result<(), LedgerError> {
        let inputs = RowPass {
            ledger,
            last: planned.last,
            checker,
            stages,
        };
        let common = check::check_rows(&inputs, |found| self.take(found, &mut planned.planner))?;
        for one in common {
            self.findings.add_common(one, &self.recipients);
        }
        Ok(())
    }

    /// What rows have for attachments of their own is part of the plan.
    fn record_attachments(
        &mut self,
        engine: &Engine,
        planned: &mut Planned,
        ledger: &Path,
    ) -> Result<(), LedgerError> {
        let ledger = Ledger::open(ledger)?;
        let mut after = 0;
        loop {
            let page = ledger.pending(after, 1000)?;
            let Some(last) = page.last() else { break };
            after = last.row.number;
            for row in &page {
                match engine.record_attachments(&row.row) {
                    Ok(recorded) => recorded
                        .iter()
                        .try_for_each(|one| planned.planner.record(row.row.number, one))?,
                    Err(finding) => self.take(
                        RowFinding {
                            row: row.row.number,
                            line: row.line,
                            finding: *finding,
                        },
                        &mut planned.planner,
                    )?,
                }
            }
        }
        planned.planner.publish()
    }

    fn take(&mut self, found: RowFinding, planner: &mut Planner) -> Result<(), LedgerError> {
        let mut finding = of_row(found.finding, found.row, found.line, &self.recipients);
        if self.skip_invalid && finding.severity == Severity::Error {
            planner.leave_out(found.row, Status::Invalid, finding.code, &finding.message)?;
            finding.severity = Severity::Warning;
        }
        self.findings.add(finding);
        Ok(())
    }
}

/// The rows that the plan found invalid, as findings that `send` goes on with.
///
/// # Errors
/// When the ledger can't be read.
pub(super) fn invalid_rows(
    ledger: &Path,
    campaign: &Campaign,
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    let file = campaign.recipients_path();
    Ledger::open(ledger)?.invalid_rows(|row| {
        let code = RowFault::known_code(row.code.as_deref().unwrap_or_default());
        let finding = Finding::warning(
            code,
            crate::finding::Place::default(),
            row.error.unwrap_or_default(),
        );
        findings.add(of_row(finding, row.number, row.line, &file));
        Ok(())
    })
}

/// An error with the path of its file through the campaign's folder.
fn through_folder(mut error: ReadError, campaign: &Campaign) -> ReadError {
    let file = campaign.through_folder(&error.file);
    error.file = file.display().to_string();
    error
}

/// What is said of a new run.
pub(super) fn new_run(
    campaign: &Campaign,
    target: crate::ledger::Target,
    test_to: Option<&Address>,
    started: Timestamp,
    rng: &mut dyn rand::Rng,
) -> Run {
    use rand::RngExt;
    let bits: [u8; 10] = rng.random();
    Run {
        name: campaign.name.clone(),
        target,
        test_to: test_to.map(ToString::to_string),
        campaign: campaign
            .dir
            .canonicalize()
            .unwrap_or_else(|_| campaign.dir.clone()),
        started: as_kept(started),
        id_prefix: bits.iter().map(|byte| format!("{byte:02x}")).collect(),
        header: Vec::new(),
        blank_rows: 0,
    }
}

/// A time as the ledger keeps it, in milliseconds: a resumed run gives templates the same one.
fn as_kept(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
