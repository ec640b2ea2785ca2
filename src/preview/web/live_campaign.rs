//! The campaign on disk: its current version, which is read again after each save, and the previous one.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::ListReader;
use super::loaded_campaign::LoadedCampaign;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Finding;
use crate::web::HttpError;

pub(super) struct LiveCampaign {
    path: PathBuf,
    lists: Box<ListReader>,
    /// The variant that is shown, instead of each row's own.
    variant: Option<String>,
    clock: Clock,
    versions: RwLock<Versions>,
    /// The number of saves.
    pub(super) version: watch::Sender<u64>,
    /// The start time of the process in milliseconds; makes versions unique to it.
    pub(super) started: String,
}

#[derive(Default)]
pub(super) struct Versions {
    /// The last version that could be loaded.
    pub(super) current: Option<Arc<LoadedCampaign>>,
    /// The version before it, with other messages.
    pub(super) previous: Option<Arc<LoadedCampaign>>,
    /// Why the version on disk can't be loaded.
    pub(super) errors: Arc<Vec<Finding>>,
    /// The suppression lists of the version on disk, even if it can't be loaded.
    suppression_lists: Vec<PathBuf>,
}

impl LiveCampaign {
    pub(super) fn new(
        path: PathBuf,
        variant: Option<String>,
        lists: Box<ListReader>,
        clock: Clock,
    ) -> Self {
        let started = clock.now().as_millisecond().to_string();
        let live = Self {
            path,
            variant,
            lists,
            clock,
            versions: RwLock::default(),
            version: watch::Sender::new(0),
            started,
        };
        live.load();
        live
    }

    /// Reads the campaign again.
    pub(super) fn load(&self) {
        let current = self.versions(|versions| versions.current.clone());
        let suppression_lists = Campaign::lists(&self.path);
        let loaded = LoadedCampaign::load(
            &self.path,
            self.variant.as_deref(),
            current.as_deref(),
            &*self.lists,
            &self.clock,
        );
        let mut versions = self
            .versions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(loaded) => {
                let has_same_messages = current.is_some_and(|it| loaded.has_same_messages(&it));
                let previous = versions.current.replace(Arc::new(loaded));
                if !has_same_messages {
                    versions.previous = previous;
                }
                versions.errors = Arc::default();
            }
            Err(findings) => versions.errors = Arc::new(findings),
        }
        versions.suppression_lists = suppression_lists;
        drop(versions);
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn versions<T>(&self, read: impl FnOnce(&Versions) -> T) -> T {
        read(&self.versions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The campaign's folder, and its suppression lists, which may be outside of it.
    pub(super) fn files(&self) -> (PathBuf, Vec<PathBuf>) {
        let file = Campaign::file(&self.path);
        let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
        let lists = self.versions(|versions| versions.suppression_lists.clone());
        (folder, lists)
    }

    /// Runs `work` on the current version in a thread for blocking work.
    pub(super) async fn with_current<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Arc<LoadedCampaign>) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let live = Arc::clone(self);
        let done = spawn_blocking(move || {
            let current = live.versions(|versions| versions.current.clone());
            let current = current.ok_or_else(|| {
                let text = "The campaign has errors. Fix them to see its messages.";
                HttpError(StatusCode::CONFLICT, text.to_owned())
            })?;
            work(&live, &current)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a preview request failed");
            let text = "Internal error. The log of mailrun has details.".to_owned();
            Err(HttpError(StatusCode::INTERNAL_SERVER_ERROR, text))
        })
    }
}
