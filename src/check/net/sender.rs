//! Checks the sender's domain in DNS: SPF and DMARC.

use super::UNKNOWN;
use super::spf::{MAX_LOOKUPS, count_lookups, is_spf, passes_all};
use crate::check::rule::Rule;
use crate::finding::Finding;
use crate::transport::lookup::{Dns, DnsError};

pub(super) const NO_DOMAIN: Rule = Rule::warning("sender-no-domain")
    .network()
    .finds("a sender whose domain does not exist")
    .why("Servers refuse messages from domains that don't exist, and replies go nowhere.")
    .fix("Correct `from`.")
    .source("RFC 5321 2.3.5")
    .example("`from = \"news@acmee.example\"`");

pub(super) const FREE_MAIL: Rule = Rule::warning("dmarc-free-mail")
    .network()
    .finds("a sender at a free mailbox provider whose DMARC record tells receivers to refuse such messages")
    .why("Only the provider's own servers may send for this domain, so nearly every message is refused.")
    .fix("Send from a domain of your own, and set `reply_to` to the free mailbox.")
    .source("RFC 9989 4.7")
    .example("`from = \"acme@yahoo.com\"`");

pub(super) const SPF_MISSING: Rule = Rule::warning("spf-missing")
    .network()
    .finds("a sender's domain without an SPF record")
    .why("Receivers can't check which servers may send for the domain. Google and Yahoo require SPF from bulk senders.")
    .fix("Publish a TXT record with `v=spf1` and the servers of your provider.")
    .source("RFC 7208")
    .example("no TXT record with `v=spf1`");

pub(super) const SPF_SEVERAL: Rule = Rule::warning("spf-several")
    .network()
    .finds("a sender's domain with more than one SPF record")
    .why("Receivers ignore all of them.")
    .fix("Merge them into one record.")
    .source("RFC 7208 4.5")
    .example("two TXT records with `v=spf1`");

pub(super) const SPF_LOOKUPS: Rule = Rule::warning("spf-lookups")
    .network()
    .finds("an SPF record that needs more than 10 DNS lookups")
    .why("Receivers treat it as an error, and the record does not count.")
    .fix("Remove the `include` of services that you no longer use.")
    .source("RFC 7208 4.6.4")
    .example("`v=spf1 include:… include:…` and so on");

pub(super) const SPF_ALL: Rule = Rule::warning("spf-all")
    .network()
    .finds("an SPF record that allows everybody to send")
    .why("Anybody can forge messages from the domain, so receivers don't trust it.")
    .fix("Replace `+all` with `-all` or `~all`.")
    .source("RFC 7208 5.1")
    .example("`v=spf1 +all`");

pub(super) const DMARC_MISSING: Rule = Rule::warning("dmarc-missing")
    .network()
    .finds("a sender's domain without a DMARC record")
    .why("Google and Yahoo require DMARC from bulk senders.")
    .fix("Publish a TXT record at `_dmarc` of the domain, beginning with `v=DMARC1; p=none`.")
    .source("RFC 9989 4.10")
    .example("no TXT record at `_dmarc.acme.example`");

pub(super) const DMARC_NONE: Rule = Rule::note("dmarc-none")
    .network()
    .finds("a DMARC record that asks receivers to do nothing: by `p=none`, or by `p=quarantine` in test mode")
    .why("Anybody can forge messages from the domain.")
    .fix("When the reports show that your own messages pass, change the policy to `p=quarantine` or `p=reject`, and remove `t=y`.")
    .source("RFC 9989 4.7")
    .example("`v=DMARC1; p=none`");

pub(super) const DMARC_PCT: Rule = Rule::note("dmarc-pct")
    .network()
    .finds("a DMARC record with `pct` below 100")
    .why("The current standard has no `pct`. Receivers that follow it apply the policy to all messages, and others to some of them.")
    .fix("Remove `pct`. To test a policy, write `t=y`: receivers then apply the next weaker one.")
    .source("RFC 9989 4.7 and A.6")
    .example("`v=DMARC1; p=quarantine; pct=10`");

