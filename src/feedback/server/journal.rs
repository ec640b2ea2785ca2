//! What the server has answered with 200, and has not applied yet.
//!
//! One thread writes. Requests that arrive together share a commit, and are answered after it.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::entries::{AppliedMark, Click, ClickEntry, EventEntry, WebhookBatch};
use super::schema::{self, JournalError};
use crate::clock::Clock;
use crate::unsubscribe::UnsubscribeToken;

/// The most jobs in one commit.
const MAX_JOBS: usize = 256;
/// The most jobs that wait.
const QUEUE: usize = 1024;
const BUSY: Duration = Duration::from_secs(5);
/// How long the IDs of requests are kept, in milliseconds: longer than an old request is accepted.
const REQUESTS_KEPT: i64 = 35 * 24 * 3600 * 1000;
/// How long events of unknown messages are kept.
const EVENTS_KEPT: i64 = 30 * 24 * 3600 * 1000;
/// The most items that are kept although they can't be read. All are counted.
const MAX_UNREADABLE: i64 = 10_000;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

enum Job {
    /// Replies with the time of the click.
    Click(UnsubscribeToken, Reply<i64>),
    Undo(UnsubscribeToken, i64, Reply<i64>),
    Webhook(WebhookBatch, Reply<i64>),
    Applied(Vec<AppliedMark>, Reply<i64>),
}

/// Writes to the journal. It ends when all copies are dropped.
#[derive(Clone)]
pub(super) struct Journal {
    jobs: mpsc::Sender<Job>,
}

/// Reads what is not applied yet.
pub(super) struct JournalReader(Connection);

/// Opens the journal, and creates it if it is missing. The thread ends when the journal is dropped.
///
/// # Errors
/// It can't be used, or another server uses it.
pub(crate) fn open(path: &Path, clock: Clock) -> Result<OpenJournal, JournalError> {
    let (connection, lock) = schema::open(path)?;
    let (jobs, received) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            write_all(connection, received, &clock);
            drop(lock);
        })
        .map_err(|error| JournalError::Io(path.to_owned(), error))?;
    Ok(OpenJournal {
        journal: Journal { jobs },
        path: path.to_owned(),
        thread,
    })
}

pub(crate) struct OpenJournal {
    pub(super) journal: Journal,
    pub(super) path: PathBuf,
    pub(super) thread: JoinHandle<()>,
}

impl Journal {
    /// Records a click. It is durable when this returns its time, which no other click has.
    pub(super) async fn click(&self, token: UnsubscribeToken) -> Result<i64, JournalError> {
        self.send(|reply| Job::Click(token, reply)).await
    }

    /// Records that the click at a time is undone.
    pub(super) async fn undo(&self, token: UnsubscribeToken, at: i64) -> Result<(), JournalError> {
        let undone = self.send(|reply| Job::Undo(token, at, reply)).await;
        undone.map(drop)
    }

    /// Records the events of a request, unless the request is known.
    pub(super) async fn webhook(&self, batch: WebhookBatch) -> Result<(), JournalError> {
        let recorded = self.send(|reply| Job::Webhook(batch, reply)).await;
        recorded.map(drop)
    }

    /// Records what was applied. Blocks.
    pub(super) fn applied(&self, marks: Vec<AppliedMark>) -> Result<(), JournalError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.blocking_send(Job::Applied(marks, reply));
        sent.map_err(|_| JournalError::Ended)?;
        let done = answer.blocking_recv();
        done.map_err(|_| JournalError::Ended)?.map(drop)
    }

    async fn send(&self, job: impl FnOnce(Reply<i64>) -> Job) -> Result<i64, JournalError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(job(reply)).await;
        sent.map_err(|_| JournalError::Ended)?;
        answer.await.map_err(|_| JournalError::Ended)?
    }
}

fn write_all(mut connection: Connection, mut jobs: mpsc::Receiver<Job>, clock: &Clock) {
    let mut waiting = Vec::with_capacity(MAX_JOBS);
    loop {
        waiting.clear();
        if jobs.blocking_recv_many(&mut waiting, MAX_JOBS) == 0 {
            return;
        }
        let now = clock.now().as_millisecond();
        let written = write(&mut connection, &waiting, now);
        if let Err(error) = &written {
            tracing::error!(%error, "the journal can't be written");
        }
        for (index, job) in waiting.drain(..).enumerate() {
            let answer = match &written {
                Ok(times) => Ok(times[index]),
                Err(error) => Err(JournalError::NotWritten(error.to_string())),
            };
            // The client may be gone.
            let _ = match job {
                Job::Click(_, reply)
                | Job::Undo(.., reply)
                | Job::Webhook(_, reply)
                | Job::Applied(_, reply) => reply.send(answer),
            };
        }
    }
}

fn write(connection: &mut Connection, jobs: &[Job], now: i64) -> rusqlite::Result<Vec<i64>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut times = Vec::with_capacity(jobs.len());
    for job in jobs {
        times.push(match job {
            Job::Click(token, _) => {
                let at = next_time(&transaction, now)?;
                add_click(&transaction, token, at, false)?;
                at
            }
            Job::Undo(token, at, _) => {
                add_click(&transaction, token, *at, true)?;
                now
            }
            Job::Webhook(batch, _) => {
                add_batch(&transaction, batch, now)?;
                now
            }
            Job::Applied(marks, _) => {
                mark_all(&transaction, marks)?;
                forget_old(&transaction, now)?;
                now
            }
        });
    }
    transaction.commit()?;
    Ok(times)
}

