//! What the page's requests bring, and how they are answered.

use axum::http::StatusCode;
use jiff::tz::TimeZone;

use super::query::{Condition, Query, QueryError};
use crate::clock::Clock;
use crate::gateway::store::StoreError;

pub(super) use crate::web::{Failed, Fields, json};

impl Fields {
    /// What is searched for.
    pub(super) fn condition(&self, clock: &Clock) -> Result<Condition, Failed> {
        let zone = TimeZone::get(self.get("zone")).unwrap_or(TimeZone::UTC);
        let query = Query::parse(self.get("q"), clock.now(), &zone)?;
        Ok(query.condition())
    }
}

impl Failed {
    /// There is no such message.
    pub(super) fn gone() -> Self {
        let words = "This message is not here, or no longer.";
        Self(StatusCode::NOT_FOUND, words.to_owned())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<QueryError> for Failed {
    fn from(error: QueryError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}
