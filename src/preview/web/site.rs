//! What the page is about: the campaign as it was saved last, and as it was before that.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::loaded::Loaded;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Finding;
use crate::web::Failed;

/// What the page is about.
pub(super) struct Site {
    path: PathBuf,
    clock: Clock,
    state: RwLock<State>,
    /// Counts the saves.
    pub(super) version: watch::Sender<u64>,
    /// When the process began, so that its events are no other's.
    pub(super) begun: String,
}

/// The campaign, as far as it can be read.
#[derive(Default)]
pub(super) struct State {
    /// As it was saved last and had no errors.
    pub(super) now: Option<Arc<Loaded>>,
    /// As it was before that, with other messages.
    pub(super) before: Option<Arc<Loaded>>,
    /// What is wrong with it as it stands.
    pub(super) broken: Arc<Vec<Finding>>,
    /// The lists that it names, be it broken or not.
    lists: Vec<PathBuf>,
}

impl Site {
    /// Reads the campaign at a path. What is wrong with it is shown.
    pub(super) fn new(path: PathBuf, clock: Clock) -> Self {
        let begun = clock.now().as_millisecond().to_string();
        let site = Self {
            path,
            clock,
            state: RwLock::default(),
            version: watch::Sender::new(0),
            begun,
        };
        site.load();
        site
    }

    /// Reads the campaign again.
    pub(super) fn load(&self) {
        let known = self.state(|state| state.now.clone());
        let lists = Campaign::lists(&self.path);
        let loaded = Loaded::load(&self.path, known.as_deref(), &self.clock);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                let same = known.is_some_and(|known| loaded.is_like(&known));
                let before = state.now.replace(loaded);
                if !same {
                    state.before = before;
                }
                state.broken = Arc::default();
            }
            Err(findings) => state.broken = Arc::new(findings),
        }
        state.lists = lists;
        drop(state);
        self.version.send_modify(|version| *version += 1);
    }

    /// Looks at the state.
    pub(super) fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The folder of the campaign, and the lists that it names, which may be elsewhere.
    pub(super) fn files(&self) -> (PathBuf, Vec<PathBuf>) {
        let file = Campaign::file(&self.path);
        let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
        (folder, self.state(|state| state.lists.clone()))
    }

    /// Works on the campaign, where that holds nobody up.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Arc<Loaded>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let site = Arc::clone(self);
        let done = spawn_blocking(move || {
            let now = site.state(|state| state.now.clone());
            let now = now.ok_or_else(|| {
                let words = "The campaign can't be shown before its errors are mended.";
                Failed(StatusCode::CONFLICT, words.to_owned())
            })?;
            work(&site, &now)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a message can't be shown");
            let words = "This can't be shown.".to_owned();
            Err(Failed(StatusCode::INTERNAL_SERVER_ERROR, words))
        })
    }
}
