//! The headers by which a receiver knows that a request is genuine. They do not cover the body.

use jiff::Timestamp;
use md5::Md5;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};

use super::config::{WebhookConfig, WebhookKind};
use super::queue::WebhookRequest;

pub(super) fn headers(
    request: &WebhookRequest,
    config: &WebhookConfig,
    secret: &SecretString,
    now: Timestamp,
) -> HeaderMap {
    let secret = secret.expose_secret();
    let headers = match request.kind {
        WebhookKind::V2 => {
            // To the second.
            let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let checksum = v2_checksum(secret, &date, &request.request_id);
            vec![
                (CONTENT_TYPE, "application/json".to_owned()),
                (name("x-webhook-date"), date),
                (name("request-id"), request.request_id.clone()),
                (name("x-webhook-checksum"), checksum),
            ]
        }
        WebhookKind::Events => {
            let event = match request.failures {
                0 => "NEW_EVENTS",
                _ => "REPEAT_EVENTS",
            };
            let time = now.as_second().to_string();
            let micros = format!("{time}.{:06}", now.subsec_nanosecond() / 1000);
            let checksum = events_checksum(&time, &micros, &config.panel, secret);
            vec![
                (CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()),
                (name("x-emaillabs-ev"), event.to_owned()),
                (name("x-emaillabs-ts"), time),
                (name("x-emaillabs-mt"), micros),
                (name("x-emaillabs-id"), checksum),
            ]
        }
    };
    let headers = headers.into_iter();
    headers
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        .collect()
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn v2_checksum(secret: &str, date: &str, request_id: &str) -> String {
    hex(&Sha1::digest(format!("{secret}|{date}|{request_id}")))
}

fn events_checksum(time: &str, micros: &str, panel: &str, secret: &str) -> String {
    hex(&Md5::digest(format!("{time}|{micros}|{panel}|{secret}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are from `printf 'SECRET|…' | openssl dgst`.
    #[test]
    fn checksums_are_as_the_vendor_computes_them() {
        assert_eq!(
            v2_checksum("topsecret", "2026-11-24T10:20:30Z", "abc123"),
            "db9b7ee6c118250d527a469484ead1e04615aba8"
        );
        assert_eq!(
            events_checksum("1795515630", "1795515630.123456", "acme.panel", "topsecret"),
            "660ff811e3c967cae8c0a8853e5f3384"
        );
    }
}
