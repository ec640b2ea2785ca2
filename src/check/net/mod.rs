//! `check --net`: what the messages lead to and whom they are from, looked up.

mod collect;
mod dkim;
mod links;
mod sender;
mod spf;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::context::MessageContext;
use super::family::{Family, NetworkContext};
use super::network::Network;
use super::rule::Rule;
use super::sink::FindingSink;
use crate::campaign::Campaign;
use crate::finding::{Finding, Place};
use crate::transport::lookup::{Dns, LookError, Seen};
use collect::{Target, Targets};

/// How many are looked up at once.
const AT_ONCE: usize = 8;
/// The longest that all of it may take.
const ALL: Duration = Duration::from_secs(90);

const UNKNOWN: Rule = Rule::note("lookup-failed")
    .network()
    .finds("a lookup that failed or did not finish")
    .why("The rules that need `--net` could not check this address or domain.")
    .fix("Try again later, or check it by hand.")
    .source("the network")
    .example("a server that does not answer");

const RULES: &[Rule] = &[
    UNKNOWN,
    links::DEAD,
    links::NOT_PUBLIC,
    links::DOWNGRADED,
    links::TLS,
    links::IMAGE_DEAD,
    links::IMAGE_HEAVY,
    sender::NO_DOMAIN,
    sender::FREE_MAIL,
    sender::SPF_MISSING,
    sender::SPF_SEVERAL,
    sender::SPF_LOOKUPS,
    sender::SPF_ALL,
    sender::DMARC_MISSING,
    sender::DMARC_NONE,
    dkim::MISSING,
    dkim::REVOKED,
    dkim::WEAK,
    dkim::TESTING,
];

/// Looks up the links of the messages and the domain of the sender.
#[derive(Default)]
pub(super) struct Lookups {
    targets: Mutex<Targets>,
}

impl Family for Lookups {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Gathers what [`Self::network`] looks up.
    fn message(&self, context: &MessageContext<'_>, _sink: &mut FindingSink<'_>) {
        if context.shared.net {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            targets.add(context);
        }
    }

    fn network<'a>(
        &'a self,
        context: &'a NetworkContext<'_>,
        sink: &'a mut FindingSink<'_>,
    ) -> LocalBoxFuture<'a, ()> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = targets.clone();
        async move { look(&targets, context.shared.campaign, context.network, sink).await }
            .boxed_local()
    }
}

async fn ask(network: &Network, target: &Target) -> Result<Option<Seen>, LookError> {
    if target.fetch {
        network.web.look(&target.url).await.map(Some)
    } else {
        network.web.resolve(&target.url).await.map(|()| None)
    }
}

/// Looks everything up, and says what is wrong with it.
async fn look(
    targets: &Targets,
    campaign: &Campaign,
    network: &Network,
    sink: &mut FindingSink<'_>,
) {
    let from = &campaign.message.from;
    let place = |finding: Finding| {
        let file = Place::file(&campaign.source.path);
        let excerpt = campaign.source.excerpt(from.span());
        Finding {
            place: file,
            ..finding
        }
        .excerpt(excerpt)
    };
    for domain in &targets.senders {
        let findings = look_at_sender(domain, &campaign.check.dkim, &network.dns).await;
        findings.into_iter().for_each(|one| sink.add(place(one)));
    }
    look_at_urls(targets, network, sink).await;
}

/// What is wrong with a sender's domain, and with the keys that sign for it.
async fn look_at_sender(domain: &str, selectors: &[String], dns: &Dns) -> Vec<Finding> {
    let mut findings = sender::look(domain, dns).await;
    if findings
        .iter()
        .all(|one| one.code != sender::NO_DOMAIN.code)
    {
        for selector in selectors {
            findings.extend(dkim::look(domain, selector, dns).await);
        }
    }
    findings
}

async fn look_at_urls(targets: &Targets, network: &Network, sink: &mut FindingSink<'_>) {
    let asked = stream::iter(targets.urls.values());
    let mut answers = asked
        .map(|target| async move { (target, ask(network, target).await) })
        .buffer_unordered(AT_ONCE);
    let deadline = Instant::now() + ALL;
    let mut known = 0;
    while let Ok(Some((target, answer))) = timeout_at(deadline, answers.next()).await {
        known += 1;
        for finding in links::judge(target, &answer) {
            sink.add(target.place(finding));
        }
    }
    let late = targets.urls.len() - known;
    if late > 0 || targets.beyond {
        let message = if targets.beyond {
            format!("only the first {} addresses were looked up", known)
        } else {
            format!(
                "{late} addresses were not looked up in {} seconds",
                ALL.as_secs()
            )
        };
        sink.add(UNKNOWN.found(message).help("look at the others by hand"));
    }
}

#[cfg(test)]
mod tests;
