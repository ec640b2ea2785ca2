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
use crate::render::{Engine, Prepared};

pub(crate) struct Feeder {
    pub(crate) rows: Box<dyn RowSource>,
    /// For rows that can't be rendered.
    pub(crate) writer: LedgerWriter,
    pub(crate) engine: Arc<Engine>,
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
        let mut open: Option<OpenBatch> = None;
        loop {
            let page = match self.rows.next_page()? {
                Page::Rows(rows) => rows,
                Page::Later(wait) => {
                    let waiting = open
                        .take()
                        .map_or(Ok(()), |batch| queue.put(self.encode(batch)));
                    if waiting.and_then(|()| queue.hand_over()).is_err() || queue.is_closed() {
                        return Ok(());
                    }
                    std::thread::sleep(wait);
                    continue;
                }
                Page::End => break,
            };
            for row in page {
                let prepared = match self.engine.prepare(&row.row) {
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
        let last = open.map_or(Ok(()), |last| queue.put(self.encode(last)));
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

    /// Adds a row to the open batch if it has the same message and there is room. Otherwise it opens
    /// another batch, and returns the one before.
    fn add(
        &self,
        open: &mut Option<OpenBatch>,
        prepared: Prepared,
        row: &PlannedRow,
    ) -> Option<OpenBatch> {
        let row = BatchRow {
            row: row.row.number,
            attempts: row.attempts,
            alone: row.alone,
        };
        match open {
            Some(batch) if batch.takes(&prepared, &row, self.batch_size) => {
                batch.to.push(prepared.recipient);
                batch.rows.push(row);
                None
            }
            _ => open.replace(OpenBatch {
                message: prepared.message,
                to: vec![prepared.recipient],
                rows: vec![row],
            }),
        }
    }

    fn encode(&self, open: OpenBatch) -> Batch {
        let message = BatchMessage {
            message: open.message,
            smtp_account: self.engine.smtp_account(),
            format: self.format,
        };
        Batch::new(message, open.to, open.rows, self.lane)
    }
}

/// A batch that may take more recipients.
struct OpenBatch {
    message: Message,
    to: Vec<Recipient>,
    rows: Vec<BatchRow>,
}

impl OpenBatch {
    fn takes(&self, prepared: &Prepared, row: &BatchRow, most: NonZeroU32) -> bool {
        // All rows of a batch are alike in this.
        let alike = |first: &BatchRow| !first.alone && !row.alone && first.attempts == row.attempts;
        let copies = self.message.cc.is_some() || self.message.bcc.is_some();
        self.rows.len() < most.get() as usize
            && self.rows.first().is_some_and(alike)
            && !copies
            && self.message == prepared.message
    }
}
