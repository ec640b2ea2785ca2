//! `mailrun preview --web`.

use std::net::SocketAddr;

use super::failure::Failure;
use super::show::Shown;
use crate::campaign::FILE_NAME;
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::preview::web::Preview;

pub(super) fn run(
    args: &cli::Preview,
    listen: SocketAddr,
    shown: &Shown,
) -> Result<ExitCode, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::with_help(
            "no-login",
            format!("{listen} can be reached from other machines, and there is no login"),
            "listen on 127.0.0.1: recipients' data are for you alone",
        )
        .usage());
    }
    let path = &args.campaign;
    if !path.is_file() && !path.join(FILE_NAME).is_file() {
        // It says what is missing.
        crate::campaign::Campaign::load(path)?;
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("io", format!("can't start: {error}")))?
        .block_on(serve(args, listen, shown))
}

/// Serves until the user ends it.
async fn serve(
    args: &cli::Preview,
    listen: SocketAddr,
    shown: &Shown,
) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::new("preview", format!("{listen}: {error}"));
    let (listener, mut signals) = super::listen::listen("preview", listen).await?;
    let address = listener.local_addr().map_err(failed)?;
    let path = args.campaign.clone();
    let preview = tokio::task::spawn_blocking(|| Preview::open(path, Clock::system()));
    let preview = tokio::select! {
        preview = preview => preview.map_err(|error| Failure::new("preview", error.to_string()))?,
        () = signals.one() => return Ok(ExitCode::Done),
    };
    println!("http://{address}/{}", asked(args));
    shown.say("Open it in a browser. It follows what you save. Ctrl-C ends it.");
    let shutdown = async move { signals.one().await };
    preview.serve(listener, shutdown).await.map_err(failed)?;
    Ok(ExitCode::Done)
}

/// The part of the URL that says which message is wanted.
fn asked(args: &cli::Preview) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(row) = args.row {
        query.append_pair("row", &row.to_string());
    }
    if let Some(email) = &args.email {
        query.append_pair("q", email.as_str());
    }
    match query.finish() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    }
}
