//! Everything before the first request, for `check`, `send --dry-run` and `send`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rand::RngExt;

use super::console::Console;
use super::earlier::EarlierRuns;
use super::failure::Failure;
use super::kept_lists::campaign_lists;
use super::run_home::{has_verp, no_verp_key};
use crate::address::Address;
use crate::campaign::{Campaign, Sample, ScheduleSettings};
use crate::check::{self, Checkers, Findings, Network, RowFinding, RowPass, of_row, of_warning};
use crate::cli::LedgerOption;
use crate::clock::Clock;
use crate::finding::{Finding, Place, Severity};
use crate::ledger::sqlite::{Planner, SqliteLedger};
use crate::ledger::{Ledger, LedgerError, Run, Status, StatusCounts, Target, VariantRows};
use crate::recipients::{ReadError, RecipientReader, RowFault};
use crate::render::{Engines, Inputs, KEY_LENGTH};
use crate::report;
use crate::run::{self, Folder, Plan, PlanError, PlanInputs, PlanProgress};
use crate::schedule::Schedule;
use crate::unsubscribe::FeedbackKeys;

/// How many invalid addresses with the same mistake are shown.
const MAX_ADDRESSES: u32 = 10;

pub(super) struct RunOptions<'a> {
    pub(super) campaign: &'a Campaign,
    /// Names the ledger, instead of the campaign.
    pub(super) ledger: &'a LedgerOption,
    /// Where the run is created.
    pub(super) folder: &'a Folder,
    /// Copy the campaign into the run folder.
    pub(super) freeze: bool,
    /// `None` if the run may send at any time.
    pub(super) schedule: Option<&'a ScheduleSettings>,
    /// The run; `prepare` fills in its header.
    pub(super) run: Run,
    pub(super) test_to: Option<&'a Address>,
    /// For a test: plan only the first rows that can be sent.
    pub(super) max_rows: Option<u64>,
    /// Hold back the rows outside of it until a variant is chosen for them.
    pub(super) sample: Option<Sample>,
    /// Skip the addresses that these runs sent to.
    pub(super) except_sent: Option<&'a EarlierRuns>,
    /// Render and check every row.
    pub(super) preflight: bool,
    /// Findings below this severity are not looked for.
    pub(super) least: Severity,
    /// Check links, images and the sender's domain over the network.
    pub(super) net: bool,
    /// Mark rows with errors as invalid, instead of failing.
    pub(super) skip_invalid: bool,
    /// Without them, the links to unsubscribe are test links.
    pub(super) feedback_keys: Option<FeedbackKeys>,
}

/// A run that only needs [`PreparedRun::finish`] before it can be sent.
pub(super) struct PreparedRun {
    pub(super) engines: Arc<Engines>,
    pub(super) run: Run,
    /// The rows by status, without those in the messages of others.
    pub(super) counts: StatusCounts,
    /// The rows in the messages of others.
    pub(super) members: StatusCounts,
    pub(super) by_variant: Vec<VariantRows>,
    /// How many of the pending rows are held back.
    pub(super) held_back: u64,
    /// The number of pending rows in each lane, without those that are held back.
    pub(super) by_lane: Vec<(u32, u64)>,
    pub(super) schedule: Option<Schedule>,
    pub(super) findings: Findings,
    planner: Planner,
    blank_rows: u64,
}

impl PreparedRun {
    /// How many messages will be sent, at most `limit`.
    pub(super) fn messages(&self, limit: Option<u64>) -> u64 {
        let pending = self.counts.of(Status::Pending) - self.held_back;
        limit.map_or(pending, |limit| limit.min(pending))
    }

    /// Completes the plan. From then on, the run can be resumed.
    pub(super) fn finish(self) -> Result<(Arc<Engines>, Run), LedgerError> {
        self.planner.finish(self.blank_rows, self.run.started)?;
        let run = Run {
            blank_rows: self.blank_rows,
            ..self.run
        };
        Ok((self.engines, run))
    }
}

