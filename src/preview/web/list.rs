//! The list of recipients: pages of rows, searches, and rows with findings.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::live_campaign::LiveCampaign;
use super::loaded_campaign::LoadedCampaign;
use super::query::{Query, QueryError};
use super::to_json;
use crate::finding::Severity;
use crate::web::{HttpError, QueryParams, json};

/// The most rows of one answer.
const MAX_ROWS: usize = 200;
/// The most time for one step of a scan.
const SCAN_STEP: Duration = Duration::from_millis(500);

impl From<std::io::Error> for HttpError {
    fn from(error: std::io::Error) -> Self {
        let text = format!("Can't read the recipients: {error}");
        Self(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// The campaign: its title, columns, errors, and findings that every message has.
pub(super) async fn about(State(live): State<Arc<LiveCampaign>>) -> Response {
    let version = *live.version.borrow();
    let (current, has_previous, errors) = live.versions(|versions| {
        let has_previous = versions.previous.is_some();
        let errors = Arc::clone(&versions.errors);
        (versions.current.clone(), has_previous, errors)
    });
    let mut about = json!({
        "version": format!("{}-{version}", live.started),
        "broken": to_json::findings(&errors),
        "saved": has_previous,
        "title": null,
        "rows": 0,
        "columns": [],
        "file": null,
        "common": [],
    });
    if let Some(current) = current {
        let used = current.engines.used_columns();
        let used = |index: usize| used.iter().any(|(column, _)| *column == index);
        let columns = current.rows.header.iter().enumerate();
        about["title"] = current.campaign.name.clone().into();
        about["rows"] = current.rows.count().into();
        about["file"] = current.rows.name.clone().into();
        about["columns"] = columns
            .map(|(index, name)| json!({ "name": name, "used": used(index) }))
            .collect();
        // These rules may read files.
        let findings = move || to_json::findings(current.campaign_findings());
        let common = tokio::task::spawn_blocking(findings).await;
        about["common"] = common.unwrap_or_default();
    }
    json(&about)
}

/// A page of the rows that match a search, or the rows with the numbers in `of`.
pub(super) async fn rows(
    State(live): State<Arc<LiveCampaign>>,
    fields: QueryParams,
) -> Result<Response, HttpError> {
    let page = live.with_current(move |_, current| {
        let of = fields.get("of");
        if !of.is_empty() {
            let rows = of.split(',').filter_map(|row| row.parse().ok());
            return Ok(json!({ "rows": lines(current, rows)? }));
        }
        let text = fields.get("q");
        let query = Query::parse(text, &current.rows.header)?;
        let matches = current.matches(text, &query)?;
        let number = |name| fields.number(name).and_then(|it| usize::try_from(it).ok());
        let from = number("from").unwrap_or(0).min(matches.count());
        // Rows with findings come from `scan`.
        let scan = query.findings.is_some();
        let limit = match scan {
            true => 0,
            false => number("limit").unwrap_or(50).min(MAX_ROWS),
        };
        let rows = (from..from.saturating_add(limit)).map_while(|place| matches.at(place));
        let open_row = number("row").and_then(|row| u32::try_from(row).ok());
        Ok(json!({
            "total": current.rows.count(),
            "matches": matches.count(),
            "place": open_row.and_then(|row| matches.place(row)),
            "from": from,
            "scan": scan,
            "rows": lines(current, rows)?,
        }))
    });
    Ok(json(&page.await?))
}

fn lines(
    current: &LoadedCampaign,
    rows: impl Iterator<Item = u32>,
) -> Result<Vec<Value>, HttpError> {
    let mut lines = Vec::new();
    for row in rows.take(MAX_ROWS) {
        if let Some(recipient) = current.recipient(row, &[])? {
            lines.push(to_json::line(current, &recipient));
        }
    }
    Ok(lines)
}

/// Checks the messages of the rows that match a search, from a place on, until `limit` messages with
/// findings are found or the time is up. Returns how far it got.
pub(super) async fn scan(
    State(live): State<Arc<LiveCampaign>>,
    fields: QueryParams,
) -> Result<Response, HttpError> {
    let started = Instant::now();
    let scanned = live.with_current(move |_, current| {
        let text = fields.get("q");
        let query = Query::parse(text, &current.rows.header)?;
        let least = query.findings.unwrap_or(Severity::Warning);
        let matches = current.matches(text, &query)?;
        let number = |name| fields.number(name).and_then(|it| usize::try_from(it).ok());
        let mut place = number("from").unwrap_or(0);
        let limit = number("limit").unwrap_or(1).clamp(1, MAX_ROWS);
        let checkers = current.checkers().map_err(|_| invalid_check())?;
        let common = current.common_warnings(&checkers)?;
        let mut found = Vec::new();
        while found.len() < limit && started.elapsed() < SCAN_STEP {
            let Some(row) = matches.at(place) else { break };
            let recipient = current.recipient(row, &[])?;
            let has_finding = recipient.is_some_and(|recipient| {
                let mut findings = current.findings(&checkers, &recipient).into_iter();
                findings.any(|it| it.severity >= least && !common.contains(&it))
            });
            if has_finding {
                found.push(json!({ "place": place, "row": row }));
            }
            place += 1;
        }
        Ok(json!({
            "found": found,
            "next": place,
            "matches": matches.count(),
            "done": matches.at(place).is_none(),
        }))
    });
    Ok(json(&scanned.await?))
}

pub(super) fn invalid_check() -> HttpError {
    let text = "The [check] table of campaign.toml is invalid.".to_owned();
    HttpError(StatusCode::CONFLICT, text)
}
