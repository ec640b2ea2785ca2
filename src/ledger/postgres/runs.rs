//! The runs of a database.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::columns::{column, sha256};
use super::database::{Database, Parameter, wait};
use crate::ledger::postgres_error::{Cluster, PostgresError};
use crate::ledger::{LedgerError, Run, StatusCounts, Target, from_millis, parse_strings};

/// The ledger of a run.
#[derive(Clone)]
pub(crate) struct PostgresLedger {
    pub(super) database: Arc<Database>,
    pub(super) id: i64,
    pub(super) run: Run,
    /// How many rows were planned.
    pub(super) rows: u64,
    /// Whether rows have attachments of their own.
    pub(super) has_attachments: bool,
    /// Whether rows are in the messages of others.
    pub(super) has_members: bool,
    pub(super) name: String,
    pub(super) verp_key: Option<Vec<u8>>,
}

/// A run in the list of all.
pub(crate) struct RunEntry {
    pub(crate) name: String,
    /// That of the campaign.
    pub(crate) campaign: String,
    pub(crate) target: Target,
    pub(crate) started: jiff::Timestamp,
    pub(crate) counts: StatusCounts,
    /// How many workers send it.
    pub(crate) workers: u64,
    /// Where it continues, if it is not sent from here.
    pub(crate) moved_to: Option<String>,
}

/// A process that sends a run.
pub(crate) struct WorkerStatus {
    pub(crate) host: String,
    pub(crate) process: i32,
    /// Recipients per second.
    pub(crate) rate: f64,
    /// In seconds, by the database's clock.
    pub(crate) last_heartbeat: f64,
    pub(crate) in_flight: u64,
}

/// What all workers of a run wait for.
pub(crate) struct SharedPause {
    /// In seconds.
    pub(crate) left: f64,
    pub(crate) reason: String,
}

const COLUMNS: &str =
    "id, name, campaign, target, test_to, folder, started_at, id_prefix, header, blank_rows, rows,
     verp_key, variants, chosen,
     EXISTS (SELECT FROM mailrun.attachment WHERE attachment.run = run.id),
     EXISTS (SELECT FROM mailrun.member WHERE member.run = run.id)";

fn of_row(database: &Arc<Database>, row: &Row) -> Result<PostgresLedger, LedgerError> {
    Ok(PostgresLedger {
        database: Arc::clone(database),
        id: column(row, 0)?,
        name: column(row, 1)?,
        run: Run {
            name: column(row, 2)?,
            target: Target::parse(column(row, 3)?)?,
            test_to: column(row, 4)?,
            campaign: PathBuf::from(column::<String>(row, 5)?),
            started: from_millis(column(row, 6)?)?,
            id_prefix: column(row, 7)?,
            header: parse_strings(column(row, 8)?)?,
            blank_rows: column::<i64>(row, 9)? as u64,
            variants: parse_strings(column(row, 12)?)?,
            chosen: column(row, 13)?,
        },
        rows: column::<i64>(row, 10)? as u64,
        verp_key: column(row, 11)?,
        has_attachments: column(row, 14)?,
        has_members: column(row, 15)?,
    })
}

async fn select(
    database: &Arc<Database>,
    filter: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<PostgresLedger>, LedgerError> {
    let sql = format!("SELECT {COLUMNS} FROM mailrun.run {filter}");
    let rows = database.query(&sql, parameters).await?;
    rows.first().map(|row| of_row(database, row)).transpose()
}

pub(super) async fn by_id(
    database: &Arc<Database>,
    id: i64,
) -> Result<PostgresLedger, LedgerError> {
    let found = select(database, "WHERE id = $1", &[(&id, Type::INT8)]).await?;
    found.ok_or_else(|| PostgresError::LostCommits.into())
}

/// The run of this name.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn find_run(
    database: &Arc<Database>,
    name: &str,
) -> Result<Option<PostgresLedger>, LedgerError> {
    wait(select(database, "WHERE name = $1", &[(&name, Type::TEXT)]))
}

/// The run with this prefix of message IDs, which no other run has.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn find_run_by_id_prefix(
    database: &Arc<Database>,
    id_prefix: &str,
) -> Result<Option<PostgresLedger>, LedgerError> {
    let filter = "WHERE id_prefix = $1";
    wait(select(database, filter, &[(&id_prefix, Type::TEXT)]))
}

/// The newest run of a campaign.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn newest_run(
    database: &Arc<Database>,
    campaign: &str,
) -> Result<Option<PostgresLedger>, LedgerError> {
    let newest = "WHERE campaign = $1 ORDER BY started_at DESC, id DESC LIMIT 1";
    wait(select(database, newest, &[(&campaign, Type::TEXT)]))
}

