//! The version of the schema `mailrun`, its migrations and its grants.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::ledger::PostgresError;

/// The files that lead from version 0, without a schema, to the newest version. They run in a transaction:
/// none may begin or end one.
const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/001.sql"),
    include_str!("migrations/002.sql"),
    include_str!("migrations/003.sql"),
    include_str!("migrations/004.sql"),
    include_str!("migrations/005.sql"),
    include_str!("migrations/006.sql"),
    include_str!("migrations/007.sql"),
];
const VERSION: i32 = MIGRATIONS.len() as i32;
/// The advisory lock of those that migrate.
const LOCK: i64 = 0x6d61_696c_7275_6e00;

/// What [`init`] did: the versions before and after it. 0 is no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    pub from: i32,
    pub to: i32,
}

/// Creates the schema or brings it to the newest version, in one transaction. With a worker role, grants it what
/// workers need, now and for tables and functions of later versions. Doing it twice, or at the same time as
/// another, is harmless.
///
/// # Errors
/// The schema is newer, there is no such role, or the user may not create the schema.
pub async fn init(
    client: &mut Client,
    worker_role: Option<&str>,
) -> Result<Migration, PostgresError> {
    let transaction = client.transaction().await?;
    // Waits for another one's end; its changes are visible to the next statement.
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let from = found_version(&transaction).await?;
    if from > VERSION {
        return Err(newer(from));
    }
    for (version, migration) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > from) {
        transaction.batch_execute(migration).await?;
        transaction
            .execute(
                "INSERT INTO mailrun.schema_version (version) VALUES ($1)",
                &[&version],
            )
            .await?;
    }
    transaction.batch_execute(REVOKE).await?;
    if let Some(role) = worker_role {
        grant(&transaction, role).await?;
    }
    transaction.commit().await?;
    Ok(Migration { from, to: VERSION })
}

/// # Errors
/// There is no schema, it has another version than this mailrun's, or the user may not use it.
pub async fn check_version(client: &Client) -> Result<(), PostgresError> {
    let row = client.query_one(NEWEST, &[]).await;
    let row = row.map_err(|error| match error.code() {
        Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => {
            PostgresError::NoSchema
        }
        _ => error.into(),
    })?;
    match row.try_get(0)? {
        0 => Err(PostgresError::NoSchema),
        VERSION => Ok(()),
        found if found > VERSION => Err(newer(found)),
        found => Err(PostgresError::Older {
            found,
            known: VERSION,
        }),
    }
}

const NEWEST: &str = "SELECT coalesce(max(version), 0) FROM mailrun.schema_version";

const REVOKE: &str = "\
    REVOKE ALL ON SCHEMA mailrun FROM PUBLIC;\
    REVOKE ALL ON ALL TABLES IN SCHEMA mailrun FROM PUBLIC;\
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA mailrun FROM PUBLIC;\
    REVOKE ALL ON ALL ROUTINES IN SCHEMA mailrun FROM PUBLIC;";

/// The version of the schema; 0 if there is none.
async fn found_version(transaction: &Transaction<'_>) -> Result<i32, PostgresError> {
    let exists = "SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
                  WHERE nspname = 'mailrun' AND relname = 'schema_version'";
    if transaction.query_opt(exists, &[]).await?.is_none() {
        return Ok(0);
    }
    Ok(transaction.query_one(NEWEST, &[]).await?.try_get(0)?)
}

async fn grant(transaction: &Transaction<'_>, role: &str) -> Result<(), PostgresError> {
    let found = "SELECT quote_ident(rolname), \
                     oid IN (SELECT relowner FROM pg_class WHERE oid = 'mailrun.schema_version'::regclass) \
                 FROM pg_roles WHERE rolname = $1";
    let Some(row) = transaction.query_opt(found, &[&role]).await? else {
        return Err(PostgresError::NoRole(role.to_owned()));
    };
    let (role, is_owner): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
    if is_owner {
        return Ok(());
    }
    let grants = format!(
        "GRANT USAGE ON SCHEMA mailrun TO {role};\
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mailrun TO {role};\
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA mailrun TO {role};\
         GRANT EXECUTE ON ALL ROUTINES IN SCHEMA mailrun TO {role};\
         REVOKE INSERT, UPDATE, DELETE ON mailrun.schema_version FROM {role};\
         ALTER DEFAULT PRIVILEGES IN SCHEMA mailrun GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};\
         ALTER DEFAULT PRIVILEGES IN SCHEMA mailrun GRANT USAGE ON SEQUENCES TO {role};\
         ALTER DEFAULT PRIVILEGES IN SCHEMA mailrun GRANT EXECUTE ON ROUTINES TO {role};"
    );
    Ok(transaction.batch_execute(&grants).await?)
}

fn newer(found: i32) -> PostgresError {
    PostgresError::Newer {
        found,
        known: VERSION,
    }
}
