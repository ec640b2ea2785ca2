//! What happens to messages after the API has accepted them.
//!
//! [`Follow`] asks the API about the messages of a run and reads the bounces in a mailbox, `MessageIndex` finds the rows that its events are about, and an
//! [`EventStore`] keeps them: in a file of the run's folder, or in the database of the run. A [`ListFeed`] brings them
//! to the kept list of the campaign.

mod bounce;
mod event;
mod follow;
mod index;
mod list_feed;
mod mailbox;
mod postgres;
mod server;
mod sqlite;
mod store;
mod tracking_api;

pub(crate) use bounce::{BounceCounts, BounceReader};
pub(crate) use event::{StateCounts, StoredEvent};
pub(crate) use follow::{EventSources, Follow, FollowReport, FollowSettings, Round};
pub(crate) use list_feed::{FeedError, ListFeed};
pub(crate) use postgres::PostgresEvents;
pub(crate) use server::{
    FeedbackSetup, JournalError, ListExport, RunAccess, RunCatalog, ServedList, ServedRun,
    WebhookSecrets, forget_in_journal, open_journal, serve as serve_feedback,
};
pub(crate) use sqlite::{SqliteEvents, path_in};
pub(crate) use store::{EventStore, EventsError};
pub(crate) use tracking_api::{TrackingApi, TrackingApiSettings};
