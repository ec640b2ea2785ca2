//! Adding a planned run to the database, in one transaction.

use std::pin::pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Transaction};

use super::columns::{number, sha256};
use super::database::{Database, wait};
use super::{PostgresLedger, runs};
use crate::ledger::postgres_error::PostgresError;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger as _, LedgerError, Run, Status, StoredRow, Target, to_millis};

/// How many rows are read at once.
const PAGE: u32 = 2000;

/// A run that is to be added.
pub(crate) struct NewRun<'a> {
    /// That of the run, not of its campaign.
    pub(crate) name: &'a str,
    pub(crate) run: &'a Run,
    /// Has the rows.
    pub(crate) planned: &'a SqliteLedger,
    /// The paths in the campaign's folder, with the contents.
    pub(crate) files: &'a [(String, Vec<u8>)],
    pub(crate) verp_key: Option<[u8; 32]>,
    /// Where the run continues until [`PostgresLedger::unmark_moved`], so that this copy is not sent yet.
    pub(crate) moved_to: Option<&'a str>,
    /// The real runs of the campaign that the plan takes into account. If there are others, the run is
    /// not added.
    pub(crate) known: &'a [i64],
}

/// # Errors
/// The ledger can't be written, or a run of the campaign was added or is being sent.
pub(crate) fn add_run(
    database: &Arc<Database>,
    new: &NewRun<'_>,
) -> Result<PostgresLedger, LedgerError> {
    wait(async {
        let mut client = database.fresh().await?;
        let transaction = client.transaction().await.map_err(PostgresError::from)?;
        let id = insert_run(&transaction, database, new).await?;
        copy_rows(&transaction, id, new.planned).await?;
        copy_members(&transaction, id, new.planned).await?;
        copy_attachments(&transaction, id, new.planned).await?;
        copy_minutes(&transaction, id, new.planned).await?;
        copy_latencies(&transaction, id, new.planned).await?;
        let run = [(&id as &(dyn ToSql + Sync), Type::INT8)];
        let pace = "INSERT INTO mailrun.pace (run, lane) SELECT $1, generate_series(0, max(greatest(lane, -1 - lane)))
             FROM mailrun.delivery WHERE run = $1";
        execute(&transaction, pace, &run).await?;
        execute(&transaction, "SELECT mailrun.end_change($1)", &run).await?;
        transaction.commit().await.map_err(PostgresError::from)?;
        runs::by_id(database, id).await
    })
}

