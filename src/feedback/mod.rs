//! What happens to messages after the API has accepted them.
//!
//! [`Follow`] asks the API about the messages of a run, `MessageIndex` finds the rows that its events are about, and an
//! [`EventStore`] keeps them: in a file of the run's folder, or in the database of the run.

mod event;
mod follow;
mod index;
mod postgres;
mod sqlite;
mod store;

pub(crate) use event::StateCounts;
pub(crate) use follow::{Follow, FollowReport, FollowSettings, Round};
pub(crate) use postgres::PostgresEvents;
pub(crate) use sqlite::{SqliteEvents, path_in};
pub(crate) use store::{EventStore, EventsError};
