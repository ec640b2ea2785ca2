//! `check --net`: what the messages lead to and whom they are from, looked up.

mod collect;
mod dkim;
mod links;
mod sender;
mod spf;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

pub(super) use collect::Targets;

use super::out::Out;
use super::rule::Rule;
use crate::campaign::Campaign;
use crate::finding::{Finding, Place, Severity};
use crate::transport::lookup::{Dns, Guard, LookError, Seen, Web};
use collect::Target;

/// How many are looked up at once.
const AT_ONCE: usize = 8;
/// The longest that all of it may take.
const ALL: Duration = Duration::from_secs(90);

const UNKNOWN: Rule = Rule {
    code: "lookup-failed",
    severity: Severity::Note,
    finds: "what could not be looked up with `--net`",
    source: "the network",
    example: "a server that does not answer",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[
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

/// The DNS and the web.
pub struct Network {
    dns: Dns,
    web: Web,
}

impl Network {
    /// Those that this machine is set up for, behind the guard: public addresses alone.
    ///
    /// # Errors
    /// Why there is none.
    pub fn system() -> Result<Self, String> {
        let dns = Dns::system().map_err(|error| error.to_string())?;
        let web = Web::new(dns.clone(), Guard::public()).map_err(|error| error.to_string())?;
        Ok(Self { dns, web })
    }

    async fn ask(&self, target: &Target) -> Result<Option<Seen>, LookError> {
        if target.fetch {
            self.web.look(&target.url).await.map(Some)
        } else {
            self.web.resolve(&target.url).await.map(|()| None)
        }
    }
}

/// Looks everything up, and says what is wrong with it.
pub(super) async fn look(
    targets: &Targets,
    campaign: &Campaign,
    network: &Network,
    out: &mut Out<'_>,
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
        findings.into_iter().for_each(|one| out.add(place(one)));
    }
    look_at_urls(targets, network, out).await;
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

async fn look_at_urls(targets: &Targets, network: &Network, out: &mut Out<'_>) {
    let asked = stream::iter(targets.urls.values());
    let mut answers = asked
        .map(|target| async move { (target, network.ask(target).await) })
        .buffer_unordered(AT_ONCE);
    let deadline = Instant::now() + ALL;
    let mut known = 0;
    while let Ok(Some((target, answer))) = timeout_at(deadline, answers.next()).await {
        known += 1;
        for finding in links::judge(target, &answer) {
            out.add(target.place(finding));
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
        out.add(UNKNOWN.found(message).help("look at the others by hand"));
    }
}

#[cfg(test)]
mod tests;
