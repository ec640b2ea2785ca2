//! One saved version of a campaign: its templates, its recipients, and the messages they make.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;

use super::super::row_store::{NoMessage, StoredRow};
use super::ListReader;
use super::common_warnings::CommonWarnings;
use super::query::Query;
use super::search::{Matches, search};
use super::searchable_rows::SearchableRows;
use crate::campaign::Campaign;
use crate::check::{self, Checkers, of_row};
use crate::clock::Clock;
use crate::finding::{Finding, Severity, name_variants};
use crate::recipients::LineNumbers;
use crate::render::{Engines, Inputs, Row};
use crate::run::DifferingDuplicates;

/// The prefix of message IDs; no run has it.
const ID_PREFIX: &str = "00000000000000000000";
/// How many searches to cache.
const CACHED_SEARCHES: usize = 8;

pub(super) struct LoadedCampaign {
    pub(super) campaign: Campaign,
    pub(super) engines: Engines,
    /// The variant that is shown, instead of each row's own.
    variant: Option<String>,
    pub(super) rows: Arc<SearchableRows>,
    pub(super) started: Timestamp,
    pub(super) clock: Clock,
    /// The path of the recipients, as the user would write it.
    recipients: PathBuf,
    campaign_findings: OnceLock<Vec<Finding>>,
    common_warnings: OnceLock<CommonWarnings>,
    searches: Mutex<Vec<(String, Arc<Matches>)>>,
}

pub(super) struct Recipient {
    pub(super) stored: StoredRow,
    /// The row, or why it gets no message.
    pub(super) row: Result<Row, Box<Finding>>,
}

impl LoadedCampaign {
    /// Loads a campaign. Reuses the rows of `previous` if their files have not changed.
    pub(super) fn load(
        path: &Path,
        variant: Option<&str>,
        previous: Option<&Self>,
        lists: &ListReader,
        clock: &Clock,
    ) -> Result<Self, Vec<Finding>> {
        let campaign = Campaign::load(path)?;
        let started = clock.now();
        let previous = previous.map(|previous| &previous.rows);
        let rows = SearchableRows::of(&campaign, previous, lists, started)?;
        let engines = Engines::new(&Inputs {
            campaign: &campaign,
            dir: &campaign.dir,
            is_frozen: false,
            own_dir: &campaign.dir,
            header: &rows.header,
            started,
            id_prefix: ID_PREFIX,
            verp_key: [0; 32],
            test_to: None,
            feedback_keys: None,
        })?;
        let loaded = Self {
            recipients: PathBuf::from(&rows.name),
            campaign,
            engines,
            variant: variant.map(str::to_owned),
            rows,
            started,
            clock: clock.clone(),
            campaign_findings: OnceLock::new(),
            common_warnings: OnceLock::new(),
            searches: Mutex::default(),
        };
        // Reports an invalid `[check]` table.
        loaded.checkers()?;
        Ok(loaded)
    }

    /// # Errors
    /// When the `[check]` table of the campaign is invalid.
    pub(super) fn checkers(&self) -> Result<Checkers<'_>, Vec<Finding>> {
        Checkers::new(&self.engines, |campaign, engine| check::CheckerInputs {
            campaign,
            engine,
            used_by_variants: Vec::new(),
            header: &self.rows.header,
            email: self.rows.email,
            recipients: &self.recipients,
            rows: u64::from(self.rows.count()),
            duplicates: LineNumbers::default(),
            differing: DifferingDuplicates::default(),
            least: Severity::Note,
            net: false,
            clock: self.clock.clone(),
        })
    }

    /// Whether `campaign.toml`, templates and rows are the same.
    pub(super) fn has_same_messages(&self, other: &Self) -> bool {
        self.rows.has_same_cells(&other.rows)
            && self.campaign.source.text == other.campaign.source.text
            && self.engines.templates() == other.engines.templates()
    }

    /// The findings of the rules that check the whole campaign.
    pub(super) fn campaign_findings(&self) -> &[Finding] {
        self.campaign_findings.get_or_init(|| {
            let mut findings = self.rows.warnings.clone();
            match self.checkers() {
                Ok(checkers) => {
                    let mut of_campaign = checkers.campaign();
                    name_variants(&mut of_campaign, &self.engines.names());
                    findings.extend(of_campaign);
                }
                Err(errors) => findings.extend(errors),
            }
            findings
        })
    }

    /// The recipient in row `number`, with the cells of the columns in `set` replaced.
    pub(super) fn recipient(
        &self,
        number: u32,
        set: &[(String, String)],
    ) -> io::Result<Option<Recipient>> {
        let Some(mut stored) = self.rows.row(number)? else {
            return Ok(None);
        };
        if !set.is_empty() && stored.cells.len() == self.rows.header.len() {
            for (column, value) in set {
                let index = self.rows.header.iter().position(|name| name == column);
                if let Some(cell) = index.and_then(|index| stored.cells.get_mut(index)) {
                    // As the reader of the file does.
                    *cell = value.replace('\0', "\u{2400}");
                }
            }
            let hidden = stored.no_message.take().filter(NoMessage::is_hidden);
            stored.no_message = match hidden {
                Some(_) => hidden,
                // `to_row` reports an invalid address.
                None => self.rows.left_out(&stored)?,
            };
        }
        let row = stored.to_row(self.rows.email).map(|mut row| {
            row.variant = self.variant_of(&row);
            row
        });
        let row = row.map_err(|reason| {
            let finding = self.at_row(reason.finding(), &stored);
            Box::new(finding)
        });
        Ok(Some(Recipient { stored, row }))
    }

    fn variant_of(&self, row: &Row) -> Option<String> {
        let own = || self.campaign.variant_for(&row.mailbox.address.normalized());
        let shown = self.variant.clone();
        shown.or_else(|| own().map(|variant| variant.name.clone()))
    }

    /// The findings of a recipient's message.
    pub(super) fn findings(&self, checkers: &Checkers<'_>, recipient: &Recipient) -> Vec<Finding> {
        match &recipient.row {
            Err(finding) => vec![(**finding).clone()],
            Ok(row) => {
                let findings = checkers.message(row).into_iter();
                findings
                    .map(|finding| self.at_row(finding, &recipient.stored))
                    .collect()
            }
        }
    }

    pub(super) fn common_warnings(&self, checkers: &Checkers<'_>) -> io::Result<&CommonWarnings> {
        if let Some(known) = self.common_warnings.get() {
            return Ok(known);
        }
        let findings = |number| {
            let recipient = self.recipient(number, &[])?;
            let recipient = recipient.filter(|recipient| recipient.row.is_ok());
            Ok(recipient.map(|recipient| self.findings(checkers, &recipient)))
        };
        let common = CommonWarnings::sample(self.rows.count(), findings)?;
        Ok(self.common_warnings.get_or_init(|| common))
    }

    pub(super) fn at_row(&self, finding: Finding, row: &StoredRow) -> Finding {
        of_row(finding, row.number, row.line, &self.recipients)
    }

    /// The rows that match a search. `text` is the text of `query`.
    pub(super) fn matches(&self, text: &str, query: &Query) -> io::Result<Arc<Matches>> {
        let cache = || self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, matches)) = cache().iter().find(|(cached, _)| cached == text) {
            return Ok(Arc::clone(matches));
        }
        let matches = Arc::new(search(&self.rows, query)?);
        let mut searches = cache();
        searches.insert(0, (text.to_owned(), Arc::clone(&matches)));
        searches.truncate(CACHED_SEARCHES);
        Ok(matches)
    }
}
