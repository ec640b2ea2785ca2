//! Why entries of the journal wait.

use super::schema::JournalError;
use crate::feedback::list_feed::FeedError;
use crate::feedback::store::EventsError;
use crate::suppression::ListError;

#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(
        "people unsubscribed from the list {0}, which no campaign of this server has any more: start `mailrun feedback` with its campaign"
    )]
    NotServed(String),
}
