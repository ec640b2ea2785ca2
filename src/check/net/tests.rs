use std::collections::BTreeSet;

use super::collect::{TargetKind, Targets};
use super::*;
use crate::transport::lookup::fake::{Site, Zone, dns, reply};

/// Domains with good and bad records.
fn zone() -> Zone {
    let text = |text: &str| (Vec::new(), vec![text.to_owned()]);
    let mut zone = Zone::from([
        (
            "good.example",
            text("v=spf1 include:_spf.good.example -all"),
        ),
        ("_spf.good.example", text("v=spf1 ip4:192.0.2.0/24 -all")),
        ("_dmarc.good.example", text("v=DMARC1; p=reject")),
        ("news.good.example", text("v=spf1 -all")),
        ("bare.example", (Vec::new(), Vec::new())),
        ("all.example", text("v=spf1 +all")),
        ("_dmarc.all.example", text("v=DMARC1;p=none")),
        ("round.example", text("v=spf1 include:round.example -all")),
        ("_dmarc.round.example", text("v=DMARC1; p=quarantine")),
        ("gmx.de", text("v=spf1 -all")),
        ("_dmarc.gmx.de", text("v=DMARC1; p=quarantine")),
        ("gmail.com", text("v=spf1 -all")),
        ("_dmarc.gmail.com", text("v=DMARC1; p=none; sp=quarantine")),
    ]);
    for name in ["test.example", "some.example"] {
        zone.insert(name, text("v=spf1 -all"));
    }
    let record = text("v=DMARC1; p=quarantine; t=y");
    zone.insert("_dmarc.test.example", record);
    zone.insert("_dmarc.some.example", text("v=DMARC1; p=reject; pct=5"));
    // A public suffix, an organization below it without a record, and one with a record.
    zone.insert("_dmarc.suffix.example", text("v=DMARC1; p=none; psd=y"));
    zone.insert("a.bare.suffix.example", text("v=spf1 -all"));
    zone.insert("_dmarc.firm.suffix.example", text("v=DMARC1; p=reject"));
    zone.insert("a.b.firm.suffix.example", text("v=spf1 -all"));
    // A part of an organization that stands for itself.
    zone.insert("_dmarc.part.good.example", text("v=DMARC1; p=none; psd=n"));
    zone.insert("news.part.good.example", text("v=spf1 -all"));
    // The record between the domain and its organization does not count.
    zone.insert("_dmarc.b.good.example", text("v=DMARC1; p=none"));
    zone.insert("a.b.good.example", text("v=spf1 -all"));
    let two = vec!["v=spf1 -all".to_owned(), "v=spf1 mx -all".to_owned()];
    zone.insert("two.example", (Vec::new(), two));
    zone.insert("_dmarc.two.example", text("v=DMARC1; p=reject"));
    zone
}

/// A key of so many bytes, in base64.
fn key(bytes: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(vec![1; bytes])
}

/// The name of each key, its record, and its findings.
fn keys() -> Vec<(&'static str, Option<String>, &'static [&'static str])> {
    let long = key(294);
    let (first, rest) = long.split_at(100);
    vec![
        (
            "rsa._domainkey.good.example",
            Some(format!("v=DKIM1; k=rsa; p={first} {rest}")),
            &[],
        ),
        (
            "bare._domainkey.good.example",
            Some(format!("p={}", key(162))),
            &[],
        ),
        (
            "ed25519._domainkey.good.example",
            Some(format!("v=DKIM1;k=ed25519;p={}", key(32))),
            &[],
        ),
        (
            "short._domainkey.good.example",
            Some(format!("v=DKIM1; p={}", key(94))),
            &["dkim-weak"],
        ),
        (
            "trial._domainkey.good.example",
            Some(format!("v=DKIM1; t=y:s; p={long}")),
            &["dkim-testing"],
        ),
        (
            "strict._domainkey.good.example",
            Some(format!("v=DKIM1; t=s; p={long}")),
            &[],
        ),
        (
            "revoked._domainkey.good.example",
            Some("v=DKIM1; p=".to_owned()),
            &["dkim-revoked"],
        ),
        (
            "broken._domainkey.good.example",
            Some("v=DKIM1; p=MIIB…".to_owned()),
            &["dkim-revoked"],
        ),
        (
            "other._domainkey.good.example",
            Some("something else".to_owned()),
            &["dkim-missing"],
        ),
        ("none._domainkey.good.example", None, &["dkim-missing"]),
    ]
}

#[tokio::test]
async fn checks_dkim_keys() {
    let mut zone = zone();
    for (name, record, _) in keys() {
        let texts = record.into_iter().collect();
        zone.insert(name, (Vec::new(), texts));
    }
    let dns = dns(zone).await;
    for (name, _, codes) in keys() {
        let (selector, _) = name.split_once('.').expect("a selector");
        let finding = dkim::check("good.example", selector, &dns).await;
        assert!(finding.iter().all(|finding| finding.help.is_some()));
        let found: Vec<_> = finding.iter().map(|finding| finding.code).collect();
        assert_eq!(found, codes, "{name}");
    }
    let silent = dkim::check("good.example", "silent", &dns).await;
    assert_eq!(silent.map(|finding| finding.code), Some("lookup-failed"));
}

#[tokio::test]
async fn checks_keys_only_if_the_domain_exists() {
    let dns = dns(zone()).await;
    let selectors = ["s1", "s2"].map(str::to_owned);
    for (domain, codes) in [
        ("good.example", &["dkim-missing", "dkim-missing"][..]),
        ("nowhere.example", &["sender-no-domain"]),
    ] {
        let findings = check_sender(domain, &selectors, &dns).await;
        let found: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found, codes, "{domain}");
    }
}