/// The domains of free mail providers, one a line.
const FREE_PROVIDERS: &str = include_str!("free_mail_providers.txt");

pub(super) async fn check(domain: &str, dns: &Dns) -> Vec<Finding> {
    let spf = match dns.texts(domain).await {
        Ok(texts) => texts,
        Err(DnsError::NoRecord) => Vec::new(),
        Err(DnsError::NoName) => {
            let finding = NO_DOMAIN.found(format!("the sender's domain {domain} does not exist"));
            return vec![finding.help("send from a domain that you own")];
        }
        Err(error) => return vec![unknown(domain, &error)],
    };
    let dmarc = dmarc(domain, dns).await;
    if FREE_PROVIDERS.lines().any(|provider| provider == domain) {
        let finding = dmarc.ok().and_then(|dmarc| free_mail(domain, dmarc));
        return finding.into_iter().collect();
    }
    let spf: Vec<_> = spf.iter().filter(|text| is_spf(text)).collect();
    let mut findings: Vec<_> = match spf.as_slice() {
        [] => vec![no_spf(domain)],
        [record] => check_spf(domain, record, dns).await,
        records => vec![several_spf(domain, records.len())],
    };
    match dmarc {
        Ok(dmarc) => findings.extend(check_dmarc(domain, dmarc.as_ref())),
        Err(error) => findings.push(unknown(&format!("_dmarc.{domain}"), &error)),
    }
    findings
}

pub(super) fn unknown(name: &str, error: &DnsError) -> Finding {
    let finding = UNKNOWN.found(format!("{name} could not be looked up: {error}"));
    finding.help("check again when the network works")
}

fn no_spf(domain: &str) -> Finding {
    SPF_MISSING
        .found(format!("the sender's domain {domain} has no SPF record"))
        .help("publish the `v=spf1` TXT record that your provider gives you")
}

fn several_spf(domain: &str, count: usize) -> Finding {
    SPF_SEVERAL
        .found(format!(
            "{domain} has {count} SPF records, so receivers ignore them all"
        ))
        .help("combine them into one")
}

async fn check_spf(domain: &str, record: &str, dns: &Dns) -> Vec<Finding> {
    let mut findings = Vec::new();
    if passes_all(record) {
        let finding = SPF_ALL.found(format!(
            "the SPF record of {domain} lets anyone send in its name"
        ));
        findings.push(finding.help("end it with `~all` or `-all`"));
    }
    if count_lookups(record, dns).await > MAX_LOOKUPS {
        let message =
            format!("the SPF record of {domain} needs more than {MAX_LOOKUPS} DNS lookups");
        let help = "remove the includes of services that you no longer use";
        findings.push(SPF_LOOKUPS.found(message).help(help));
    }
    findings
}

/// A DMARC record and the domain that publishes it.
struct Dmarc {
    domain: String,
    record: String,
}

/// The most queries of a walk through the DNS.
const MAX_QUERIES: usize = 8;

/// The DMARC record that applies to a domain: its own, that of its organizational domain, or that of the public suffix
/// (RFC 9989 4.10.1).
async fn dmarc(domain: &str, dns: &Dns) -> Result<Option<Dmarc>, DnsError> {
    let mut found: Vec<Dmarc> = Vec::new();
    for name in walk(domain) {
        let Some(dmarc) = record_at(name, dns).await? else {
            continue;
        };
        if name == domain {
            return Ok(Some(dmarc));
        }
        let is_last = dmarc.boundary().is_some();
        found.push(dmarc);
        if is_last {
            break;
        }
    }
    Ok(organizational(found))
}

