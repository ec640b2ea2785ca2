//! Bounces and complaints that came by mail, read from a mailbox.
//!
//! Anybody can write such a mail. It counts only if it has the signed return path of a message, or the message ID together
//! with the address.

mod arf;
mod classify;
mod dsn;
mod fields;
mod mail;
mod report;
mod text_bounces;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::event::RowEvent;
use super::index::MessageIndex;
use super::mailbox::{Mailbox, MailboxError};
use super::store::{EventStore, EventsError};
use crate::address::{Address, Mailbox as NamedAddress};
use crate::ledger::Ledger;
use crate::outcome::one_line;
use crate::render::Verp;
use mail::{BounceMail, Report};
use report::RecipientReport;

/// How many events are added at once.
const BATCH: usize = 500;
/// The clocks of other servers may differ by this much.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_hours(24);

/// Reads the bounces of a run.
pub(crate) struct BounceReader {
    pub(crate) mailbox: PathBuf,
    /// Verifies return paths; `None` if those of the run have no token.
    pub(crate) verp: Option<Verp>,
    /// Whether others get copies of the messages, with the same return path.
    pub(crate) has_copies: bool,
}

/// The run that the bounces are about.
pub(super) struct BouncedRun<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) index: &'a MessageIndex,
    pub(super) test_to: Option<&'a Address>,
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
}

/// How many mails of each kind were read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BounceCounts {
    /// Bounces and complaints of the run.
    pub(crate) matched: u64,
    /// Bounces and complaints of other messages, and forged ones.
    pub(crate) foreign: u64,
    /// Answers, and other mails that are no bounces.
    pub(crate) others: u64,
    pub(crate) unreadable: u64,
}

impl BounceCounts {
    pub(crate) fn total(&self) -> u64 {
        self.matched + self.foreign + self.others + self.unreadable
    }
}

impl BounceReader {
    /// Whether the mailbox can be read.
    ///
    /// # Errors
    /// It can't.
    pub(crate) fn check(&self) -> Result<(), MailboxError> {
        Mailbox::open(&self.mailbox).map(drop)
    }

    /// Reads the mailbox until its end, or until `is_over`, and adds what it says to the events. Returns what it read, and
    /// the number of new events; `changed` gets the rows that may have some.
    ///
    /// # Errors
    /// The mailbox or the ledger can't be read, or the events can't be written.
    pub(super) fn read(
        &self,
        run: &BouncedRun<'_>,
        store: &mut dyn EventStore,
        changed: &mut BTreeSet<u32>,
        is_over: impl Fn() -> bool,
    ) -> Result<(BounceCounts, u64), EventsError> {
        let mut add = |events: &[RowEvent]| {
            let new = store.add(events, run.now)?;
            if new > 0 {
                changed.extend(events.iter().map(|event| event.row));
            }
            Ok::<_, EventsError>(new)
        };
        let (mut counts, mut new) = (BounceCounts::default(), 0);
        let mut events = Vec::new();
        for raw in Mailbox::open(&self.mailbox)? {
            if is_over() {
                break;
            }
            let raw = raw.inspect_err(|error| tracing::warn!("{error}"));
            let mail = raw.map_or(BounceMail::Unreadable, |raw| mail::parse(&raw));
            match mail {
                BounceMail::Unreadable => counts.unreadable += 1,
                BounceMail::Other => counts.others += 1,
                BounceMail::Report(report) => {
                    let of_run = self.events_of(&report, run)?;
                    if of_run.is_empty() {
                        counts.foreign += 1;
                    } else {
                        counts.matched += 1;
                    }
                    events.extend(of_run);
                }
            }
            if events.len() >= BATCH {
                new += add(&std::mem::take(&mut events))?;
            }
        }
        new += add(&events)?;
        Ok((counts, new))
    }

    /// The events of the run's rows that a report is about; none if it can't be verified.
    fn events_of(
        &self,
        report: &Report,
        run: &BouncedRun<'_>,
    ) -> Result<Vec<RowEvent>, EventsError> {
        let at = report.at.filter(|at| is_plausible(*at, run));
        let event = |row: u32, recipient: &RecipientReport| RowEvent {
            row,
            kind: recipient.kind,
            at,
            description: one_line(&recipient.description),
        };
        if let Some(row) = self.row_of_return_path(report) {
            let recipients = self.reports_of_row(report, row, run)?;
            return Ok(recipients.iter().map(|it| event(row, it)).collect());
        }
        let mut events = Vec::new();
        // With signed return paths, a report without one may be made up: the IDs of a run's messages can be guessed.
        if self.verp.is_some() {
            return Ok(events);
        }
        for recipient in &report.recipients {
            if let Some(row) = row_of_message(report, recipient, run.index)? {
                events.push(event(row, recipient));
            }
        }
        Ok(events)
    }

    /// The row whose signed return path is in the mail.
    fn row_of_return_path(&self, report: &Report) -> Option<u32> {
        let verp = self.verp.as_ref()?;
        (report.return_paths.iter()).find_map(|text| verp.row_in(text))
    }

    /// The reports about the recipient of a row. A mail that names other addresses, or none, is about this recipient too: the
    /// message was forwarded. If others got copies, it may be about a copy, and does not count.
    fn reports_of_row<'a>(
        &self,
        report: &'a Report,
        row: u32,
        run: &BouncedRun<'_>,
    ) -> Result<Vec<&'a RecipientReport>, EventsError> {
        let Some(address) = address_of(row, run)? else {
            return Ok(Vec::new());
        };
        let is_of_row = |report: &&RecipientReport| {
            let mut addresses = report.addresses.iter();
            addresses.any(|other| {
                Address::parse(other).is_ok_and(|other| other.normalized() == address.normalized())
            })
        };
        let of_row: Vec<_> = report.recipients.iter().filter(is_of_row).collect();
        Ok(match of_row.is_empty() {
            true if self.has_copies => Vec::new(),
            true => report.recipients.iter().take(1).collect(),
            false => of_row,
        })
    }
}

/// Whether a report can have been written at this time.
fn is_plausible(at: Timestamp, run: &BouncedRun<'_>) -> bool {
    let earliest = run.started.saturating_sub(CLOCK_DIFFERENCE);
    let latest = run.now.saturating_add(CLOCK_DIFFERENCE);
    earliest.is_ok_and(|earliest| at >= earliest) && latest.is_ok_and(|latest| at <= latest)
}

/// The address to which the message of a row went; `None` if there is no such row.
fn address_of(row: u32, run: &BouncedRun<'_>) -> Result<Option<Address>, EventsError> {
    let Some(before) = row.checked_sub(1) else {
        return Ok(None);
    };
    let rows = run.ledger.rows(before, row)?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(match run.test_to {
        Some(address) => Some(address.clone()),
        None => NamedAddress::parse(&row.email).ok().map(|it| it.address),
    })
}

/// The row with the ID of the returned message and the address of the report. Some servers change the case of IDs; those
/// that mailrun chooses are in lower case.
fn row_of_message(
    report: &Report,
    recipient: &RecipientReport,
    index: &MessageIndex,
) -> Result<Option<u32>, EventsError> {
    for id in &report.message_ids {
        for address in &recipient.addresses {
            for id in [id, &id.to_ascii_lowercase()] {
                if let Some(row) = index.row_of(id, address)? {
                    return Ok(Some(row));
                }
            }
        }
    }
    Ok(None)
}
