//! The recipients: as many as are seen, found and looked through.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::loaded::Loaded;
use super::query::{Query, QueryError};
use super::shown;
use super::site::Site;
use crate::finding::Severity;
use crate::web::{Failed, Fields, json};

/// The most rows of one answer.
const MAX_ROWS: usize = 200;
/// How long one answer may look for findings.
const SLICE: Duration = Duration::from_millis(500);

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        let words = format!("The recipients can't be read: {error}");
        Self(StatusCode::INTERNAL_SERVER_ERROR, words)
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// What the page is about, and what is wrong with it.
pub(super) async fn about(State(site): State<Arc<Site>>) -> Response {
    let version = *site.version.borrow();
    let (now, broken) = site.state(|state| (state.now.clone(), Arc::clone(&state.broken)));
    let before = site.state(|state| state.before.is_some());
    let mut about = json!({
        "version": format!("{}-{version}", site.begun),
        "broken": shown::findings(&broken),
        "saved": before,
        "title": null,
        "rows": 0,
        "columns": [],
        "file": null,
        "common": [],
    });
    if let Some(now) = now {
        let used = now.engine.used_columns();
        let used = |place: usize| used.iter().any(|(column, _)| *column == place);
        let columns = now.spool.header.iter().enumerate();
        about["title"] = now.campaign.name.clone().into();
        about["rows"] = now.spool.count().into();
        about["file"] = now.spool.name.clone().into();
        about["columns"] = columns
            .map(|(place, name)| json!({ "name": name, "used": used(place) }))
            .collect();
        // The rules of the whole campaign may read files.
        let common = tokio::task::spawn_blocking(move || shown::findings(now.common()));
        about["common"] = common.await.unwrap_or_default();
    }
    json(&about)
}

/// A page of the rows that a search finds, or certain rows.
pub(super) async fn rows(
    State(site): State<Arc<Site>>,
    fields: Fields,
) -> Result<Response, Failed> {
    let found = site.with(move |_, now| {
        let of = fields.get("of");
        if !of.is_empty() {
            let rows = of.split(',').filter_map(|row| row.parse().ok());
            return Ok(json!({ "rows": lines(now, rows)? }));
        }
        let text = fields.get("q");
        let query = Query::parse(text, &now.spool.header)?;
        let found = now.found(text, &query)?;
        let number = |name| fields.number(name).and_then(|it| usize::try_from(it).ok());
        let from = number("from").unwrap_or(0).min(found.count());
        // Those with findings are to be looked for.
        let scan = query.findings.is_some();
        let limit = match scan {
            true => 0,
            false => number("limit").unwrap_or(50).min(MAX_ROWS),
        };
        let rows = (from..from.saturating_add(limit)).map_while(|place| found.at(place));
        let own = number("row").and_then(|row| u32::try_from(row).ok());
        Ok(json!({
            "total": now.spool.count(),
            "matches": found.count(),
            "place": own.and_then(|row| found.place(row)),
            "from": from,
            "scan": scan,
            "rows": lines(now, rows)?,
        }))
    });
    Ok(json(&found.await?))
}

fn lines(now: &Loaded, rows: impl Iterator<Item = u32>) -> Result<Vec<Value>, Failed> {
    let mut lines = Vec::new();
    for row in rows.take(MAX_ROWS) {
        if let Some(recipient) = now.recipient(row, &[])? {
            lines.push(shown::line(now, &recipient));
        }
    }
    Ok(lines)
}

/// Looks through the rows that a search finds for messages that something is wrong with, from a
/// place on, for a moment. Says how far it came.
pub(super) async fn scan(
    State(site): State<Arc<Site>>,
    fields: Fields,
) -> Result<Response, Failed> {
    let begun = Instant::now();
    let scanned = site.with(move |_, now| {
        let text = fields.get("q");
        let query = Query::parse(text, &now.spool.header)?;
        let least = query.findings.unwrap_or(Severity::Warning);
        let found = now.found(text, &query)?;
        let number = |name| fields.number(name).and_then(|it| usize::try_from(it).ok());
        let mut place = number("from").unwrap_or(0);
        let limit = number("limit").unwrap_or(1).clamp(1, MAX_ROWS);
        let checker = now.checker().map_err(|_| broken())?;
        let everywhere = now.everywhere(&checker)?;
        let mut with = Vec::new();
        while with.len() < limit && begun.elapsed() < SLICE {
            let Some(row) = found.at(place) else { break };
            let recipient = now.recipient(row, &[])?;
            let wrong = recipient.is_some_and(|recipient| {
                let mut findings = now.findings(&checker, &recipient).into_iter();
                findings.any(|it| it.severity >= least && !everywhere.has(&it))
            });
            if wrong {
                with.push(json!({ "place": place, "row": row }));
            }
            place += 1;
        }
        Ok(json!({
            "found": with,
            "next": place,
            "matches": found.count(),
            "done": found.at(place).is_none(),
        }))
    });
    Ok(json(&scanned.await?))
}

pub(super) fn broken() -> Failed {
    let words = "[check] of the campaign is wrong.".to_owned();
    Failed(StatusCode::CONFLICT, words)
}