async fn insert_run(
    transaction: &Transaction<'_>,
    database: &Database,
    new: &NewRun<'_>,
) -> Result<i64, LedgerError> {
    let run = new.run;
    let campaign = [(&run.name as &(dyn ToSql + Sync), Type::TEXT)];
    let add = "INSERT INTO mailrun.campaign (name) VALUES ($1) ON CONFLICT DO NOTHING";
    execute(transaction, add, &campaign).await?;
    let lock = "SELECT FROM mailrun.campaign WHERE name = $1 FOR UPDATE";
    execute(transaction, lock, &campaign).await?;
    // A copy of the run that continued elsewhere until now.
    let old = [(&run.id_prefix as &(dyn ToSql + Sync), Type::TEXT)];
    let delete = "SELECT mailrun.delete_run(id) FROM mailrun.run WHERE id_prefix = $1 AND moved_to IS NOT NULL";
    execute(transaction, delete, &old).await?;
    if run.target == Target::Real {
        let others = "SELECT count(*) FROM mailrun.run WHERE campaign = $1 AND target = 'real' AND id <> ALL ($2)";
        let known = [
            campaign[0].clone(),
            (&new.known as &(dyn ToSql + Sync), Type::INT8_ARRAY),
        ];
        let row = transaction.query_typed_one(others, &known).await;
        if row
            .and_then(|row| row.try_get::<_, i64>(0))
            .map_err(PostgresError::from)?
            > 0
        {
            return Err(PostgresError::InUse(
                "another run of the campaign was added while this one was planned".to_owned(),
            )
            .into());
        }
        let idle = "SELECT mailrun.require_no_worker(id) FROM mailrun.run WHERE campaign = $1 AND target = 'real'";
        execute(transaction, idle, &campaign).await?;
    }
    let cluster = database.cluster()?;
    let header = serde_json::to_string(&run.header).unwrap_or_default();
    let variants = serde_json::to_string(&run.variants).unwrap_or_default();
    let verp_key = new.verp_key.as_ref().map(<[u8; 32]>::as_slice);
    let row = transaction
        .query_typed_one(
            "INSERT INTO mailrun.run (name, campaign, target, test_to, folder, started_at, id_prefix, header, blank_rows,
                                      rows, verp_key, counts, system_identifier, timeline, moved_to, variants, chosen)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, '{}', $11, $12, $13, $14, $15) RETURNING id",
            &[
                (&new.name, Type::TEXT),
                (&run.name, Type::TEXT),
                (&run.target.as_str(), Type::TEXT),
                (&run.test_to, Type::TEXT),
                (&run.campaign.to_string_lossy(), Type::TEXT),
                (&to_millis(run.started), Type::INT8),
                (&run.id_prefix, Type::TEXT),
                (&header, Type::TEXT),
                (&(run.blank_rows as i64), Type::INT8),
                (&verp_key, Type::BYTEA),
                (&cluster.system_identifier, Type::INT8),
                (&cluster.timeline, Type::INT4),
                (&new.moved_to, Type::TEXT),
                (&variants, Type::TEXT),
                (&run.chosen, Type::TEXT),
            ],
        )
        .await
        .map_err(PostgresError::from)?;
    let id: i64 = row.try_get(0).map_err(PostgresError::from)?;
    for (path, content) in new.files {
        let sql = "INSERT INTO mailrun.file (run, path, sha256, content) VALUES ($1, $2, $3, $4)";
        let file = [
            (&id as &(dyn ToSql + Sync), Type::INT8),
            (path, Type::TEXT),
            (&sha256(content), Type::TEXT),
            (content, Type::BYTEA),
        ];
        execute(transaction, sql, &file).await?;
    }
    Ok(id)
}

async fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<(), PostgresError> {
    transaction.query_typed(sql, parameters).await?;
    Ok(())
}

async fn copy_rows(
    transaction: &Transaction<'_>,
    id: i64,
    planned: &SqliteLedger,
) -> Result<(), LedgerError> {
    let recipients = "COPY mailrun.recipient (run, row, line, email, address, key, cells) FROM STDIN (FORMAT binary)";
    let recipient_types = [
        Type::INT8,
        Type::INT4,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
    ];
    let rows = copy(transaction, recipients, &recipient_types, planned, |row| {
        vec![
            Box::new(id),
            Box::new(number(row.row)),
            Box::new(row.line as i64),
            Box::new(row.email),
            Box::new(row.address),
            Box::new(row.key),
            Box::new(row.cells),
        ]
    })
    .await?;
    let deliveries = "COPY mailrun.delivery (run, row, status, attempts, resends, alone, lane, message_id, code, error, at, variant,
                                    chosen)
         FROM STDIN (FORMAT binary)";
    let status = transaction
        .prepare("SELECT NULL::mailrun.status")
        .await
        .map_err(PostgresError::from)?;
    let delivery_types = [
        Type::INT8,
        Type::INT4,
        status.columns()[0].type_().clone(),
        Type::INT4,
        Type::INT4,
        Type::BOOL,
        Type::INT4,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::TEXT,
        Type::BOOL,
    ];
    copy(transaction, deliveries, &delivery_types, planned, |row| {
        vec![
            Box::new(id),
            Box::new(number(row.row)),
            Box::new(StatusLabel(row.status)),
            Box::new(number(row.attempts)),
            Box::new(number(row.resends)),
            Box::new(row.alone),
            Box::new(row.lane),
            Box::new(row.message_id),
            Box::new(row.code),
            Box::new(row.error),
            Box::new(row.at),
            Box::new(row.variant),
            Box::new(row.chosen),
        ]
    })
    .await?;
    let count = "UPDATE mailrun.run SET rows = $2 WHERE id = $1";
    let parameters = [
        (&id as &(dyn ToSql + Sync), Type::INT8),
        (&(rows as i64), Type::INT8),
    ];
    Ok(execute(transaction, count, &parameters).await?)
}