/// The real runs of a campaign, oldest first.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn real_runs(
    database: &Arc<Database>,
    campaign: &str,
) -> Result<Vec<PostgresLedger>, LedgerError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM mailrun.run WHERE campaign = $1 AND target = 'real' ORDER BY started_at, id"
    );
    let rows = wait(database.query(&sql, &[(&campaign, Type::TEXT)]))?;
    rows.iter().map(|row| of_row(database, row)).collect()
}

/// All runs of a campaign, oldest first.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn runs_of(
    database: &Arc<Database>,
    campaign: &str,
) -> Result<Vec<PostgresLedger>, LedgerError> {
    let sql =
        format!("SELECT {COLUMNS} FROM mailrun.run WHERE campaign = $1 ORDER BY started_at, id");
    let rows = wait(database.query(&sql, &[(&campaign, Type::TEXT)]))?;
    rows.iter().map(|row| of_row(database, row)).collect()
}

/// All runs, newest first.
///
/// # Errors
/// The ledger can't be read.
pub(crate) fn all_runs(database: &Arc<Database>) -> Result<Vec<RunEntry>, LedgerError> {
    let sql = "SELECT r.name, r.campaign, r.target, r.started_at,
                mailrun.sum_counts(r.counts, mailrun.total_counts(w.counts) FILTER (WHERE w.id IS NOT NULL)),
                count(*) FILTER (WHERE w.ended_at IS NULL AND w.heartbeat_at > clock_timestamp() - w.lease),
                r.moved_to
         FROM mailrun.run AS r LEFT JOIN mailrun.worker AS w ON w.run = r.id
         GROUP BY r.id ORDER BY r.started_at DESC, r.id DESC";
    wait(database.query(sql, &[]))?
        .iter()
        .map(|row| {
            Ok(RunEntry {
                name: column(row, 0)?,
                campaign: column(row, 1)?,
                target: Target::parse(column(row, 2)?)?,
                started: from_millis(column(row, 3)?)?,
                counts: StatusCounts::from_numbers(&column::<Vec<i64>>(row, 4)?),
                workers: column::<i64>(row, 5)? as u64,
                moved_to: column(row, 6)?,
            })
        })
        .collect()
}

impl PostgresLedger {
    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// Whether rows have attachments of their own.
    pub(crate) fn has_attachments(&self) -> bool {
        self.has_attachments
    }

    /// The run's own name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key that signs the return paths.
    pub(crate) fn verp_key(&self) -> Option<[u8; 32]> {
        self.verp_key.as_deref()?.try_into().ok()
    }

    /// Checks that the database has everything that was committed for this run: that it is the same
    /// cluster, on the same timeline.
    ///
    /// # Errors
    /// It is another one, or the ledger can't be read.
    pub(crate) fn check_cluster(&self) -> Result<(), LedgerError> {
        let sql = "SELECT system_identifier, timeline FROM mailrun.run WHERE id = $1";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        let before = Cluster {
            system_identifier: column(row, 0)?,
            timeline: column(row, 1)?,
        };
        let now = self.database.cluster()?;
        match before == now {
            true => Ok(()),
            false => Err(PostgresError::OtherCluster { before, now }.into()),
        }
    }

