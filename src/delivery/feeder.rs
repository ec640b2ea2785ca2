//! The feeder of a lane: gets its pending rows in order, renders them and builds requests, on a
//! thread of its own, as far ahead as the queue holds.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::batch::{Batch, BatchMessage, BatchRow};
use super::queue::Queue;
use crate::api::WireFormat;
use crate::clock::Clock;
use crate::finding::Finding;
use crate::ledger::{LedgerError, LedgerWriter, Page, PlannedRow, RowSource, Status};
use crate::message::{Message, Recipient};
use crate::render::{Engines, Prepared};

pub(crate) struct Feeder {
    pub(crate) rows: Box<dyn RowSource>,
    /// For rows that can't be rendered.
    pub(crate) writer: LedgerWriter,
    pub(crate) engines: Arc<Engines>,
    pub(crate) format: &'static dyn WireFormat,
    /// The most recipients of a request.
    pub(crate) batch_size: NonZeroU32,
    /// The lane of the rows.
    pub(crate) lane: u32,
    pub(crate) clock: Clock,
}

impl Feeder {
    /// Runs until there are no more rows, or the queue is closed.
    ///
    /// # Errors
    /// The ledger can't be read or written.
    pub(crate) fn run(mut self, mut queue: Queue) -> Result<(), LedgerError> {
        // One for each variant of the message.
        let mut open: Vec<OpenBatch> = Vec::new();
        loop {
            let page = match self.rows.next_page()? {
                Page::Rows(rows) => rows,
                Page::Later(wait) => {
                    let mut batches = open.drain(..);
                    let waiting = batches.try_for_each(|batch| queue.put(self.encode(batch)));
                    if waiting.and_then(|()| queue.hand_over()).is_err() || queue.is_closed() {
                        return Ok(());
                    }
                    std::thread::sleep(wait);
                    continue;
                }
                Page::End => break,
            };
            for row in page {
                let Some(engine) = self.engines.of(&row.row) else {
                    return Err(LedgerError::Damaged(format!(
                        "row {} has no variant, but it was to be sent",
                        row.row.number
                    )));
                };
                let prepared = match engine.prepare(&row.row) {
                    Ok(prepared) => prepared,
                    Err(finding) => {
                        self.leave_out(row.row.number, &finding)?;
                        continue;
                    }
                };
                if let Some(full) = self.add(&mut open, prepared, &row)
                    && queue.put(self.encode(full)).is_err()
                {
                    return Ok(());
                }
            }
        }
        let mut batches = open.into_iter();
        let last = batches.try_for_each(|last| queue.put(self.encode(last)));
        // If the queue is closed, the rows stay pending.
        let _ = last.and_then(|()| queue.hand_over());
        Ok(())
    }

    fn leave_out(&self, row: u32, finding: &Finding) -> Result<(), LedgerError> {
        let place = finding.place.to_string();
        let error = match place.as_str() {
            "" => finding.message.clone(),
            place => format!("{place}: {}", finding.message),
        };
        let now = self.clock.now();
        self.writer
            .leave_out(row, Status::Invalid, finding.code, &error, now)
    }

    /// Adds a row to the open batch of its variant if it has the same message and there is room. Otherwise it
    /// opens another batch, and returns the one before.
    fn add(
        &self,
        open: &mut Vec<OpenBatch>,
        prepared: Prepared,
        row: &PlannedRow,
    ) -> Option<OpenBatch> {
        let variant = row.row.variant.as_deref();
        let row = BatchRow {
            row: row.row.number,
            attempts: row.attempts,
            alone: row.alone,
        };
        let mut known = open
            .iter_mut()
            .find(|batch| batch.variant.as_deref() == variant);
        if let Some(batch) = &mut known
            && batch.takes(&prepared, &row, self.batch_size)
        {
            batch.to.push(prepared.recipient);
            batch.rows.push(row);
            return None;
        }
        let new = OpenBatch {
            variant: variant.map(str::to_owned),
            message: prepared.message,
            to: vec![prepared.recipient],
            rows: vec![row],
        };
        match known {
            Some(batch) => Some(std::mem::replace(batch, new)),
            None => {
                open.push(new);
                None
            }
        }
    }

    fn encode(&self, open: OpenBatch) -> Batch {
        let message = BatchMessage {
            message: open.message,
            smtp_account: self.engines.smtp_account(),
            format: self.format,
        };
        Batch::new(message, open.to, open.rows, self.lane)
    }
}

/// A batch that may take more recipients.
struct OpenBatch {
    /// That of all its rows.
    variant: Option<String>,
    message: Message,
    to: Vec<Recipient>,
    rows: Vec<BatchRow>,
}

impl OpenBatch {
    /// Whether it has the address already: the answer could not tell the two messages apart.
    fn has(&self, recipient: &Recipient) -> bool {
        let address = &recipient.mailbox.address;
        let same = |other: &Recipient| {
            let other = &other.mailbox.address;
            other.ascii_domain() == address.ascii_domain()
                && other.local().eq_ignore_ascii_case(address.local())
        };
        self.to.iter().any(same)
    }

    fn takes(&self, prepared: &Prepared, row: &BatchRow, most: NonZeroU32) -> bool {
        // All rows of a batch are alike in this.
        let alike = |first: &BatchRow| !first.alone && !row.alone && first.attempts == row.attempts;
        self.rows.len() < most.get() as usize
            && self.rows.first().is_some_and(alike)
            && !self.message.has_copies()
            && !self.has(&prepared.recipient)
            && self.message == prepared.message
    }
}
