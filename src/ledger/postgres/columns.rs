//! Values of the database.

use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::ledger::postgres_error::PostgresError;

/// The highest number of a row in the database.
const MAX_ROW: u32 = i32::MAX as u32;

/// A row's number as a parameter.
pub(crate) fn number(row: u32) -> i32 {
    row.min(MAX_ROW) as i32
}

/// # Errors
/// The column has another type.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, PostgresError> {
    Ok(row.try_get(index)?)
}

/// In hexadecimal.
pub(super) fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