/// Reads the recipients, plans the run, and renders the messages.
///
/// # Errors
/// Everything that stops `send`.
pub(super) fn prepare(options: RunOptions<'_>, console: &Console) -> Result<PreparedRun, Failure> {
    let stages = Arc::new(PlanProgress::default());
    let _progress = report::planning(console.progress, &stages);
    let campaign = options.campaign;
    let lists = campaign_lists(campaign, &campaign.dir, options.ledger)?;
    let (path, name, _spooled) = run::recipients_file(campaign)?;
    let mut reader = RecipientReader::open(&path, &name, &campaign.recipients.settings)
        .map_err(|error| through_folder(error, campaign))?;
    let run = Run {
        header: reader.header().columns().to_vec(),
        ..options.run
    };
    if options.freeze {
        run::freeze(campaign, &options.folder.frozen())?;
    }
    let frozen = options.folder.frozen();
    let verp_key = match has_verp(campaign) {
        true => options
            .folder
            .make_verp_key()
            .map_err(|error| no_verp_key(options.folder, &error))?,
        false => [0; KEY_LENGTH],
    };
    let engines = Engines::new(&Inputs {
        campaign,
        dir: if options.freeze {
            &frozen
        } else {
            &campaign.dir
        },
        is_frozen: false,
        own_dir: &campaign.dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        verp_key,
        test_to: options.test_to,
        feedback_keys: options.feedback_keys,
    })?;
    let ledger = options.folder.ledger();
    let email = reader.header().email();
    let used = engines.used_columns().into_iter().map(|(index, _)| index);
    let used: Vec<usize> = used.filter(|index| *index != email).collect();
    let inputs = PlanInputs {
        campaign,
        run: &run,
        lists: &lists,
        ledger: &ledger,
        only: options.max_rows,
        sample: options.sample,
        // `send` reports no warnings about rows.
        used: match options.least {
            Severity::Error => &[],
            Severity::Note | Severity::Warning => &used,
        },
        progress: &stages,
    };
    let planned = run::plan(&mut reader, &inputs);
    let mut planned = planned.map_err(|error| match error {
        PlanError::Read(error) => PlanError::Read(through_folder(error, campaign)),
        error => error,
    })?;
    let zones = std::mem::take(&mut planned.zones);
    let schedule = options.schedule.map(|settings| settings.for_run(zones));
    if let Some(schedule) = schedule.as_ref().filter(|_| options.freeze) {
        run::freeze_schedule(schedule, &frozen)?;
        planned.planner.mark_scheduled()?;
    }
    if let Some(earlier) = options.except_sent {
        earlier.skip_sent(&mut planned.planner, campaign)?;
    }
    planned.planner.publish()?;
    let warnings = planned.warnings.iter().map(|warning| {
        let mut finding = of_warning(warning);
        finding.place.file = Some(campaign.through_folder(&warning.file));
        finding
    });
    // `send` shows the warnings whatever it looks for, but no notes.
    let warnings =
        warnings.filter(|it| it.severity > Severity::Note || options.least == it.severity);
    let mut preflight = Preflight {
        findings: warnings.collect(),
        recipients: campaign.recipients_path(),
        skip_invalid: options.skip_invalid,
    };
    let recipients = preflight.recipients.clone();
    let checkers = Checkers::new(&engines, |campaign, engine| check::CheckerInputs {
        campaign,
        engine,
        header: &run.header,
        email,
        recipients: &recipients,
        used_by_variants: Vec::new(),
        rows: planned.pending,
        duplicates: planned.duplicates.clone(),
        differing: planned.differing.clone(),
        least: options.least,
        net: options.net,
        clock: Clock::system(),
    })?;
    preflight.findings.extend(checkers.campaign());
    if options.preflight {
        stages.to_render.store(planned.pending, Ordering::Relaxed);
        preflight.run(&checkers, &mut planned, &ledger, &stages)?;
        planned.planner.publish()?;
    }
    if options.net {
        preflight.findings.extend(check_network(&checkers)?);
    }
    // After the preflight, so that a missing file is reported only once.
    if engines.has_own_attachments() && !preflight.findings.has_errors() {
        preflight.record_attachments(&engines, &mut planned, &ledger)?;
    }
    planned.planner.publish()?;
    preflight.findings.name_variants(&engines.names());
    if preflight.findings.has_errors() {
        return Err(preflight.findings.into());
    }
    let ledger = SqliteLedger::open(&ledger)?;
    let variants = ledger.planned_by_variant(&run.variants)?;
    let held_back = report::held_back(&variants);
    Ok(PreparedRun {
        engines: Arc::new(engines),
        run,
        counts: ledger.counts()?,
        members: ledger.members()?,
        by_variant: variants,
        held_back,
        by_lane: ledger.pending_by_lane()?,
        schedule,
        findings: preflight.findings,
        planner: planned.planner,
        blank_rows: planned.blank.count,
    })
}

