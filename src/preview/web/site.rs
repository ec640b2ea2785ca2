//! What the page is about: the campaign as it was saved last, and as it was before that.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::StatusCode;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::loaded::Loaded;
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
    /// As it was before that.
    pub(super) before: Option<Arc<Loaded>>,
    /// What is wrong with it as it stands.
    pub(super) broken: Arc<Vec<Finding>>,
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
        let loaded = Loaded::load(&self.path, known.as_deref(), &self.clock);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(loaded) => {
                state.before = state.now.replace(Arc::new(loaded));
                state.broken = Arc::default();
            }
            Err(findings) => state.broken = Arc::new(findings),
        }
        drop(state);
        self.version.send_modify(|version| *version += 1);
    }

    /// Looks at the state.
    pub(super) fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The folder of the campaign, and the file of its recipients, if that is known.
    pub(super) fn files(&self) -> (PathBuf, Option<PathBuf>) {
        let folder = if self.path.is_dir() {
            self.path.clone()
        } else {
            self.path.parent().map(PathBuf::from).unwrap_or_default()
        };
        let file = self.state(|state| {
            let campaign = &state.now.as_ref()?.campaign;
            let file = campaign.recipients.file.as_ref()?;
            Some(campaign.dir.join(file))
        });
        (folder, file)
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