/// The names to query for a domain, up to the top-level domain (RFC 9989 4.10).
fn walk(domain: &str) -> impl Iterator<Item = &str> {
    let labels = domain.split('.').count();
    let parents = std::iter::successors(Some(domain), |name| Some(name.split_once('.')?.1));
    // Of long names, the labels in the middle are skipped.
    let skipped = labels.saturating_sub(MAX_QUERIES);
    let is_queried = move |(index, _): &(usize, &str)| *index == 0 || *index > skipped;
    parents.enumerate().filter(is_queried).map(|(_, name)| name)
}

/// The record of the organizational domain, or else of the public suffix above it, from the records of a walk in its
/// order (RFC 9989 4.10.2).
fn organizational(mut found: Vec<Dmarc>) -> Option<Dmarc> {
    let last = found.pop()?;
    if last.boundary() != Some(Boundary::PublicSuffix) {
        return Some(last);
    }
    // The organizational domain is the one below the public suffix.
    let labels = |dmarc: &Dmarc| dmarc.domain.split('.').count();
    let below = found.pop();
    below
        .filter(|below| labels(below) == labels(&last) + 1)
        .or(Some(last))
}

/// The DMARC record of a name itself.
async fn record_at(name: &str, dns: &Dns) -> Result<Option<Dmarc>, DnsError> {
    let texts = match dns.texts(&format!("_dmarc.{name}")).await {
        Ok(texts) => texts,
        Err(DnsError::NoName | DnsError::NoRecord) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut records = texts.into_iter().filter(|text| is_dmarc(text));
    // Several records count as none.
    Ok(match (records.next(), records.next()) {
        (Some(record), None) => Some(Dmarc {
            domain: name.to_owned(),
            record,
        }),
        _ => None,
    })
}

fn is_dmarc(text: &str) -> bool {
    let version = text.split(';').next().unwrap_or_default();
    version.replace(' ', "").eq_ignore_ascii_case("v=DMARC1")
}

impl Dmarc {
    fn tag(&self, name: &str) -> Option<String> {
        let tags = self.record.split(';').filter_map(|tag| tag.split_once('='));
        let mut tags = tags.filter(|(tag, _)| tag.trim().eq_ignore_ascii_case(name));
        Some(tags.next()?.1.trim().to_ascii_lowercase())
    }

    /// What the tag `psd` says about the domain.
    fn boundary(&self) -> Option<Boundary> {
        match self.tag("psd")?.as_str() {
            "y" => Some(Boundary::PublicSuffix),
            "n" => Some(Boundary::Organization),
            _ => None,
        }
    }

    /// What receivers should do with messages of a domain that fail. `np` does not matter: the sender's domain exists.
    fn policy(&self, domain: &str) -> Policy {
        let subdomain = self.tag("sp").filter(|_| self.domain != domain);
        let policy = match subdomain.or_else(|| self.tag("p")).as_deref() {
            Some("reject") => Policy::Reject,
            Some("quarantine") => Policy::Quarantine,
            _ => Policy::None,
        };
        match policy {
            Policy::Reject if self.is_test() => Policy::Quarantine,
            _ if self.is_test() => Policy::None,
            policy => policy,
        }
    }

    /// Whether receivers apply the next weaker policy.
    fn is_test(&self) -> bool {
        self.tag("t").as_deref() == Some("y")
    }
}

/// What a domain is according to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boundary {
    PublicSuffix,
    Organization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    None,
    Quarantine,
    Reject,
}