fn check_network(checkers: &Checkers<'_>) -> Result<Vec<Finding>, Failure> {
    let no_network = |error: String| {
        Failure::new(
            "net",
            format!("can't check links over the network: {error}"),
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_network(error.to_string()))?;
    runtime.block_on(async {
        let network = Network::system().map_err(no_network)?;
        Ok(checkers.look_up(&network).await)
    })
}

/// Collects what is wrong with the rows.
struct Preflight {
    findings: Findings,
    recipients: PathBuf,
    skip_invalid: bool,
}

impl Preflight {
    fn run(
        &mut self,
        checkers: &Checkers<'_>,
        planned: &mut Plan,
        ledger: &Path,
        stages: &PlanProgress,
    ) -> Result<(), LedgerError> {
        let inputs = RowPass {
            ledger,
            last: planned.last,
            checkers,
            stages,
        };
        let common = check::check_rows(&inputs, |finding| self.add(finding, &mut planned.planner))?;
        for finding in common {
            self.findings.add_common(finding, &self.recipients);
        }
        Ok(())
    }

    /// Records the attachments of single rows in the plan.
    fn record_attachments(
        &mut self,
        engines: &Engines,
        planned: &mut Plan,
        ledger: &Path,
    ) -> Result<(), LedgerError> {
        let ledger = SqliteLedger::open(ledger)?;
        let mut after = 0;
        loop {
            let page = ledger.pending(after, 1000)?;
            let Some(last) = page.last() else { break };
            after = last.row.number;
            for row in &page {
                match engines.record_attachments(&row.row) {
                    Ok(attachments) => attachments
                        .iter()
                        .try_for_each(|one| planned.planner.record(row.row.number, one))?,
                    Err(finding) => self.add(
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

    fn add(&mut self, row: RowFinding, planner: &mut Planner) -> Result<(), LedgerError> {
        let mut finding = of_row(row.finding, row.row, row.line, &self.recipients);
        if self.skip_invalid && finding.severity == Severity::Error {
            planner.leave_out(row.row, Status::Invalid, finding.code, &finding.message)?;
            finding.severity = Severity::Warning;
        }
        self.findings.add(finding);
        Ok(())
    }
}

/// Adds a warning for every row that the plan marked as invalid. The first invalid addresses are shown;
/// the others are only counted.
///
/// # Errors
/// If the ledger can't be read.
pub(super) fn add_invalid_rows(
    ledger: &Path,
    campaign: &Campaign,
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    let file = campaign.recipients_path();
    let mut shown: HashMap<String, u32> = HashMap::new();
    let ledger = SqliteLedger::open(ledger)?;
    let mut after = 0;
    loop {
        let page = ledger.invalid_rows(after, 1000)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.number;
        for row in page {
            let code = RowFault::known_code(row.code.as_deref().unwrap_or_default());
            let mut message = row.error.unwrap_or_default();
            if code == "bad-address" && !row.email.is_empty() {
                let shown = shown.entry(message.clone()).or_insert(0);
                *shown += 1;
                if *shown <= MAX_ADDRESSES {
                    message = format!("{message}: “{}”", row.email);
                }
            }
            let finding = Finding::warning(code, Place::default(), message);
            findings.add(of_row(finding, row.number, row.line, &file));
        }
    }
}

/// Prefixes the error's file with the campaign folder, so that the user can open it.
fn through_folder(mut error: ReadError, campaign: &Campaign) -> ReadError {
    let file = campaign.through_folder(&error.file);
    error.file = file.display().to_string();
    error
}

pub(super) fn new_run(
    campaign: &Campaign,
    target: Target,
    test_to: Option<&Address>,
    started: Timestamp,
    rng: &mut dyn rand::Rng,
) -> Run {
    let bits: [u8; 10] = rng.random();
    Run {
        name: campaign.name.clone(),
        target,
        test_to: test_to.map(ToString::to_string),
        campaign: campaign
            .dir
            .canonicalize()
            .unwrap_or_else(|_| campaign.dir.clone()),
        started: in_milliseconds(started),
        id_prefix: bits.iter().map(|byte| format!("{byte:02x}")).collect(),
        header: Vec::new(),
        blank_rows: 0,
        variants: campaign.variants.iter().map(|it| it.name.clone()).collect(),
        chosen: None,
    }
}

/// The ledger stores milliseconds, and templates must see the same time after `resume`.
fn in_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
