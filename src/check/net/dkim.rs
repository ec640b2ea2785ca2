//! Checks the DKIM keys in DNS (RFC 6376 3.6). A key is found by its selector only, which the mail server chooses,
//! so the campaign has to name it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sender::unknown;
use crate::check::rule::Rule;
use crate::finding::Finding;
use crate::transport::lookup::{Dns, DnsError};

/// The bytes in a record of the shortest RSA key that receivers accept, of 1,024 bits (RFC 8301 3.2).
const SHORTEST_RSA: usize = 160;

pub(super) const MISSING: Rule = Rule::warning("dkim-missing")
    .network()
    .finds("a selector in `[check] dkim` for which the sender's domain has no key")
    .why("Receivers can't verify the signature. Google and Yahoo require DKIM from bulk senders.")
    .fix("Publish the key that your provider gives you, or correct the selector.")
    .source("RFC 6376 3.6")
    .example("no TXT record at `s1._domainkey.acme.example`");

pub(super) const REVOKED: Rule = Rule::warning("dkim-revoked")
    .network()
    .finds("a DKIM key that was revoked or can't be read")
    .why("Signatures with this key are invalid.")
    .fix("Publish the current key of your provider.")
    .source("RFC 6376 3.6.1")
    .example("`v=DKIM1; p=`");

pub(super) const WEAK: Rule = Rule::warning("dkim-weak")
    .network()
    .finds("a DKIM key of fewer than 1,024 bits")
    .why("Receivers ignore signatures with such a short key.")
    .fix("Create a key of 2,048 bits.")
    .source("RFC 8301 3.2")
    .example("an RSA key of 512 bits");

pub(super) const TESTING: Rule = Rule::warning("dkim-testing")
    .network()
    .finds("a DKIM key in test mode")
    .why("Receivers may treat the messages as if they were not signed.")
    .fix("Remove `t=y` from the record.")
    .source("RFC 6376 3.6.1")
    .example("`v=DKIM1; t=y; p=…`");

pub(super) async fn check(domain: &str, selector: &str, dns: &Dns) -> Option<Finding> {
    let name = format!("{selector}._domainkey.{domain}");
    match dns.texts(&name).await {
        Ok(texts) => match texts.iter().find_map(|text| tags(text)) {
            Some(tags) => check_key(&name, &tags),
            None => Some(missing(&name)),
        },
        Err(DnsError::NoName | DnsError::NoRecord) => Some(missing(&name)),
        Err(error) => Some(unknown(&name, &error)),
    }
}

fn missing(name: &str) -> Finding {
    let message = format!("there is no DKIM key at {name}");
    MISSING.found(message).help(
        "publish the record that your provider gives you, or set `dkim` to the selector it signs with (`s=` in `DKIM-Signature`)",
    )
}

/// The tags of a key record.
fn tags(text: &str) -> Option<BTreeMap<&str, &str>> {
    let tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let tags: BTreeMap<_, _> = tags.map(|(n, value)| (n.trim(), value.trim())).collect();
    let is_dkim = tags.get("v").is_none_or(|version| *version == "DKIM1");
    (is_dkim && tags.contains_key("p")).then_some(tags)
}

fn check_key(name: &str, tags: &BTreeMap<&str, &str>) -> Option<Finding> {
    let key: String = tags["p"].split_whitespace().collect();
    let flags = tags.get("t").into_iter().flat_map(|flags| flags.split(':'));
    let is_rsa = tags.get("k").is_none_or(|kind| *kind == "rsa");
    match STANDARD.decode(key) {
        Ok(key) if is_rsa && (1..SHORTEST_RSA).contains(&key.len()) => {
            let finding = WEAK.found(format!("the DKIM key at {name} is too short"));
            Some(finding.help("ask your provider for a key of 2,048 bits"))
        }
        Ok(key) if !key.is_empty() => {
            let testing = flags.into_iter().any(|flag| flag.trim() == "y");
            testing.then(|| {
                let finding =
                    TESTING.found(format!("the DKIM key at {name} says that it is a test"));
                finding.help("remove `t=y` from the record")
            })
        }
        _ => {
            let finding = REVOKED.found(format!("the DKIM key at {name} is empty or invalid"));
            Some(finding.help("publish the record again exactly as your provider gives it"))
        }
    }
}
