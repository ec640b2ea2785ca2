//! `mailrun suppress import --from-api` and `export --to-api`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use governor::Quota;

use super::console::Console;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output;
use super::secrets::ApiKeys;
use crate::address::Address;
use crate::api::BlacklistEntry;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::pace::SpacedLimit;
use crate::report::grouped;
use crate::suppression::{ApiBlacklist, BlacklistError, KeptList, NewEntry, Reason};
use crate::terminal_text::printable;

/// Requests per second.
const RATE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How many entries are read at once.
const PAGE: u32 = 5_000;
/// The longest comment that is posted, in characters.
const MAX_COMMENT: usize = 200;

/// The addresses on the blacklist of the campaign's account.
///
/// # Errors
/// The campaign has no API, or the API does not answer.
pub(super) fn blacklist(campaign: &Campaign) -> Result<Vec<NewEntry>, Failure> {
    let mut api = open(campaign)?;
    let blocked = until_interrupt(api.read())??;
    let now = Clock::system().now();
    let entries = blocked.into_iter().map(|blocked| NewEntry {
        address: blocked.email,
        reason: Reason::of_blacklist(blocked.reason),
        source: "api".to_owned(),
        at: blocked.at.unwrap_or(now),
        note: blocked.comment,
    });
    Ok(entries.collect())
}

/// Adds the addresses of a list to the blacklist of the campaign's account, unless it has them.
///
/// # Errors
/// The campaign has no API, or the API does not answer.
pub(super) fn export(
    campaign: &Campaign,
    list: &KeptList,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let mut api = open(campaign)?;
    let (addresses, forgotten) = addresses(list)?;
    let account = api.smtp_account.clone();
    let exported = async {
        let mut counts = Exported::default();
        let blocked = api.read().await?;
        let blocked: BTreeSet<String> = blocked.iter().map(|it| it.email.normalized()).collect();
        for (address, (reason, note)) in &addresses {
            let Some(email) = Address::parse(address)
                .ok()
                .filter(|_| !blocked.contains(address))
            else {
                counts.known += 1;
                continue;
            };
            let entry = BlacklistEntry {
                account: account.clone(),
                email,
                reason: reason.for_blacklist(),
                comment: note.chars().take(MAX_COMMENT).collect(),
                source: "mailrun".to_owned(),
            };
            match api.block(&entry).await? {
                None => counts.added += 1,
                Some(refusal) => {
                    let refusal = printable(&refusal);
                    output::line(format_args!("{address}: refused: {refusal}"));
                    counts.refused += 1;
                }
            }
        }
        Ok::<_, BlacklistError>(counts)
    };
    let counts = until_interrupt(exported)??;
    console.print(&format!(
        "{} added to the blacklist of {}, {} there already, {} refused",
        grouped(counts.added),
        campaign.smtp_account(),
        grouped(counts.known),
        grouped(counts.refused)
    ));
    if forgotten > 0 {
        let count = grouped(forgotten);
        console.print(&format!(
            "{count} left out: only the hash of the address is known"
        ));
    }
    Ok(match counts.refused {
        0 => ExitCode::Done,
        _ => ExitCode::SomeNotSent,
    })
}

#[derive(Default)]
struct Exported {
    added: u64,
    known: u64,
    refused: u64,
}

/// Each address with a reason and a note.
type Addresses = BTreeMap<String, (Reason, String)>;

/// The addresses of a list, each with its most telling reason and the note of that, and the number of entries without
/// an address.
fn addresses(list: &KeptList) -> Result<(Addresses, u64), Failure> {
    let mut addresses: Addresses = BTreeMap::new();
    let (mut after, mut forgotten) = (None, 0);
    loop {
        let page = list.entries(after, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok((addresses, forgotten));
        };
        after = Some(*last);
        for (_, entry) in page {
            let Some(address) = entry.address else {
                forgotten += 1;
                continue;
            };
            let new = (entry.reason, entry.note);
            let known = addresses.entry(address).or_insert_with(|| new.clone());
            if new.0 < known.0 {
                *known = new;
            }
        }
    }
}

fn open(campaign: &Campaign) -> Result<ApiBlacklist, Failure> {
    let Some(api) = campaign.api() else {
        return Err(Failure::with_help(
            "usage",
            "this campaign uses SMTP, which has no blacklist",
            "name a campaign with an [api] table",
        )
        .usage());
    };
    let keys = ApiKeys::load(api)?;
    let transport = keys.transport(api, 1)?;
    Ok(ApiBlacklist {
        transport,
        dialect: api.dialect,
        smtp_account: api.smtp_account.clone(),
        retry: campaign.retry,
        limit: SpacedLimit::new(Quota::per_second(RATE), NonZeroU32::MIN),
        clock: Clock::system(),
    })
}

/// The result of `work`, or an error after a signal.
fn until_interrupt<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let interrupt = Interrupt::watch()?;
    let mut interrupted = interrupt.interrupted.clone();
    interrupt.runtime.block_on(async {
        tokio::select! {
            biased;
            _ = interrupted.wait_for(|interrupted| *interrupted) => {
                let mut failure = Failure::new("interrupted", "interrupted; what was done stays done");
                failure.exit = ExitCode::Interrupted;
                Err(failure)
            }
            done = work => Ok(done),
        }
    })
}

impl From<BlacklistError> for Failure {
    fn from(error: BlacklistError) -> Self {
        Self::from_error("api", &error, None).stopped()
    }
}
