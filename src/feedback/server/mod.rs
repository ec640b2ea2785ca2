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
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};

use tokio::net::TcpListener;

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
/// The journal can't be read, or the system refuses a thread.
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
    let applying = start(&path, "applier", move || applier.run(&woken))?;
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
    server.serve(listener, shutdown).await;
    // The service is gone with its router, so both threads end.
    let waited = tokio::task::spawn_blocking(move || {
        // A thread that panicked has said so.
        let _ = applying.join();
        let _ = thread.join();
    });
    let _ = waited.await;
    Ok(())
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
