use std::collections::BTreeSet;

use super::collect::{Kind, Targets};
use super::*;
use crate::transport::lookup::fake::{Site, Zone, dns, reply};

/// A domain with all that it should have.
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
    let two = vec!["v=spf1 -all".to_owned(), "v=spf1 mx -all".to_owned()];
    zone.insert("two.example", (Vec::new(), two));
    zone.insert("_dmarc.two.example", text("v=DMARC1; p=reject"));
    zone
}

/// The bytes of a key of so many in base64, none of which are read.
fn key(bytes: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(vec![1; bytes])
}

/// The name of each key, its record, and what is wrong with it.
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
async fn the_keys_of_the_sender_are_looked_up() {
    let mut zone = zone();
    for (name, record, _) in keys() {
        let texts = record.into_iter().collect();
        zone.insert(name, (Vec::new(), texts));
    }
    let dns = dns(zone).await;
    for (name, _, codes) in keys() {
        let (selector, _) = name.split_once('.').expect("a selector");
        let finding = dkim::look("good.example", selector, &dns).await;
        assert!(finding.iter().all(|finding| finding.help.is_some()));
        let found: Vec<_> = finding.iter().map(|finding| finding.code).collect();
        assert_eq!(found, codes, "{name}");
    }
    let silent = dkim::look("good.example", "silent", &dns).await;
    assert_eq!(silent.map(|finding| finding.code), Some("lookup-failed"));
}

#[tokio::test]
async fn keys_are_looked_up_where_there_is_a_domain() {
    let dns = dns(zone()).await;
    let selectors = ["s1", "s2"].map(str::to_owned);
    for (domain, codes) in [
        ("good.example", &["dkim-missing", "dkim-missing"][..]),
        ("nowhere.example", &["sender-no-domain"]),
    ] {
        let findings = look_at_sender(domain, &selectors, &dns).await;
        let found: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found, codes, "{domain}");
    }
}

async fn of_sender(domain: &str) -> Vec<&'static str> {
    let findings = sender::look(domain, &dns(zone()).await).await;
    assert!(findings.iter().all(|finding| finding.help.is_some()));
    findings.iter().map(|finding| finding.code).collect()
}

/// Each domain, and what is wrong with it.
const SENDERS: &[(&str, &[&str])] = &[
    ("good.example", &[]),
    // Its DMARC is that of the domain above.
    ("news.good.example", &[]),
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
async fn the_domain_of_the_sender_is_looked_up() {
    for (domain, codes) in SENDERS {
        assert_eq!(of_sender(domain).await, *codes, "{domain}");
    }
}

/// Each path of a link or an image, and what is wrong with it.
const PATHS: &[(Kind, &str, &[&str])] = &[
    (Kind::Link, "/page", &[]),
    (Kind::Link, "/forbidden", &[]),
    (Kind::Link, "/gone", &["link-dead"]),
    (Kind::Link, "/nothing", &["link-dead"]),
    (Kind::Link, "/broken", &["link-dead"]),
    (Kind::Link, "/round", &["link-dead"]),
    (Kind::Link, "/inside", &["link-not-public"]),
    (Kind::Link, "/large", &[]),
    (Kind::Image, "/image", &[]),
    (Kind::Image, "/large", &["image-too-heavy"]),
    (Kind::Image, "/page", &["image-dead"]),
    (Kind::Image, "/nothing", &["image-dead"]),
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
async fn links_and_images_are_looked_up() {
    let site = site().await;
    let dns = dns(zone()).await;
    let network = Network {
        web: site.web(dns.clone()),
        dns,
    };
    for (kind, path, codes) in PATHS {
        let target = Targets::target(*kind, &site.url(path), true);
        let findings = links::judge(&target, &ask(&network, &target).await);
        let found: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found, *codes, "{kind:?} {path}");
        assert!(findings.iter().all(|finding| finding.help.is_some()));
    }
    let asked = site.asked().len();
    let target = Targets::target(Kind::Link, &site.url("/gone"), false);
    assert!(links::judge(&target, &ask(&network, &target).await).is_empty());
    assert_eq!(site.asked().len(), asked, "only the host is looked up");
}

#[test]
fn what_an_answer_means_needs_no_network() {
    let target = Targets::target(Kind::Link, "https://a.example/", true);
    let seen = Seen {
        status: 200,
        url: "http://a.example/".parse().expect("a URL"),
        insecure: true,
        size: None,
        media_type: None,
    };
    for (answer, code) in [
        (Ok(Some(seen)), "link-downgraded"),
        (Err(LookError::Tls("expired".to_owned())), "link-tls"),
        (
            Err(LookError::NotAllowed("a login".to_owned())),
            "lookup-failed",
        ),
        (
            Err(LookError::Unanswered("refused".to_owned())),
            "lookup-failed",
        ),
    ] {
        let findings = links::judge(&target, &answer);
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
