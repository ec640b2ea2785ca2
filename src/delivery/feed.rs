//! A feeder: reads the pending rows of a lane in order, renders them, and makes requests of them, on
//! a thread of its own, so far ahead as the queue holds.

use std::sync::Arc;

use bytes::Bytes;

use super::job::{Job, JobRow};
use super::queue::Queue;
use crate::api::Dialect;
use crate::finding::Finding;
use crate::ledger::{Ledger, LedgerError, PlannedRow, Status, Writer};
use crate::message::{Message, Recipient};
use crate::render::{Engine, Prepared};
use crate::transport::Body;

/// How many rows are read from the ledger at once.
const PAGE: u32 = 500;
/// What the feeder needs.
pub struct Feeder {
    /// The ledger, for reading.
    pub ledger: Ledger,
    /// The ledger, for rows that turn out not to render.
    pub writer: Writer,
    /// The templates.
    pub engine: Arc<Engine>,
    /// Which endpoint is spoken.
    pub dialect: Dialect,
    /// The most recipients of a request.
    pub batch: u32,
    /// Whose rows: those without a limit of their domain's, or of one domain with a limit.
    pub lane: u32,
    /// The number of the last row that is read.
    pub last: u32,
    /// The time.
    pub clock: crate::clock::Clock,
}

/// A row that can't be sent, as it is written into the ledger.
#[derive(Debug)]
pub struct RowFault {
    /// The code of the finding.
    pub code: &'static str,
    /// What it says, in a line.
    pub error: String,
}

impl From<Box<Finding>> for RowFault {
    fn from(finding: Box<Finding>) -> Self {
        let place = finding.place.to_string();
        let error = if place.is_empty() {
            finding.message.clone()
        } else {
            format!("{place}: {}", finding.message)
        };
        Self {
            code: finding.code,
            error,
        }
    }
}

impl Feeder {
    /// Reads, renders and batches until there are no more rows, or nobody takes the requests.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub fn run(self, mut queue: Queue) -> Result<(), LedgerError> {
        let mut open: Option<Open> = None;
        let mut after = 0;
        loop {
            let page = self
                .ledger
                .pending_in_lane(self.lane, after, self.last, PAGE)?;
            if page.is_empty() {
                break;
            }
            for row in page {
                after = row.row.number;
                let prepared = match self.engine.prepare(&row.row) {
                    Ok(prepared) => prepared,
                    Err(finding) => {
                        let fault = RowFault::from(finding);
                        self.writer.leave_out(
                            row.row.number,
                            Status::Invalid,
                            fault.code,
                            &fault.error,
                            self.clock.now(),
                        )?;
                        continue;
                    }
                };
                if let Some(full) = Open::put(&mut open, prepared, &row, self.batch)
                    && queue.put(self.close(full)).is_err()
                {
                    return Ok(());
                }
            }
        }
        let last = open.map_or(Ok(()), |last| queue.put(self.close(last)));
        // Who takes the requests may have stopped; the rows stay pending.
        let _ = last.and_then(|()| queue.hand_over());
        Ok(())
    }

    fn close(&self, open: Open) -> Job {
        let envelope = self.engine.envelope(open.to);
        let mut form = Vec::with_capacity(16 << 10);
        open.message
            .request(&envelope)
            .encode_into(self.dialect, &mut form);
        let mut pieces = vec![Bytes::from(form)];
        if !open.message.attachments.form.is_empty() {
            pieces.push(open.message.attachments.form.clone());
        }
        Job {
            rows: open.rows,
            body: Body(pieces),
            lane: self.lane,
            again: false,
        }
    }
}

/// A request that may take more recipients.
struct Open {
    message: Message,
    to: Vec<Recipient>,
    rows: Vec<JobRow>,
}

impl Open {
    /// Adds a row to the open request, if it has the same message and there is room; otherwise it
    /// opens another, and gives the one before.
    fn put(
        open: &mut Option<Self>,
        prepared: Prepared,
        row: &PlannedRow,
        batch: u32,
    ) -> Option<Self> {
        let job = JobRow {
            row: row.row.number,
            attempts: row.attempts,
            address: prepared.recipient.mailbox.address.clone(),
            alone: row.alone,
        };
        match open {
            Some(request) if request.takes(&prepared, &job, batch) => {
                request.to.push(prepared.recipient);
                request.rows.push(job);
                None
            }
            _ => open.replace(Self {
                message: prepared.message,
                to: vec![prepared.recipient],
                rows: vec![job],
            }),
        }
    }

    fn takes(&self, prepared: &Prepared, job: &JobRow, batch: u32) -> bool {
        // All rows in here are alike in this.
        let alike = |row: &JobRow| !row.alone && !job.alone && row.attempts == job.attempts;
        let copies = self.message.cc.is_some() || self.message.bcc.is_some();
        self.rows.len() < batch as usize
            && self.rows.first().is_some_and(alike)
            && !copies
            && self.message == prepared.message
    }
}
