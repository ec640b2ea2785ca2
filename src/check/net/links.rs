//! What the answers for links and images mean.

use super::UNKNOWN;
use super::collect::{Kind, Target};
use crate::check::rule::Rule;
use crate::finding::Finding;
use crate::transport::lookup::{DnsError, LookError, Seen};

/// The most bytes that an image should have.
const HEAVY: u64 = 1_000_000;

pub(super) const DEAD: Rule = Rule::warning("link-dead")
    .network()
    .finds("a link to a host or page that does not exist, answers with 404, 410 or 5xx, or redirects endlessly")
    .why("Readers see an error.")
    .fix("Correct the address, or restore the page.")
    .source("RFC 9110 15")
    .example("a page that has been moved");

pub(super) const NOT_PUBLIC: Rule = Rule::warning("link-not-public")
    .network()
    .finds("a link or image whose host has an address outside the public internet")
    .why("Only readers in that network can reach it.")
    .fix("Write an address that all readers can reach.")
    .source("RFC 6890")
    .example("`http://192.168.1.5/offer`");

pub(super) const DOWNGRADED: Rule = Rule::warning("link-downgraded")
    .network()
    .finds("a link with `https:` that redirects to `http:`")
    .why("The connection loses its encryption on the way, and browsers warn about it.")
    .fix("Link to the final page with `https:`, or fix the redirect on the server.")
    .source("RFC 9110 4.2.2")
    .example("`https://acme.example/` that redirects to `http://www.acme.example/`");

pub(super) const TLS: Rule = Rule::warning("link-tls")
    .network()
    .finds("a link or image whose server has no valid certificate")
    .why("Browsers show a warning instead of the page, and mail programs don't load the image.")
    .fix("Renew the certificate, or use a host that has a valid one.")
    .source("RFC 9110 4.3.4")
    .example("a certificate that has expired");

pub(super) const IMAGE_DEAD: Rule = Rule::warning("image-dead")
    .network()
    .finds("an image that does not exist, or an address that does not return an image")
    .why("Readers see a broken image.")
    .fix("Upload the image again, or correct the address.")
    .source("RFC 9110 15")
    .example("an image that has been renamed on the server");

pub(super) const IMAGE_HEAVY: Rule = Rule::warning("image-too-heavy")
    .network()
    .finds("an image of more than one megabyte")
    .why("On a slow phone connection it takes about half a minute to load.")
    .fix("Scale the image down to the size at which it is shown, and compress it.")
    .source("1 MB at 0.3 Mbit/s")
    .example("a photograph as the camera made it");

/// What is wrong with a link or an image, by the answer; nothing was asked of a server for `None`.
pub(super) fn judge(target: &Target, answer: &Result<Option<Seen>, LookError>) -> Vec<Finding> {
    match answer {
        Ok(None) => Vec::new(),
        Ok(Some(seen)) => judge_seen(target, seen),
        Err(error) => vec![judge_error(target, error)],
    }
}

fn judge_seen(target: &Target, seen: &Seen) -> Vec<Finding> {
    let url = shown(target);
    let mut findings = Vec::new();
    match seen.status {
        404 | 410 | 500.. => {
            return vec![dead(target, &format!("it answers {}", seen.status))];
        }
        // Others, such as 403 and 429, are often said to programs alone.
        400.. => return findings,
        _ => {}
    }
    if seen.insecure {
        let finding = DOWNGRADED.found(format!("{url} redirects to {}, without https", seen.url));
        findings.push(finding.help("link to where it should end, with https"));
    }
    if target.kind == Kind::Image {
        findings.extend(judge_image(target, seen));
    }
    findings
}

fn judge_image(target: &Target, seen: &Seen) -> Option<Finding> {
    let url = shown(target);
    let media_type = seen.media_type.as_deref().unwrap_or("image/");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.starts_with("image/") && media_type != "application/octet-stream" {
        return Some(dead(target, &format!("it is {media_type}, and no image")));
    }
    let size = seen.size.filter(|size| *size > HEAVY)?;
    let megabytes = size as f64 / 1e6;
    let finding = IMAGE_HEAVY.found(format!("the image {url} has {megabytes:.1} MB"));
    Some(finding.help("make it smaller: of the size at which it is shown, and at most twice that"))
}

fn judge_error(target: &Target, error: &LookError) -> Finding {
    let url = shown(target);
    match error {
        LookError::NotPublic(address) => NOT_PUBLIC
            .found(format!(
                "{url} leads to {address}, which is not a public address"
            ))
            .help("give the address that recipients can get to"),
        LookError::Tls(_) => TLS
            .found(format!("{url}: {error}"))
            .help("mend the certificate of the server, or link to its right name"),
        LookError::Dns(DnsError::NoName | DnsError::NoRecord) => {
            let host = target.url.host_str().unwrap_or_default();
            dead(target, &format!("there is no host {host}"))
        }
        LookError::Redirect(why) => dead(target, why),
        LookError::NotAllowed(_) | LookError::Dns(_) | LookError::Unanswered(_) => UNKNOWN
            .found(format!("{url} was not looked up: {error}"))
            .help("open it in a browser"),
    }
}

fn dead(target: &Target, why: &str) -> Finding {
    let url = shown(target);
    let (rule, what) = match target.kind {
        Kind::Link => (DEAD, "link"),
        Kind::Image => (IMAGE_DEAD, "image"),
    };
    let finding = rule.found(format!("the {what} {url} leads to nothing: {why}"));
    finding.help("mend the address, or what is there")
}

/// A URL as it is told: of those that are not asked for only the host is known.
fn shown(target: &Target) -> String {
    let url = target.url.as_str();
    match url.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &url[..end]),
        None => url.to_owned(),
    }
}
