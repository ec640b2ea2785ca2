//! What the page's requests bring, and how they are answered.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::condition::Condition;
use super::query::{Query, QueryError};
use crate::clock::Clock;
use crate::gateway::store::StoreError;

pub(super) use crate::web::{Failed, Fields, json};

/// What an address of the page names: a message, one of its files. What can name none is told as all
/// else is.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(named)| Self(named)).map_err(|_| {
            let words = "This address can name nothing that is here.";
            Failed(StatusCode::BAD_REQUEST, words.to_owned())
        })
    }
}

impl Fields {
    /// What is searched for.
    pub(super) fn condition(&self, clock: &Clock) -> Result<Condition, Failed> {
        Ok(Condition::from(&self.query(clock)?))
    }

    /// What is searched for, where something is done to all of it: nothing that is half typed.
    pub(super) fn finished(&self, clock: &Clock) -> Result<Condition, Failed> {
        let query = self.query(clock)?;
        if query.is_unfinished {
            let words = "Something in the search says nothing yet, such as `subject:` with nothing after it. \
                         Finish it, or take it out.";
            return Err(Failed(StatusCode::BAD_REQUEST, words.to_owned()));
        }
        Ok(Condition::from(&query))
    }

    fn query(&self, clock: &Clock) -> Result<Query, QueryError> {
        let zone = TimeZone::get(self.get("zone")).unwrap_or(TimeZone::UTC);
        Query::parse(self.get("q"), clock.now(), &zone)
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