/// A time that no click had before.
fn next_time(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<i64> {
    let sql = "UPDATE clock SET last = max(last + 1, ?) RETURNING last";
    transaction
        .prepare_cached(sql)?
        .query_row([now], |row| row.get(0))
}

fn add_click(
    transaction: &Transaction<'_>,
    token: &UnsubscribeToken,
    at: i64,
    is_undo: bool,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO click (list, address, run, row, at, is_undo) VALUES (?, ?, ?, ?, ?, ?)";
    let address = token.address.normalized();
    let values = params![
        token.list.to_string(),
        address,
        token.run,
        token.row,
        at,
        is_undo
    ];
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn add_batch(
    transaction: &Transaction<'_>,
    batch: &WebhookBatch,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO request (id, received) VALUES (?, ?)";
    let values = params![batch.request, now];
    if transaction.prepare_cached(sql)?.execute(values)? == 0 {
        return count(transaction, "repeated requests", 1);
    }
    let sql = "INSERT OR IGNORE INTO event (message_id, address, kind, at, description, received)
               VALUES (?, ?, ?, ?, ?, ?)";
    let mut insert = transaction.prepare_cached(sql)?;
    for event in &batch.events {
        let at = event.at.map(jiff::Timestamp::as_millisecond);
        let kind = event.kind.as_str();
        insert.execute(params![
            event.message_id,
            event.address,
            kind,
            at,
            event.description,
            now
        ])?;
    }
    count(transaction, "events", batch.events.len())?;
    for (why, item) in &batch.unreadable {
        count(transaction, why, 1)?;
        let sql = "INSERT INTO unreadable (received, why, item)
                   SELECT ?1, ?2, ?3 WHERE (SELECT ifnull(max(seq), 0) FROM unreadable) < ?4";
        let values = params![now, why, item, MAX_UNREADABLE];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

fn count(transaction: &Transaction<'_>, name: &str, by: usize) -> rusqlite::Result<()> {
    let sql = "INSERT INTO counter (name, count) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET count = count + ?2";
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(sql)?
        .execute(params![name, by])?;
    Ok(())
}

fn mark_all(transaction: &Transaction<'_>, marks: &[AppliedMark]) -> rusqlite::Result<()> {
    for mark in marks {
        let (sql, seq) = match mark {
            AppliedMark::Listed(seq) => ("UPDATE click SET listed = 1 WHERE seq = ?", seq),
            AppliedMark::Recorded(seq) => ("UPDATE click SET recorded = 1 WHERE seq = ?", seq),
            AppliedMark::Matched(seq) => ("DELETE FROM event WHERE seq = ?", seq),
            AppliedMark::Parked(seq) => ("UPDATE event SET parked = 1 WHERE seq = ?", seq),
        };
        transaction.prepare_cached(sql)?.execute([seq])?;
        if let AppliedMark::Listed(seq) | AppliedMark::Recorded(seq) = mark {
            let sql = "DELETE FROM click WHERE seq = ? AND listed AND recorded";
            transaction.prepare_cached(sql)?.execute([seq])?;
        }
    }
    Ok(())
}

fn forget_old(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM request WHERE received < ?";
    transaction
        .prepare_cached(sql)?
        .execute([now - REQUESTS_KEPT])?;
    let sql = "DELETE FROM unreadable WHERE received < ?";
    transaction
        .prepare_cached(sql)?
        .execute([now - EVENTS_KEPT])?;
    let sql = "DELETE FROM event WHERE parked = 1 AND received < ?";
    let forgotten = transaction
        .prepare_cached(sql)?
        .execute([now - EVENTS_KEPT])?;
    match forgotten {
        0 => Ok(()),
        forgotten => count(
            transaction,
            "events of messages that stayed unknown",
            forgotten,
        ),
    }
}

impl JournalReader {
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        Ok(Self(connection))
    }

    /// The clicks after `after` that are not fully applied, in their order.
    pub(super) fn clicks(&self, after: i64, most: u32) -> Result<Vec<ClickEntry>, JournalError> {
        let sql = "SELECT seq, list, address, run, row, at, is_undo, listed, recorded FROM click
                   WHERE seq > ? ORDER BY seq LIMIT ?";
        let mut select = self.0.prepare_cached(sql)?;
        let rows = select.query_map(params![after, most], |row| {
            Ok(ClickEntry {
                seq: row.get(0)?,
                click: Click {
                    list: row.get(1)?,
                    address: row.get(2)?,
                    run: row.get(3)?,
                    row: row.get(4)?,
                    at: row.get(5)?,
                    is_undo: row.get(6)?,
                },
                listed: row.get(7)?,
                recorded: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The events after `after`, in their order: those that are new, or those of unknown messages.
    pub(super) fn events(
        &self,
        parked: bool,
        after: i64,
        most: u32,
    ) -> Result<Vec<EventEntry>, JournalError> {
        let sql = "SELECT seq, message_id, address, kind, at, description FROM event
                   WHERE parked = ? AND seq > ? ORDER BY seq LIMIT ?";
        let mut select = self.0.prepare_cached(sql)?;
        let rows = select.query_map(params![parked, after, most], |row| {
            Ok(EventEntry {
                seq: row.get(0)?,
                message_id: row.get(1)?,
                address: row.get(2)?,
                kind: row.get(3)?,
                at: row.get(4)?,
                description: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