async fn sender_codes(domain: &str) -> Vec<&'static str> {
    let findings = sender::check(domain, &dns(zone()).await).await;
    assert!(findings.iter().all(|finding| finding.help.is_some()));
    findings.iter().map(|finding| finding.code).collect()
}

/// Each domain and its findings.
const SENDERS: &[(&str, &[&str])] = &[
    ("good.example", &[]),
    // The parent domain has its DMARC record.
    ("news.good.example", &[]),
    ("a.b.good.example", &[]),
    ("news.part.good.example", &["dmarc-none"]),
    ("a.bare.suffix.example", &["dmarc-none"]),
    ("a.b.firm.suffix.example", &[]),
    ("test.example", &["dmarc-none"]),
    ("some.example", &["dmarc-pct"]),
    ("nowhere.example", &["sender-no-domain"]),
    ("bare.example", &["spf-missing", "dmarc-missing"]),
    ("two.example", &["spf-several"]),
    ("all.example", &["spf-all", "dmarc-none"]),
    ("round.example", &["spf-lookups"]),
    ("gmx.de", &["dmarc-free-mail"]),
    ("gmail.com", &[]),
    ("silent.example", &["lookup-failed"]),
];

#[tokio::test]
async fn checks_the_senders_domain() {
    for (domain, codes) in SENDERS {
        assert_eq!(sender_codes(domain).await, *codes, "{domain}");
    }
}

/// Each path of a link or an image, and its findings.
const PATHS: &[(TargetKind, &str, &[&str])] = &[
    (TargetKind::Link, "/page", &[]),
    (TargetKind::Link, "/forbidden", &[]),
    (TargetKind::Link, "/gone", &["link-dead"]),
    (TargetKind::Link, "/nothing", &["link-dead"]),
    (TargetKind::Link, "/broken", &["link-dead"]),
    (TargetKind::Link, "/round", &["link-dead"]),
    (TargetKind::Link, "/inside", &["link-not-public"]),
    (TargetKind::Link, "/large", &[]),
    (TargetKind::Image, "/image", &[]),
    (TargetKind::Image, "/large", &["image-too-heavy"]),
    (TargetKind::Image, "/page", &["image-dead"]),
    (TargetKind::Image, "/nothing", &["image-dead"]),
];

async fn site() -> Site {
    Site::start(|request, _| match request.uri().path() {
        "/page" => reply(200, &[("content-type", "text/html; charset=utf-8")]),
        "/image" => reply(200, &[("content-type", "image/png")]),
        "/large" if request.method() == "GET" => reply(
            206,
            &[
                ("content-type", "image/jpeg"),
                ("content-range", "bytes 0-1023/1000001"),
            ],
        ),
        "/large" => reply(405, &[]),
        "/forbidden" => reply(403, &[]),
        "/gone" => reply(410, &[]),
        "/broken" => reply(503, &[]),
        "/round" => reply(301, &[("location", "/round")]),
        "/inside" => reply(302, &[("location", "http://10.0.0.1/")]),
        _ => reply(404, &[]),
    })
    .await
}

#[tokio::test]
async fn checks_links_and_images() {
    let site = site().await;
    let dns = dns(zone()).await;
    let network = Network {
        web: site.client(dns.clone()),
        dns,
    };
    for (kind, path, codes) in PATHS {
        let target = Targets::target(*kind, &site.url(path), true);
        let findings = links::check(&target, &probe(&network, &target).await);
        let found: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found, *codes, "{kind:?} {path}");
        assert!(findings.iter().all(|finding| finding.help.is_some()));
    }
    let requests = site.requests().len();
    let target = Targets::target(TargetKind::Link, &site.url("/gone"), false);
    assert!(links::check(&target, &probe(&network, &target).await).is_empty());
    assert_eq!(site.requests().len(), requests, "only the host is resolved");
}

#[test]
fn checks_results_without_a_network() {
    let target = Targets::target(TargetKind::Link, "https://a.example/", true);
    let resource = Resource {
        status: 200,
        url: "http://a.example/".parse().expect("a URL"),
        is_downgraded: true,
        size: None,
        media_type: None,
    };
    for (result, code) in [
        (Ok(Some(resource)), "link-downgraded"),
        (Err(LookupError::Tls("expired".to_owned())), "link-tls"),
        (
            Err(LookupError::NotAllowed("a login".to_owned())),
            "lookup-failed",
        ),
        (
            Err(LookupError::Unanswered("refused".to_owned())),
            "lookup-failed",
        ),
    ] {
        let findings = links::check(&target, &result);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, code);
    }
}

#[test]
fn every_rule_has_a_case() {
    let here = ["link-downgraded", "link-tls"];
    let cases = SENDERS.iter().flat_map(|(_, codes)| *codes);
    let cases = cases.chain(PATHS.iter().flat_map(|(_, _, codes)| *codes));
    let keys = keys().into_iter().flat_map(|(_, _, codes)| codes);
    let cases: BTreeSet<_> = cases.chain(keys).copied().chain(here).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(cases, rules);
}
