//! Checks links and images by the responses of their servers.

use super::UNKNOWN;
use super::collect::{Target, TargetKind};
use crate::check::rule::Rule;
use crate::finding::Finding;
use crate::transport::lookup::{DnsError, LookupError, Resource};

/// In bytes.
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
    .why("Browsers show a warning instead of the page, and mail clients don't load the image.")
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

/// Checks a link or an image by the result of its lookup. `Ok(None)` means that only its host was resolved.
pub(super) fn check(
    target: &Target,
    result: &Result<Option<Resource>, LookupError>,
) -> Vec<Finding> {
    match result {
        Ok(None) => Vec::new(),
        Ok(Some(resource)) => check_resource(target, resource),
        Err(error) => vec![check_error(target, error)],
    }
}

fn check_resource(target: &Target, resource: &Resource) -> Vec<Finding> {
    let url = shortened(target);
    let mut findings = Vec::new();
    match resource.status {
        404 | 410 | 500.. => {
            let why = format!("the server responds with {}", resource.status);
            return vec![dead(target, &why)];
        }
        // Servers send others, such as 403 and 429, to programs but not to people.
        400.. => return findings,
        _ => {}
    }
    if resource.is_downgraded {
        let message = format!("{url} redirects to {}, without https", resource.url);
        let help = "link to the final address, with https";
        findings.push(DOWNGRADED.found(message).help(help));
    }
    if target.kind == TargetKind::Image {
        findings.extend(check_image(target, resource));
    }
    findings
}

fn check_image(target: &Target, resource: &Resource) -> Option<Finding> {
    let url = shortened(target);
    let media_type = resource.media_type.as_deref().unwrap_or("image/");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.starts_with("image/") && media_type != "application/octet-stream" {
        return Some(dead(target, &format!("it is {media_type}, not an image")));
    }
    let size = resource.size.filter(|size| *size > HEAVY)?;
    let megabytes = size as f64 / 1e6;
    let finding = IMAGE_HEAVY.found(format!("the image {url} has {megabytes:.1} MB"));
    Some(finding.help("reduce it to at most twice the size at which it is shown"))
}

fn check_error(target: &Target, error: &LookupError) -> Finding {
    let url = shortened(target);
    match error {
        LookupError::NotPublic(address) => NOT_PUBLIC
            .found(format!(
                "{url} leads to {address}, which is not a public address"
            ))
            .help("use an address that recipients can reach"),
        LookupError::Tls(_) => TLS
            .found(format!("{url}: {error}"))
            .help("fix the server's certificate, or link to the host name that it is for"),
        LookupError::Dns(DnsError::NoName | DnsError::NoRecord) => {
            let host = target.url.host_str().unwrap_or_default();
            dead(target, &format!("the host {host} does not exist"))
        }
        LookupError::Redirect(why) => dead(target, why),
        LookupError::NotAllowed(_) | LookupError::Dns(_) | LookupError::Unanswered(_) => UNKNOWN
            .found(format!("{url} could not be looked up: {error}"))
            .help("open it in a browser"),
    }
}

fn dead(target: &Target, why: &str) -> Finding {
    let url = shortened(target);
    let (rule, what) = match target.kind {
        TargetKind::Link => (DEAD, "link"),
        TargetKind::Image => (IMAGE_DEAD, "image"),
    };
    let finding = rule.found(format!("the {what} {url} is dead: {why}"));
    finding.help("fix the address, or publish what it should lead to")
}

/// The URL for a message. A URL that is only resolved has no path, so this cannot reveal a recipient.
fn shortened(target: &Target) -> String {
    let url = target.url.as_str();
    match url.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &url[..end]),
        None => url.to_owned(),
    }
}