    /// The run goes on with this cluster, although the last claims may be missing.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub(crate) fn accept_loss(&self) -> Result<(), LedgerError> {
        let now = self.database.cluster()?;
        let sql = "UPDATE mailrun.run SET system_identifier = $2, timeline = $3 WHERE id = $1";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&now.system_identifier, Type::INT8),
            (&now.timeline, Type::INT4),
        ];
        wait(self.database.query(sql, &parameters))?;
        Ok(())
    }

    /// Checks that no worker sends the run. Rows in flight of workers that died become unknown.
    ///
    /// # Errors
    /// A worker sends it, or the ledger can't be written.
    pub(crate) fn require_no_worker(&self) -> Result<(), LedgerError> {
        let sql = "SELECT mailrun.require_no_worker($1)";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        Ok(())
    }

    /// The workers that send the run.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn workers(&self) -> Result<Vec<WorkerStatus>, LedgerError> {
        let sql = "SELECT host, process, rate, extract(epoch FROM clock_timestamp() - heartbeat_at)::float8,
                          counts[array_position(enum_range(NULL::mailrun.status), 'sending')]
             FROM mailrun.worker
             WHERE run = $1 AND ended_at IS NULL AND heartbeat_at > clock_timestamp() - lease ORDER BY id";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?
            .iter()
            .map(|row| {
                Ok(WorkerStatus {
                    host: column(row, 0)?,
                    process: column(row, 1)?,
                    rate: column(row, 2)?,
                    last_heartbeat: column::<f64>(row, 3)?.max(0.0),
                    in_flight: column::<i64>(row, 4)?.max(0) as u64,
                })
            })
            .collect()
    }

    /// The pause of all workers, if there is one.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn pause(&self) -> Result<Option<SharedPause>, LedgerError> {
        let sql = "SELECT extract(epoch FROM paused_until - clock_timestamp())::float8, coalesce(pause_reason, '')
             FROM mailrun.run WHERE id = $1 AND paused_until > clock_timestamp()";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let pause = rows.first().map(|row| {
            Ok::<_, PostgresError>(SharedPause {
                left: column(row, 0)?,
                reason: column(row, 1)?,
            })
        });
        Ok(pause.transpose()?)
    }

    /// Stops all workers of the run. Those that join later are not stopped.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub(crate) fn stop(&self, reason: &str) -> Result<(), LedgerError> {
        Ok(wait(self.stop_workers(reason))?)
    }

    pub(super) async fn stop_workers(&self, reason: &str) -> Result<(), PostgresError> {
        let sql =
            "UPDATE mailrun.run SET stop_at = clock_timestamp(), stop_reason = $2 WHERE id = $1";
        let parameters: [Parameter<'_>; 2] = [(&self.id, Type::INT8), (&reason, Type::TEXT)];
        self.database.query(sql, &parameters).await?;
        Ok(())
    }

    /// Notes where the run continues: this copy of it must not be sent.
    ///
    /// # Errors
    /// A worker sends it, it continues elsewhere already, or the ledger can't be written.
    pub(crate) fn mark_moved(&self, to: &str) -> Result<(), LedgerError> {
        let sql = "SELECT mailrun.mark_moved($1, $2)";
        let parameters: [Parameter<'_>; 2] = [(&self.id, Type::INT8), (&to, Type::TEXT)];
        wait(self.database.query(sql, &parameters))?;
        Ok(())
    }

    /// Where the run continues, if it is not sent from here.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn moved_to(&self) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT moved_to FROM mailrun.run WHERE id = $1";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        Ok(column(row, 0)?)
    }

    /// The run can be sent again.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub(crate) fn unmark_moved(&self) -> Result<(), LedgerError> {
        let sql = "UPDATE mailrun.run SET moved_to = NULL WHERE id = $1";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        Ok(())
    }

    /// The files of the run, as they were when it was planned: their paths in the campaign's folder, and
    /// their contents.
    ///
    /// # Errors
    /// The ledger can't be read, or a file is damaged.
    pub(crate) fn files(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, LedgerError> {
        let sql = "SELECT path, content, sha256 FROM mailrun.file WHERE run = $1 ORDER BY path";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?
            .iter()
            .map(|row| {
                let (path, content): (String, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
                if sha256(&content) != column::<&str>(row, 2)? {
                    return Err(LedgerError::Damaged(format!("its file {path} has changed")));
                }
                Ok((PathBuf::from(path), content))
            })
            .collect()
    }

    /// Whether a row without a key was sent, or may have been.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn sent_without_key(&self) -> Result<bool, LedgerError> {
        let sql = "SELECT FROM mailrun.recipient AS r JOIN mailrun.delivery AS d USING (run, row)
             WHERE r.run = $1 AND d.status IN ('accepted', 'unknown', 'sending') AND r.key IS NULL
               AND NOT starts_with(r.address, 'forgotten:') LIMIT 1";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        Ok(!rows.is_empty())
    }

    /// Calls `take` with the normalized addresses and the keys of the rows that got the message, or may have got it.
    ///
    /// # Errors
    /// The ledger can't be read, and those of `take`.
    pub(crate) fn sent_addresses(
        &self,
        mut take: impl FnMut(&str, Option<&str>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut after = 0;
        loop {
            let sql = "SELECT r.row, r.address, r.key FROM mailrun.recipient AS r JOIN mailrun.delivery AS d USING (run, row)
                 WHERE r.run = $1 AND r.row > $2 AND d.status IN ('accepted', 'unknown', 'sending')
                   AND r.address IS NOT NULL
                 ORDER BY r.row LIMIT 5000";
            let parameters: [Parameter<'_>; 2] = [(&self.id, Type::INT8), (&after, Type::INT4)];
            let page = wait(self.database.query(sql, &parameters))?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = column(last, 0)?;
            for row in &page {
                take(column(row, 1)?, column(row, 2)?)?;
            }
        }
    }
}
