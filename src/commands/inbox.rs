//! `mailrun inbox`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rand::rngs::StdRng;
use tokio::sync::watch;

use super::console::Console;
use super::failure::Failure;
use super::ledger_access::LedgerAccess;
use super::output;
use super::serve::{listen, require_loopback, runtime};
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::gateway::relay::Permits;
use crate::gateway::store::{Store, StoreError};
use crate::gateway::{ConnectionLimits, FollowError, Setup, Storage, follow, serve};
use crate::run::{Folder, FolderError};

/// The folder inside the run folder for the index of its outbox.
const INDEX: &str = "inbox";
const NO_OUTBOX_HELP: &str = "`mailrun send CAMPAIGN --local` keeps messages in an outbox";

pub(super) fn run(args: &cli::InboxArgs, console: &Console) -> Result<ExitCode, Failure> {
    let address = args.listen.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    require_loopback(address)?;
    let folder = Folder::find_with_outbox(&args.run).map_err(|error| match error {
        FolderError::NoRun(_) if LedgerAccess::is_in_environment() => Failure::with_help(
            "no-outbox",
            format!(
                "{} is not in a folder: runs in a ledger have no outbox",
                args.run.display()
            ),
            NO_OUTBOX_HELP,
        ),
        error => error.into(),
    })?;
    let outbox = folder.outbox();
    if !outbox.is_dir() {
        return Err(Failure::with_help(
            "no-outbox",
            format!(
                "{} has no outbox, because its messages went to the API",
                folder.path().display()
            ),
            NO_OUTBOX_HELP,
        ));
    }
    // The index has absolute paths.
    let outbox = outbox.canonicalize().map_err(|error| (outbox, error))?;
    let index = folder.path().join(INDEX);
    let store = Store::open(&index).map_err(|error| not_opened(&index, error))?;
    let name = folder.path().file_name().unwrap_or_default();
    let setup = Setup {
        login: None,
        hosts: Vec::new(),
        limits: ConnectionLimits::default(),
        chaos: None,
        storage: Storage::ReadOnly {
            store: store.clone(),
            title: name.to_string_lossy().into_owned(),
        },
        permits: Permits::default(),
        clock: Clock::system(),
        random: Box::new(rand::make_rng::<StdRng>()),
    };
    runtime()?.block_on(serve_outbox(address, setup, store, &outbox, console))
}

/// Serves until a signal, or until the outbox can't be read any more.
async fn serve_outbox(
    address: SocketAddr,
    setup: Setup,
    store: Store,
    outbox: &Path,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::new("inbox", format!("{address}: {error}"));
    let (listener, mut signals) = listen("inbox", address).await?;
    output::line(format_args!(
        "http://{}/",
        listener.local_addr().map_err(failed)?
    ));
    console.print("Open this address in a browser. Press Ctrl-C to stop.");

    let (end, ended) = watch::channel(false);
    let following = {
        let (outbox, ended) = (outbox.to_owned(), ended);
        tokio::task::spawn_blocking(move || follow(&store, &outbox, &|| *ended.borrow()))
    };
    let (stop, mut stopped) = watch::channel(());
    let shutdown = async move {
        tokio::select! { () = signals.next() => {}, _ = stopped.changed() => {} }
    };
    let serving = serve(listener, setup, shutdown);
    let following = async {
        let followed = following.await;
        // If it ends before `end` is sent, it has failed.
        drop(stop);
        followed
    };
    let serving = async {
        let served = serving.await;
        end.send_replace(true);
        served
    };
    let (served, followed) = tokio::join!(serving, following);
    served.map_err(failed)?;
    let followed = followed.map_err(|error| Failure::new("inbox", error.to_string()))?;
    followed.map_err(|error| match error {
        FollowError::Store(error) => error.into(),
        error @ FollowError::Io { .. } => Failure::new("io", error.to_string()),
    })?;
    Ok(ExitCode::Done)
}

fn not_opened(index: &Path, error: StoreError) -> Failure {
    let (code, help) = match error {
        StoreError::InUse(_) => (
            "in-use",
            "another `mailrun inbox` is showing this run: use its page, or stop it".to_owned(),
        ),
        StoreError::NotAStore(_) | StoreError::Version { .. } => (
            "store",
            format!(
                "delete {}: it is only an index, and will be created again",
                index.display()
            ),
        ),
        error => return error.into(),
    };
    Failure::with_help(code, error.to_string(), help)
}
