//! What the requests of the page say, and the errors that answer them.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::condition::Condition;
use super::query::{Query, QueryError};
use crate::clock::Clock;
use crate::gateway::store::StoreError;
use crate::web::{HttpError, QueryParams};

/// The variable parts of a path. If they can't be decoded, the error is JSON like all others.
pub(super) struct PathParams<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(_) => {
                let message = "This address is not valid.".to_owned();
                Err(HttpError(StatusCode::BAD_REQUEST, message))
            }
        }
    }
}

impl QueryParams {
    /// The search.
    pub(super) fn condition(&self, clock: &Clock) -> Result<Condition, HttpError> {
        Ok(Condition::from(&self.query(clock)?))
    }

    /// The search, for an action on all matches: it must not contain a half-typed term.
    pub(super) fn complete_condition(&self, clock: &Clock) -> Result<Condition, HttpError> {
        let query = self.query(clock)?;
        if query.is_incomplete {
            let message = "The search has an incomplete term, such as `subject:` without a value. \
                           Complete or remove it.";
            return Err(HttpError(StatusCode::BAD_REQUEST, message.to_owned()));
        }
        Ok(Condition::from(&query))
    }

    fn query(&self, clock: &Clock) -> Result<Query, QueryError> {
        let zone = TimeZone::get(self.get("zone")).unwrap_or(TimeZone::UTC);
        Query::parse(self.get("q"), clock.now(), &zone)
    }
}

impl HttpError {
    pub(super) fn no_message() -> Self {
        let message = "This message does not exist, or was deleted.";
        Self(StatusCode::NOT_FOUND, message.to_owned())
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}
