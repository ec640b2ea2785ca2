//! A campaign as it was saved: its templates, its recipients, and what they make together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;

use super::super::store::{Fault, Kept};
use super::everywhere::Everywhere;
use super::query::Query;
use super::search::{Found, search};
use super::spool::Spool;
use crate::address::Mailbox;
use crate::campaign::Campaign;
use crate::check::{self, Checker, of_row};
use crate::clock::Clock;
use crate::finding::{Finding, Severity};
use crate::recipients::LineNumbers;
use crate::render::{Engine, Inputs, Row};

/// What message IDs begin with: no run's.
const ID_PREFIX: &str = "00000000000000000000";
/// How many searches are remembered.
const REMEMBERED: usize = 8;

/// A campaign as it was saved.
pub(super) struct Loaded {
    pub(super) campaign: Campaign,
    pub(super) engine: Engine,
    pub(super) spool: Arc<Spool>,
    pub(super) started: Timestamp,
    pub(super) clock: Clock,
    /// The recipients' file, as the user would name it.
    recipients: PathBuf,
    common: OnceLock<Vec<Finding>>,
    everywhere: OnceLock<Everywhere>,
    searches: Mutex<Vec<(String, Arc<Found>)>>,
}

/// A recipient's row, or why it gets no message.
pub(super) struct Recipient {
    pub(super) number: u32,
    pub(super) stored: Kept,
    pub(super) row: Result<Row, Box<Finding>>,
}

impl Loaded {
    /// Reads a campaign; its recipients only if they are not those of `known`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn load(
        path: &Path,
        known: Option<&Self>,
        clock: &Clock,
    ) -> Result<Self, Vec<Finding>> {
        let campaign = Campaign::load(path)?;
        let spool = Spool::of(&campaign, known.map(|known| &known.spool))?;
        let started = clock.now();
        let engine = Engine::new(&Inputs {
            campaign: &campaign,
            dir: &campaign.dir,
            own_dir: &campaign.dir,
            header: &spool.header,
            started,
            id_prefix: ID_PREFIX,
            test_to: None,
        })?;
        let loaded = Self {
            recipients: PathBuf::from(&spool.name),
            campaign,
            engine,
            spool,
            started,
            clock: clock.clone(),
            common: OnceLock::new(),
            everywhere: OnceLock::new(),
            searches: Mutex::default(),
        };
        // What is wrong with `[check]` is told at once.
        loaded.checker()?;
        Ok(loaded)
    }

    /// The rules, ready to be held against messages.
    ///
    /// # Errors
    /// What is wrong with the campaign's `[check]`.
    pub(super) fn checker(&self) -> Result<Checker<'_>, Vec<Finding>> {
        Checker::new(&check::Inputs {
            campaign: &self.campaign,
            engine: &self.engine,
            header: &self.spool.header,
            email: self.spool.email,
            recipients: &self.recipients,
            rows: u64::from(self.spool.count()),
            duplicates: LineNumbers::default(),
            least: Severity::Note,
            net: false,
            clock: self.clock.clone(),
        })
    }

    /// Whether its messages are made of the same templates and data as those of another.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.spool.is_like(&other.spool)
            && self.campaign.source.text == other.campaign.source.text
            && self.engine.templates() == other.engine.templates()
    }

    /// What is wrong whoever gets the message.
    pub(super) fn common(&self) -> &[Finding] {
        self.common.get_or_init(|| {
            let mut findings = self.spool.warnings.clone();
            match self.checker() {
                Ok(checker) => findings.extend(checker.campaign()),
                Err(wrong) => findings.extend(wrong),
            }
            findings
        })
    }

    /// The recipient of a number, with other values in some of its cells; nothing where there is
    /// none.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn recipient(
        &self,
        number: u32,
        set: &[(String, String)],
    ) -> io::Result<Option<Recipient>> {
        let Some(mut stored) = self.spool.row(number)? else {
            return Ok(None);
        };
        if !set.is_empty() && stored.cells.len() == self.spool.header.len() {
            for (column, value) in set {
                let place = self.spool.header.iter().position(|name| name == column);
                if let Some(cell) = place.and_then(|place| stored.cells.get_mut(place)) {
                    // As a NUL in the file is shown.
                    *cell = value.replace('\0', "\u{2400}");
                }
            }
            stored.fault = self.fault_of(&stored)?;
        }
        let row = self.row(&mut stored);
        Ok(Some(Recipient {
            number,
            stored,
            row,
        }))
    }

    /// Why a row with other values is left out.
    fn fault_of(&self, tried: &Kept) -> io::Result<Option<Fault>> {
        match Mailbox::parse(tried.cell(self.spool.email)) {
            Ok(mailbox) => self.spool.left_out(&mailbox.address, tried.number),
            // What is wrong with it is told when it becomes a row.
            Err(_) => Ok(None),
        }
    }

    fn row(&self, stored: &mut Kept) -> Result<Row, Box<Finding>> {
        stored.to_row(self.spool.email).map_err(|fault| {
            let finding = fault.finding();
            stored.fault = Some(fault);
            Box::new(self.at(finding, stored.number, stored.line))
        })
    }

    /// Everything that is wrong with a recipient's message.
    pub(super) fn findings(&self, checker: &Checker<'_>, recipient: &Recipient) -> Vec<Finding> {
        match &recipient.row {
            Err(finding) => vec![(**finding).clone()],
            Ok(row) => {
                let found = checker.message(row).into_iter();
                found
                    .map(|finding| self.at(finding, recipient.number, recipient.stored.line))
                    .collect()
            }
        }
    }

    /// The warnings that every message has.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn everywhere(&self, checker: &Checker<'_>) -> io::Result<&Everywhere> {
        if let Some(known) = self.everywhere.get() {
            return Ok(known);
        }
        let found = Everywhere::of(self, checker)?;
        Ok(self.everywhere.get_or_init(|| found))
    }

    /// A finding with its row.
    pub(super) fn at(&self, finding: Finding, number: u32, line: u64) -> Finding {
        of_row(finding, number, line, &self.recipients)
    }

    /// The rows that a search means.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn found(&self, text: &str, query: &Query) -> io::Result<Arc<Found>> {
        let known = || self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = known().iter().find(|(known, _)| known == text) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(search(&self.spool, query)?);
        let mut searches = known();
        searches.insert(0, (text.to_owned(), Arc::clone(&found)));
        searches.truncate(REMEMBERED);
        Ok(found)
    }
}
