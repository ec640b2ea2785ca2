//! The server of `mailrun feedback`: links to unsubscribe, and webhooks.
//!
//! ```text
//! POST /u/TOKEN  ─┐
//! POST /webhook/… ┴─► journal ─► 200        journal ─► lists, events of runs   (in the background)
//! ```
//!
//! Nothing but a commit of the journal is waited for before an answer.

mod access_log;
mod applier;
mod apply_error;
mod entries;
mod export;
mod forget;
mod journal;
mod matcher;
mod page;
mod page_texts;
mod routes;
mod schema;
mod served;
mod webhook;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::applier::Applier;
use self::journal::JournalReader;
use self::page::Page;
use self::routes::{Service, router};
use crate::campaign::PageSettings;
use crate::clock::Clock;
use crate::list_name::ListName;
use crate::unsubscribe::FeedbackKeys;
use crate::web::{ConnectionLimits, LoginCheck, Server};

pub(crate) use self::forget::forget_in_journal;
pub(crate) use self::journal::{OpenJournal, open as open_journal};
pub(crate) use self::schema::JournalError;
pub(crate) use self::served::{ListExport, RunAccess, RunCatalog, ServedList, ServedRun};
pub(crate) use self::webhook::WebhookSecrets;

/// The parts of a server.
pub(crate) struct FeedbackSetup {
    pub(crate) keys: FeedbackKeys,
    /// The page for each list that the server serves.
    pub(crate) pages: BTreeMap<ListName, PageSettings>,
    /// The page for other requests.
    pub(crate) default_page: PageSettings,
    pub(crate) lists: Vec<ServedList>,
    pub(crate) catalog: Box<dyn RunCatalog>,
    /// Without them, there are no webhooks.
    pub(crate) webhooks: Option<WebhookSecrets>,
    /// The login that webhooks need. Without it, they are accepted from this machine only.
    pub(crate) login: Option<crate::web::Login>,
    pub(crate) clock: Clock,
}

/// Serves until `shutdown` completes. What was answered before is applied then, as far as possible.
///
/// # Errors
/// The journal can't be read, the system refuses a thread, or the journal can't be applied because of a bug.
pub(crate) async fn serve(
    listener: TcpListener,
    setup: FeedbackSetup,
    journal: OpenJournal,
    shutdown: impl Future<Output = ()>,
) -> Result<(), JournalError> {
    let OpenJournal {
        journal,
        path,
        thread,
    } = journal;
    let (wake, woken) = mpsc::sync_channel(1);
    let applier = Applier {
        journal: journal.clone(),
        reader: JournalReader::open(&path)?,
        catalog: setup.catalog,
        lists: setup.lists,
        matcher: matcher::Matcher::default(),
        exports: export::Exports::default(),
        clock: setup.clock.clone(),
    };
    let (alive, applier_ended) = oneshot::channel::<Infallible>();
    let applying = start(&path, "applier", move || {
        let _alive = alive;
        applier.run(&woken);
    })?;
    let pages = setup.pages.into_iter();
    let service = Service {
        keys: setup.keys,
        pages: pages.map(|(list, page)| (list, Page::new(page))).collect(),
        default_page: Page::new(setup.default_page),
        webhooks: setup.webhooks,
        login: setup.login.as_ref().map(LoginCheck::new),
        journal,
        wake,
        clock: setup.clock,
    };
    let server = Server {
        router: router(Arc::new(service)),
        limits: ConnectionLimits::default(),
        observer: Arc::new(()),
        rejection: Box::new(|| b"{\"error\":\"too many connections\"}".to_vec()),
    };
    // The applier ends before the server only by a panic. Answers that nothing applies would promise too much.
    let shutdown = async {
        tokio::select! {
            () = shutdown => {}
            _ = applier_ended => {}
        }
    };
    server.serve(listener, shutdown).await;
    // The service is gone with its router, so both threads end.
    let waited = tokio::task::spawn_blocking(move || {
        let applied = applying.join();
        // The answers of a writer that panicked were errors.
        let _ = thread.join();
        applied
    });
    match waited.await {
        Ok(Ok(())) => Ok(()),
        _ => Err(JournalError::Applier),
    }
}

fn start(
    path: &Path,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, JournalError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let thread = thread.spawn(work);
    thread.map_err(|error| JournalError::Io(path.to_owned(), error))
}

/// Whether a client is on this machine.
fn is_local(client: SocketAddr) -> bool {
    client.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::store::EventsError;

    struct BrokenCatalog;

    impl RunCatalog for BrokenCatalog {
        fn runs(&mut self) -> Result<Vec<ServedRun>, EventsError> {
            panic!("a bug");
        }
    }

    #[tokio::test]
    async fn the_server_ends_if_nothing_applies_its_answers() {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let journal =
            open_journal(&dir.path().join("feedback.db"), clock.clone()).expect("a journal");
        let setup = FeedbackSetup {
            keys: FeedbackKeys::parse(&"ab".repeat(32), "").expect("a key"),
            pages: BTreeMap::new(),
            default_page: PageSettings::default(),
            lists: Vec::new(),
            catalog: Box::new(BrokenCatalog),
            webhooks: None,
            login: None,
            clock,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let served = serve(listener, setup, journal, std::future::pending()).await;
        assert!(matches!(served, Err(JournalError::Applier)), "{served:?}");
    }
}