fn check_dmarc(domain: &str, dmarc: Option<&Dmarc>) -> Vec<Finding> {
    let Some(dmarc) = dmarc else {
        let finding =
            DMARC_MISSING.found(format!("the sender's domain {domain} has no DMARC record"));
        return vec![finding.help(format!(
            "publish a TXT record at `_dmarc.{domain}`, starting with `v=DMARC1; p=none; rua=mailto:…`"
        ))];
    };
    let mut findings = Vec::new();
    let owner = &dmarc.domain;
    if dmarc.policy(domain) == Policy::None {
        let finding = DMARC_NONE.found(format!(
            "the DMARC record of {owner} tells receivers to do nothing"
        ));
        findings.push(finding.help(match dmarc.is_test() {
            true => "once its reports show that all your mail passes, remove `t=y`",
            false => "once its reports show that all your mail passes, change it to p=quarantine",
        }));
    }
    let percent: Option<u32> = dmarc.tag("pct").and_then(|value| value.parse().ok());
    if let Some(percent @ ..100) = percent {
        let finding = DMARC_PCT.found(format!(
            "the DMARC record of {owner} has `pct={percent}`, which many receivers ignore"
        ));
        findings.push(finding.help("remove it; to test a policy, use `t=y`"));
    }
    findings
}

fn free_mail(domain: &str, dmarc: Option<Dmarc>) -> Option<Finding> {
    let policy = match dmarc?.policy(domain) {
        Policy::None => return None,
        Policy::Quarantine => "quarantine",
        Policy::Reject => "reject",
    };
    let message =
        format!("{domain} tells receivers to {policy} messages that others send in its name");
    Some(
        FREE_MAIL
            .found(message)
            .help("send from a domain that you own"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_to_the_top_level_domain() {
        let names = |domain| walk(domain).collect::<Vec<_>>().join(" ");
        assert_eq!(names("example"), "example");
        assert_eq!(names("a.b.example"), "a.b.example b.example example");
        let eight = "a.b.c.d.e.f.g.example";
        assert_eq!(walk(eight).count(), MAX_QUERIES);
        assert_eq!(walk(eight).nth(1), Some("b.c.d.e.f.g.example"));
        // The example of RFC 9989 4.10: the second query has seven labels.
        let long = "a.b.c.d.e.f.g.h.i.j.mail.example.com";
        assert_eq!(walk(long).count(), MAX_QUERIES);
        assert_eq!(walk(long).nth(1), Some("g.h.i.j.mail.example.com"));
        assert_eq!(walk(long).last(), Some("com"));
    }

    #[test]
    fn finds_the_record_of_the_organization() {
        let owner = |records: &[(&str, &str)]| {
            let found = records.iter().map(|(domain, record)| Dmarc {
                domain: (*domain).to_owned(),
                record: format!("v=DMARC1; {record}"),
            });
            organizational(found.collect()).map(|dmarc| dmarc.domain)
        };
        let is = |domain: &str| Some(domain.to_owned());
        assert_eq!(owner(&[]), None);
        assert_eq!(owner(&[("b.c.x", "p=none"), ("c.x", "")]), is("c.x"));
        assert_eq!(owner(&[("b.c.x", "psd=n")]), is("b.c.x"));
        assert_eq!(owner(&[("c.x", ""), ("x", "psd=y")]), is("c.x"));
        assert_eq!(owner(&[("b.c.x", ""), ("x", "psd=y")]), is("x"));
        assert_eq!(owner(&[("x", "psd=u")]), is("x"));
    }

    #[test]
    fn reads_policies() {
        let policy = |record: &str, domain| {
            let dmarc = Dmarc {
                domain: "a.example".to_owned(),
                record: format!("v=DMARC1; {record}"),
            };
            dmarc.policy(domain)
        };
        for (record, own, below) in [
            ("p=reject", Policy::Reject, Policy::Reject),
            ("p=reject; sp=none", Policy::Reject, Policy::None),
            ("p=none; np=reject", Policy::None, Policy::None),
            ("p=REJECT; t=y", Policy::Quarantine, Policy::Quarantine),
            (
                "p=quarantine; t=y; sp=reject",
                Policy::None,
                Policy::Quarantine,
            ),
            ("p=quarantine; t=n", Policy::Quarantine, Policy::Quarantine),
            ("rua=mailto:a@a.example", Policy::None, Policy::None),
        ] {
            assert_eq!(policy(record, "a.example"), own, "{record}");
            assert_eq!(policy(record, "b.a.example"), below, "{record}");
        }
    }
}
