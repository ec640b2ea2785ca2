//! Reading rows.

use std::collections::HashMap;
use std::path::PathBuf;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresLedger;
use super::columns::{column, number};
use crate::ledger::rows::{other_row, stored_mailbox};
use crate::ledger::{
    LedgerError, MEMBERS_PAGE, PlannedRow, ResultRow, Status, from_millis, parse_cells,
};
use crate::render::{self, Recorded};

impl PostgresLedger {
    /// At most `most` rows after `after` up to `last` that match `filter`, a condition on `d`, a row of
    /// `delivery`, with the other rows of their groups; fewer if these are many.
    pub(super) async fn planned_rows(
        &self,
        filter: &str,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        let mut planned = self.first_rows(filter, after, last, most).await?;
        self.take_page(&mut planned).await
    }

    /// The same rows, all of them and without the other rows of their groups.
    pub(super) async fn first_rows(
        &self,
        filter: &str,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        let sql = format!(
            "SELECT d.row, r.line, r.email, r.address, r.cells, d.attempts, d.resends, d.alone, d.variant
             FROM mailrun.delivery AS d JOIN mailrun.recipient AS r USING (run, row)
             WHERE d.run = $1 AND d.row > $2 AND d.row <= $3 AND {filter} ORDER BY d.row LIMIT $4"
        );
        let rows = self
            .database
            .query(
                &sql,
                &[
                    (&self.id, Type::INT8),
                    (&number(after), Type::INT4),
                    (&number(last), Type::INT4),
                    (&i64::from(most), Type::INT8),
                ],
            )
            .await?;
        let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        let mut attachments = self.attachments_of(&numbers).await?;
        let planned = rows.iter().map(|row| {
            let recorded = attachments.remove(&column(row, 0)?).unwrap_or_default();
            planned_row(row, recorded)
        });
        planned.collect()
    }

    /// Takes rows off the start of `planned`, and adds the other rows of their groups: all of them, or fewer if these are
    /// many. Takes nothing while the database can't be read.
    pub(super) async fn take_page(
        &self,
        planned: &mut Vec<PlannedRow>,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        if !self.has_members {
            return Ok(std::mem::take(planned));
        }
        let numbers: Vec<i32> = planned.iter().map(|row| number(row.row.number)).collect();
        let numbers = &numbers[..self.page_length(&numbers).await?];
        let sql = "SELECT first, cells FROM mailrun.member WHERE run = $1 AND first = ANY ($2) ORDER BY first, row";
        let parameters = [
            (&self.id as &(dyn ToSql + Sync), Type::INT8),
            (&numbers, Type::INT4_ARRAY),
        ];
        let members = self.database.query(sql, &parameters).await?;
        let mut members = members.iter().peekable();
        let mut page: Vec<PlannedRow> = planned.drain(..numbers.len()).collect();
        for planned in &mut page {
            while let Some(member) = members.peek()
                && column::<i32>(member, 0)? == number(planned.row.number)
            {
                planned.row.others.push(other_row(column(member, 1)?)?);
                members.next();
            }
        }
        Ok(page)
    }

    /// How many of the rows with these numbers, which are in order, are read together with the other rows of their groups.
    async fn page_length(&self, numbers: &[i32]) -> Result<usize, LedgerError> {
        let sql = "SELECT first, count(*) FROM mailrun.member WHERE run = $1 AND first = ANY ($2) GROUP BY first ORDER BY first";
        let parameters = [
            (&self.id as &(dyn ToSql + Sync), Type::INT8),
            (&numbers, Type::INT4_ARRAY),
        ];
        let mut members = 0;
        for row in &self.database.query(sql, &parameters).await? {
            if members >= MEMBERS_PAGE {
                let first: i32 = column(row, 0)?;
                return Ok(numbers.partition_point(|number| *number < first));
            }
            members += column::<i64>(row, 1)? as usize;
        }
        Ok(numbers.len())
    }

