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
    .source("RFC 7489 6.3")
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
    .source("RFC 7489")
    .example("no TXT record at `_dmarc.acme.example`");

pub(super) const DMARC_NONE: Rule = Rule::note("dmarc-none")
    .network()
    .finds("a DMARC record that asks receivers to do nothing")
    .why("Anybody can forge messages from the domain.")
    .fix("When the reports show that your own messages pass, change the policy to `p=quarantine` or `p=reject`.")
    .source("RFC 7489 6.3")
    .example("`v=DMARC1; p=none`");

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

/// The DMARC record that applies to a domain: its own, or that of the nearest parent domain.
async fn dmarc(domain: &str, dns: &Dns) -> Result<Option<Dmarc>, DnsError> {
    let mut name = domain;
    loop {
        match dns.texts(&format!("_dmarc.{name}")).await {
            Ok(texts) => {
                let mut records = texts.into_iter().filter(|text| is_dmarc(text));
                // Several records count as none.
                if let (Some(record), None) = (records.next(), records.next()) {
                    let domain = name.to_owned();
                    return Ok(Some(Dmarc { domain, record }));
                }
            }
            Err(DnsError::NoName | DnsError::NoRecord) => {}
            Err(error) => return Err(error),
        }
        match name.split_once('.') {
            Some((_, parent)) if parent.contains('.') => name = parent,
            _ => return Ok(None),
        }
    }
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

    /// What receivers should do with messages of a domain that fail.
    fn policy(&self, domain: &str) -> Option<String> {
        let subdomain = self.tag("sp").filter(|_| self.domain != domain);
        subdomain.or_else(|| self.tag("p"))
    }
}

fn check_dmarc(domain: &str, dmarc: Option<&Dmarc>) -> Option<Finding> {
    let Some(dmarc) = dmarc else {
        let finding =
            DMARC_MISSING.found(format!("the sender's domain {domain} has no DMARC record"));
        return Some(finding.help(format!(
            "publish a TXT record at `_dmarc.{domain}`, starting with `v=DMARC1; p=none; rua=mailto:…`"
        )));
    };
    (dmarc.policy(domain)? == "none").then(|| {
        let message = format!(
            "the DMARC record of {} tells receivers to do nothing",
            dmarc.domain
        );
        let help = "once its reports show that all your mail passes, change it to p=quarantine";
        DMARC_NONE.found(message).help(help)
    })
}

fn free_mail(domain: &str, dmarc: Option<Dmarc>) -> Option<Finding> {
    let policy = dmarc?.policy(domain)?;
    (policy != "none").then(|| {
        let message =
            format!("{domain} tells receivers to {policy} messages that others send in its name");
        FREE_MAIL
            .found(message)
            .help("send from a domain that you own")
    })
}
