//! `mailrun preview --web`.

use std::net::SocketAddr;

use super::console::Console;
use super::failure::Failure;
use super::kept_lists::campaign_lists;
use super::output;
use super::preview::shown_variant;
use super::serve::{listen, require_loopback, runtime};
use crate::campaign::{Campaign, FILE_NAME};
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Finding;
use crate::preview::web::Preview;
use crate::suppression::CampaignLists;

pub(super) fn run(
    args: &cli::PreviewArgs,
    address: SocketAddr,
    console: &Console,
) -> Result<ExitCode, Failure> {
    require_loopback(address)?;
    let path = &args.campaign;
    if !path.is_file() && !path.join(FILE_NAME).is_file() {
        // Fails with the reason.
        Campaign::load(path)?;
    }
    if args.variant.is_some() {
        shown_variant(args, &Campaign::load(path)?)?;
    }
    let runtime = runtime()?;
    let served = runtime.block_on(serve(args, address, console));
    // Without waiting for threads that load or render.
    runtime.shutdown_background();
    served
}

/// Serves until a signal.
async fn serve(
    args: &cli::PreviewArgs,
    address: SocketAddr,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::new("preview", format!("{address}: {error}"));
    let (listener, mut signals) = listen("preview", address).await?;
    let local_address = listener.local_addr().map_err(failed)?;
    let (path, variant) = (args.campaign.clone(), args.variant.clone());
    let preview = tokio::task::spawn_blocking(|| {
        Preview::open(path, variant, Box::new(lists), Clock::system())
    });
    let preview = tokio::select! {
        preview = preview => preview.map_err(|error| Failure::new("preview", error.to_string()))?,
        () = signals.next() => return Ok(ExitCode::Done),
    };
    output::line(format_args!("http://{local_address}/{}", query(args)));
    console.print("Open this address in a browser. The page updates when you save a file. Press Ctrl-C to stop.");
    // Nothing is lost if requests in progress get no answer.
    tokio::select! {
        served = preview.serve(listener, std::future::pending()) => served.map_err(failed)?,
        () = signals.next() => {}
    }
    Ok(ExitCode::Done)
}

fn lists(campaign: &Campaign) -> Result<CampaignLists, Vec<Finding>> {
    let lists = campaign_lists(campaign, &campaign.dir, &cli::LedgerOption::default());
    lists.map_err(|failure| {
        let groups = failure.findings.groups().into_iter();
        groups.map(|group| group.finding.clone()).collect()
    })
}

/// The part of the URL that selects a message.
fn query(args: &cli::PreviewArgs) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(row) = args.row {
        query.append_pair("row", &row.to_string());
    }
    if let Some(email) = &args.email {
        query.append_pair("q", email.as_str());
    }
    match query.finish().as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    }
}