/// Copies all rows into a table. Returns their number.
async fn copy(
    transaction: &Transaction<'_>,
    sql: &str,
    types: &[Type],
    planned: &SqliteLedger,
    columns: impl Fn(StoredRow) -> Vec<Box<dyn ToSql + Sync>>,
) -> Result<u64, LedgerError> {
    let sink = transaction
        .copy_in(sql)
        .await
        .map_err(PostgresError::from)?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
    let (mut after, mut rows) = (0, 0);
    loop {
        let page = planned.stored_rows(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.row;
        for row in page {
            rows += 1;
            let columns = columns(row);
            let columns: Vec<&(dyn ToSql + Sync)> =
                columns.iter().map(|column| &**column).collect();
            let written = writer.as_mut().write(&columns).await;
            written.map_err(PostgresError::from)?;
        }
    }
    writer.finish().await.map_err(PostgresError::from)?;
    Ok(rows)
}

/// Copies the rows that are in the messages of others.
async fn copy_members(
    transaction: &Transaction<'_>,
    id: i64,
    planned: &SqliteLedger,
) -> Result<(), LedgerError> {
    let mut after = 0;
    loop {
        let page = planned.stored_members(after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.row;
        let rows: Vec<i32> = page.iter().map(|one| number(one.row)).collect();
        let firsts: Vec<i32> = page.iter().map(|one| number(one.first)).collect();
        let lines: Vec<i64> = page.iter().map(|one| one.line as i64).collect();
        let emails: Vec<&str> = page.iter().map(|one| one.email.as_str()).collect();
        let cells: Vec<&str> = page.iter().map(|one| one.cells.as_str()).collect();
        let sql = "INSERT INTO mailrun.member (run, row, first, line, email, cells)
             SELECT $1, * FROM unnest($2, $3, $4, $5, $6)";
        let parameters = [
            (&id as &(dyn ToSql + Sync), Type::INT8),
            (&rows, Type::INT4_ARRAY),
            (&firsts, Type::INT4_ARRAY),
            (&lines, Type::INT8_ARRAY),
            (&emails, Type::TEXT_ARRAY),
            (&cells, Type::TEXT_ARRAY),
        ];
        execute(transaction, sql, &parameters).await?;
    }
}

async fn copy_attachments(
    transaction: &Transaction<'_>,
    id: i64,
    planned: &SqliteLedger,
) -> Result<(), LedgerError> {
    let last = crate::ledger::Ledger::last_row(planned)?;
    let mut after = 0;
    while after < last {
        let page = planned.stored_attachments(after, PAGE)?;
        after = after.saturating_add(PAGE);
        if page.is_empty() {
            continue;
        }
        let rows: Vec<i32> = page.iter().map(|one| number(one.row)).collect();
        let positions: Vec<i32> = page
            .iter()
            .map(|one| number(one.recorded.position))
            .collect();
        let paths: Vec<String> = page
            .iter()
            .map(|one| one.recorded.path.to_string_lossy().into_owned())
            .collect();
        let sizes: Vec<i64> = page.iter().map(|one| one.recorded.size as i64).collect();
        let hashes: Vec<&str> = page
            .iter()
            .map(|one| one.recorded.sha256.as_str())
            .collect();
        let sql = "INSERT INTO mailrun.attachment (run, row, position, path, size, sha256)
             SELECT $1, * FROM unnest($2, $3, $4, $5, $6)";
        let parameters = [
            (&id as &(dyn ToSql + Sync), Type::INT8),
            (&rows, Type::INT4_ARRAY),
            (&positions, Type::INT4_ARRAY),
            (&paths, Type::TEXT_ARRAY),
            (&sizes, Type::INT8_ARRAY),
            (&hashes, Type::TEXT_ARRAY),
        ];
        execute(transaction, sql, &parameters).await?;
    }
    Ok(())
}

async fn copy_minutes(
    transaction: &Transaction<'_>,
    id: i64,
    planned: &SqliteLedger,
) -> Result<(), LedgerError> {
    let page = planned.stored_minutes()?;
    let minutes: Vec<i64> = page.iter().map(|one| one.minute).collect();
    let lanes: Vec<i32> = page.iter().map(|one| number(one.lane)).collect();
    let recipients: Vec<i64> = page.iter().map(|one| one.recipients as i64).collect();
    let sql = "INSERT INTO mailrun.posted (run, worker, minute, lane, recipients)
         SELECT $1, 0, * FROM unnest($2, $3, $4)";
    let parameters = [
        (&id as &(dyn ToSql + Sync), Type::INT8),
        (&minutes, Type::INT8_ARRAY),
        (&lanes, Type::INT4_ARRAY),
        (&recipients, Type::INT8_ARRAY),
    ];
    Ok(execute(transaction, sql, &parameters).await?)
}

async fn copy_latencies(
    transaction: &Transaction<'_>,
    id: i64,
    planned: &SqliteLedger,
) -> Result<(), LedgerError> {
    let (bounds, requests): (Vec<i32>, Vec<i64>) = (planned.latencies()?.classes())
        .map(|(bound, requests)| (number(bound), requests as i64))
        .unzip();
    let sql = "INSERT INTO mailrun.latency (run, worker, bound, requests)
         SELECT $1, 0, * FROM unnest($2, $3)";
    let parameters = [
        (&id as &(dyn ToSql + Sync), Type::INT8),
        (&bounds, Type::INT4_ARRAY),
        (&requests, Type::INT8_ARRAY),
    ];
    Ok(execute(transaction, sql, &parameters).await?)
}

/// A status as a value of the database's type.
#[derive(Debug)]
struct StatusLabel(Status);

impl ToSql for StatusLabel {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_str().as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        kind.schema() == "mailrun" && kind.name() == "status"
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

/// Prevents others from planning a run of the same campaign. It ends with its connection at the latest.
pub(crate) struct PlanLock {
    client: Client,
    campaign: String,
}

impl PlanLock {
    /// # Errors
    /// Another process plans a run of the campaign, or sends one.
    pub(crate) fn take(database: &Database, campaign: &str) -> Result<Self, LedgerError> {
        wait(async {
            let client = database.fresh().await?;
            let parameters = [(&campaign as &(dyn ToSql + Sync), Type::TEXT)];
            let lock = "SELECT pg_try_advisory_lock(mailrun.campaign_key($1))";
            let row = client.query_typed_one(lock, &parameters).await;
            let free: bool = row
                .and_then(|row| row.try_get(0))
                .map_err(PostgresError::from)?;
            if !free {
                return Err(PostgresError::InUse(
                    "another process plans to send the campaign".to_owned(),
                ));
            }
            let idle = "SELECT mailrun.require_no_worker(id) FROM mailrun.run WHERE campaign = $1 AND target = 'real'";
            client
                .query_typed(idle, &parameters)
                .await
                .map_err(PostgresError::from)?;
            Ok(Self {
                client,
                campaign: campaign.to_owned(),
            })
        })
        .map_err(LedgerError::Postgres)
    }

    /// Others may join the run when this returns.
    pub(crate) fn release(self) {
        let unlock = "SELECT pg_advisory_unlock(mailrun.campaign_key($1))";
        let campaign = [(&self.campaign as &(dyn ToSql + Sync), Type::TEXT)];
        // If this fails, the end of the connection releases it a moment later.
        let _: Result<_, PostgresError> =
            wait(async { Ok(self.client.query_typed(unlock, &campaign).await?) });
    }
}