    /// The rows in the messages of others, as they are in the results.
    pub(super) async fn result_members(
        &self,
        after: u32,
        last: u32,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let sql = "SELECT m.row, m.line, m.email, m.cells, d.status::text, d.message_id, d.code, d.error, d.attempts,
                    d.resends, d.at, d.variant, m.first
             FROM mailrun.member AS m JOIN mailrun.delivery AS d ON d.run = m.run AND d.row = m.first
             WHERE m.run = $1 AND m.row > $2 AND m.row <= $3 ORDER BY m.row";
        let parameters = [
            (&self.id as &(dyn ToSql + Sync), Type::INT8),
            (&number(after), Type::INT4),
            (&number(last), Type::INT4),
        ];
        let rows = self.database.query(sql, &parameters).await?;
        let rows = rows.iter().map(|row| {
            Ok(ResultRow {
                message_row: column::<i32>(row, 12)? as u32,
                ..result_row(row)?
            })
        });
        rows.collect()
    }

    /// The own attachments of rows, as they were when the run was planned.
    async fn attachments_of(
        &self,
        rows: &[i32],
    ) -> Result<HashMap<i32, Vec<Recorded>>, LedgerError> {
        let mut attachments: HashMap<i32, Vec<Recorded>> = HashMap::new();
        if rows.is_empty() || !self.has_attachments {
            return Ok(attachments);
        }
        let found = self
            .database
            .query(
                "SELECT row, position, path, size, sha256 FROM mailrun.attachment
                 WHERE run = $1 AND row = ANY ($2) ORDER BY row, position",
                &[(&self.id, Type::INT8), (&rows, Type::INT4_ARRAY)],
            )
            .await?;
        for row in &found {
            let recorded = Recorded {
                position: column::<i32>(row, 1)? as u32,
                path: PathBuf::from(column::<String>(row, 2)?),
                size: column::<i64>(row, 3)? as u64,
                sha256: column(row, 4)?,
            };
            attachments
                .entry(column(row, 0)?)
                .or_default()
                .push(recorded);
        }
        Ok(attachments)
    }

    /// At most `most` rows that match `filter`, a condition on `d`, a row of `delivery`, with parameters
    /// from $3.
    pub(super) async fn result_rows(
        &self,
        filter: &str,
        more: &[(&(dyn ToSql + Sync), Type)],
        most: u32,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let sql = format!(
            "SELECT d.row, r.line, r.email, r.cells, d.status::text, d.message_id, d.code, d.error, d.attempts,
                    d.resends, d.at, d.variant
             FROM mailrun.delivery AS d JOIN mailrun.recipient AS r USING (run, row)
             WHERE d.run = $1 AND {filter} ORDER BY d.row LIMIT $2"
        );
        let most = i64::from(most);
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&self.id, Type::INT8), (&most, Type::INT8)];
        parameters.extend(more.iter().cloned());
        let rows = self.database.query(&sql, &parameters).await?;
        rows.iter().map(result_row).collect()
    }
}

fn planned_row(row: &Row, recorded: Vec<Recorded>) -> Result<PlannedRow, LedgerError> {
    let number = column::<i32>(row, 0)? as u32;
    let address: Option<&str> = column(row, 3)?;
    let (cells, json) = parse_cells(column(row, 4)?)?;
    Ok(PlannedRow {
        row: render::Row {
            number,
            mailbox: stored_mailbox(number, column(row, 2)?, address.unwrap_or_default())?,
            variant: column(row, 8)?,
            cells,
            json,
            others: Vec::new(),
            resends: column::<i32>(row, 6)? as u32,
            recorded,
        },
        line: column::<i64>(row, 1)? as u64,
        attempts: column::<i32>(row, 5)? as u32,
        alone: column(row, 7)?,
    })
}

fn result_row(row: &Row) -> Result<ResultRow, LedgerError> {
    Ok(ResultRow {
        number: column::<i32>(row, 0)? as u32,
        message_row: column::<i32>(row, 0)? as u32,
        line: column::<i64>(row, 1)? as u64,
        email: column(row, 2)?,
        cells: parse_cells(column(row, 3)?)?.0,
        variant: column(row, 11)?,
        status: Status::parse(column(row, 4)?)?,
        message_id: column(row, 5)?,
        code: column(row, 6)?,
        error: column(row, 7)?,
        attempts: column::<i32>(row, 8)? as u32,
        possible_duplicate: column::<i32>(row, 9)? > 0,
        at: column::<Option<i64>>(row, 10)?
            .map(from_millis)
            .transpose()?,
    })
}
