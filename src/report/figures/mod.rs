//! The numbers of a report, counted once from the ledger and the events of a run, in a memory that does not grow with the
//! number of rows.

mod delivery;
mod links;
mod reasons;
mod sending;
mod top;

use std::collections::HashMap;

use jiff::Timestamp;

use super::results::ResultsError;
use crate::feedback::{EventStore, StoredEvent};
use crate::ledger::{Latencies, Ledger, LedgerError, Run, Status, StatusCounts};

pub(crate) use delivery::{ByHour, DeliveryCounts, DeliveryFigures};
pub(crate) use sending::Sending;
pub(crate) use top::Top;

use delivery::DeliveryCounter;

/// How many rows are read at once.
const PAGE: u32 = 2048;

/// Who says what became of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// The API, of every message.
    Api,
    /// For SMTP: servers that send bounces, and recipients who complain or unsubscribe. That a message was delivered or
    /// opened is never known.
    Mail,
}

pub(crate) struct RunFigures {
    /// What commands call the run.
    pub(crate) home: String,
    pub(crate) run: Run,
    /// A process works on the run.
    pub(crate) is_live: bool,
    /// The rows by status, without those in the messages of others.
    pub(crate) statuses: StatusCounts,
    /// How many rows are in the messages of others.
    pub(crate) members: u64,
    /// `None` if nothing was posted.
    pub(crate) sending: Option<Sending>,
    pub(crate) latencies: Latencies,
    /// Where the accepted messages went, and what became of them if the run was followed.
    pub(crate) delivery: DeliveryFigures,
    pub(crate) tracking: Tracking,
    /// When the API or the bounces were asked last.
    pub(crate) followed_at: Option<Timestamp>,
}

impl RunFigures {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> u64 {
        self.statuses.total() + self.members
    }

    /// Counts a run.
    ///
    /// # Errors
    /// The ledger or the events can't be read, or rows are missing.
    pub(crate) fn read(
        home: String,
        is_live: bool,
        tracking: Tracking,
        ledger: &dyn Ledger,
        events: Option<&dyn EventStore>,
    ) -> Result<Self, ResultsError> {
        let mut statuses = StatusCounts::default();
        let mut delivery = DeliveryCounter::new();
        let last_row = ledger.last_row()?;
        for page in 0..last_row.div_ceil(PAGE) {
            let after = page * PAGE;
            let last = after.saturating_add(PAGE);
            let (states, of_page) = match events {
                Some(events) => (events.states(after, last)?, events.events(after, last)?),
                None => (HashMap::new(), Vec::new()),
            };
            let mut left: &[StoredEvent] = &of_page;
            for row in ledger.outcomes(after, last)? {
                let of_row = left.iter().take_while(|event| event.row <= row.row).count();
                let (of_row, rest) = left.split_at(of_row);
                left = rest;
                statuses.count(row.status);
                if row.status == Status::Accepted {
                    // Events of rows that the ledger does not have come before the row.
                    let first = of_row.partition_point(|event| event.row < row.row);
                    delivery.count(&row, states.get(&row.row).copied(), &of_row[first..]);
                }
            }
        }
        let planned = ledger.counts()?.total();
        if planned != statuses.total() {
            let rows = statuses.total();
            let reason = format!("{planned} rows were planned, but it has {rows}");
            return Err(LedgerError::Damaged(reason).into());
        }
        let followed = events.map(EventStore::followed).transpose()?;
        Ok(Self {
            home,
            run: ledger.run()?,
            is_live,
            statuses: match is_live {
                true => statuses,
                false => statuses.without_holder(),
            },
            members: ledger.members()?.total(),
            sending: Sending::of(&ledger.posted_since(Timestamp::UNIX_EPOCH, None)?),
            latencies: ledger.latencies()?,
            delivery: delivery.finish(),
            tracking,
            followed_at: followed.and_then(|followed| followed.at),
        })
    }

    /// What became of the accepted messages; `None` if nobody knows.
    pub(crate) fn known_delivery(&self) -> Option<&DeliveryFigures> {
        let counts = &self.delivery.counts;
        let is_known = self.followed_at.is_some() || counts.accepted > counts.no_news;
        is_known.then_some(&self.delivery)
    }
}
