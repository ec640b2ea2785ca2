//! `check --net`: looks up the links, images and senders of the messages.

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
use crate::transport::lookup::{Dns, LookupError, Resource};
use collect::{Target, Targets};

/// How many URLs are requested at the same time.
const CONCURRENCY: usize = 8;
/// The time limit for all URLs.
const TIMEOUT: Duration = Duration::from_secs(90);

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
    sender::DMARC_PCT,
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
        async move { look_up(&targets, context.shared.campaign, context.network, sink).await }
            .boxed_local()
    }
}

/// Requests a URL, or only resolves its host, which gives `None`.
async fn probe(network: &Network, target: &Target) -> Result<Option<Resource>, LookupError> {
    if target.fetch {
        network.web.probe(&target.url).await.map(Some)
    } else {
        network.web.resolve(&target.url).await.map(|()| None)
    }
}

async fn look_up(
    targets: &Targets,
    campaign: &Campaign,
    network: &Network,
    sink: &mut FindingSink<'_>,
) {
    let place = |finding: Finding| {
        let from = campaign.message.from.span();
        let place = Place::file(&campaign.source.path);
        Finding { place, ..finding }.excerpt(campaign.source.excerpt(from))
    };
    for domain in &targets.senders {
        let findings = check_sender(domain, &campaign.check.dkim, &network.dns).await;
        findings.into_iter().for_each(|one| sink.add(place(one)));
    }
    check_urls(targets, network, sink).await;
}

/// Checks a sender's domain and its DKIM keys.
async fn check_sender(domain: &str, selectors: &[String], dns: &Dns) -> Vec<Finding> {
    let mut findings = sender::check(domain, dns).await;
    let exists = |finding: &Finding| finding.code != sender::NO_DOMAIN.code;
    if findings.iter().all(exists) {
        for selector in selectors {
            findings.extend(dkim::check(domain, selector, dns).await);
        }
    }
    findings
}

async fn check_urls(targets: &Targets, network: &Network, sink: &mut FindingSink<'_>) {
    let mut results = stream::iter(targets.urls.values())
        .map(|target| async move { (target, probe(network, target).await) })
        .buffer_unordered(CONCURRENCY);
    let deadline = Instant::now() + TIMEOUT;
    let mut done = 0;
    while let Ok(Some((target, result))) = timeout_at(deadline, results.next()).await {
        done += 1;
        for finding in links::check(target, &result) {
            sink.add(target.place(finding));
        }
    }
    let late = targets.urls.len() - done;
    let message = if targets.is_truncated {
        format!("only the first {done} addresses were looked up")
    } else if late > 0 {
        let seconds = TIMEOUT.as_secs();
        format!("{late} addresses were not looked up within {seconds} seconds")
    } else {
        return;
    };
    sink.add(UNKNOWN.found(message).help("check the others yourself"));
}

#[cfg(test)]
mod tests;
