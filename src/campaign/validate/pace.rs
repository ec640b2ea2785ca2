//! `[pace]`, `[retry]` and `[breaker]`, validated.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::Validator;
use crate::address::Address;
use crate::campaign::file::{self, Text};
use crate::campaign::{BreakerSettings, DomainRate, PaceSettings, RetrySettings};
use crate::pace::{Period, Rate};

const DEFAULT_RATE: &str = "10/s";
const DEFAULT_CONCURRENCY: u32 = 8;
const MAX_CONCURRENCY: u32 = 4096;
const DEFAULT_ATTEMPTS: u32 = 5;
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(300);
const DEFAULT_MESSAGES: u32 = 100;
const MAX_MESSAGES: u32 = 100_000;
/// In bytes.
const MAX_GROUP: usize = 64;
const DEFAULT_SHARE: f64 = 0.5;

impl Validator<'_> {
    /// `max_batch` is the most recipients of a request.
    pub(super) fn pace(&mut self, pace: &file::PaceTable, max_batch: usize) -> PaceSettings {
        let rate = match &pace.rate {
            None => vec![default_rate()],
            Some(rates) => rates.iter().map(|rate| self.rate(rate)).collect(),
        };
        let ramp = self.ramp(pace.ramp.as_ref());
        let is_per_day = rate.iter().any(|rate| rate.per == Period::Day);
        if let Some(group) = pace
            .pace_group
            .as_ref()
            .filter(|_| !is_per_day && ramp.is_empty())
        {
            self.bad_value(
                group.span(),
                "the campaign has no limit per day, so its recipients would not count in the group",
                "add the limit of the group to `rate`, such as \"20000/day\", or a `ramp`",
            );
        }
        PaceSettings {
            rate,
            concurrency: self.number(
                pace.concurrency.as_ref(),
                DEFAULT_CONCURRENCY,
                MAX_CONCURRENCY,
            ),
            batch: self.number(pace.batch.as_ref(), 1, max_batch as u32),
            per_domain: self.per_domain(&pace.per_domain),
            ramp,
            pace_group: pace.pace_group.as_ref().map(|group| self.pace_group(group)),
        }
    }

    fn ramp(&mut self, ramp: Option<&Spanned<Vec<Text>>>) -> Vec<Rate> {
        let Some(ramp) = ramp else { return Vec::new() };
        let help = "write a limit for each of the first days, such as [\"500/day\", \"1000/day\", \"2000/day\"]";
        if ramp.get_ref().is_empty() {
            self.bad_value(ramp.span(), "`ramp` is empty", help);
        }
        let mut days = Vec::new();
        for text in ramp.get_ref() {
            let rate = self.rate(text);
            if rate.per != Period::Day && text.get_ref().parse::<Rate>().is_ok() {
                let message = format!("“{}” is not a limit per day", text.get_ref());
                self.bad_value(text.span(), message, help);
            }
            days.push(rate);
        }
        days
    }

    fn pace_group(&mut self, group: &Text) -> String {
        let name = group.get_ref();
        if name.trim().is_empty() || name.len() > MAX_GROUP || name.chars().any(char::is_control) {
            let message = format!("the name must be one line of 1 to {MAX_GROUP} bytes");
            self.bad_value(
                group.span(),
                message,
                "for example the name of the account: \"acme\"",
            );
        }
        name.clone()
    }

    fn rate(&mut self, rate: &Text) -> Rate {
        self.or_default(rate.span(), rate.get_ref().parse(), default_rate())
    }

    fn per_domain(&mut self, limits: &BTreeMap<Text, Text>) -> Vec<DomainRate> {
        let mut domains: Vec<DomainRate> = Vec::new();
        for (name, rate) in limits {
            let rate = self.rate(rate);
            let Some(domain) = domain(name.get_ref()) else {
                self.bad_value(
                    name.span(),
                    format!("“{}” is not a domain", name.get_ref()),
                    "write the part of an address after the @, such as \"gmail.com\"",
                );
                continue;
            };
            if domains.iter().any(|other| other.domain == domain) {
                self.bad_value(
                    name.span(),
                    format!("{domain} has two limits"),
                    "remove one of them",
                );
            }
            domains.push(DomainRate { domain, rate });
        }
        domains
    }

    pub(super) fn number(
        &mut self,
        number: Option<&Spanned<u32>>,
        default: u32,
        most: u32,
    ) -> NonZeroU32 {
        let value = number.map_or(default, |number| *number.get_ref());
        match NonZeroU32::new(value) {
            Some(value) if value.get() <= most => value,
            _ => {
                self.bad_value(
                    number.map_or(0..0, Spanned::span),
                    format!("must be from 1 to {most}"),
                    "",
                );
                NonZeroU32::MIN
            }
        }
    }

    pub(super) fn retry(&mut self, retry: &file::RetryTable) -> RetrySettings {
        RetrySettings {
            attempts: self
                .number(retry.attempts.as_ref(), DEFAULT_ATTEMPTS, 100)
                .get(),
            max_delay: self.duration(retry.max_delay.as_ref(), DEFAULT_MAX_DELAY),
        }
    }

    pub(super) fn breaker(&mut self, breaker: &file::BreakerTable) -> BreakerSettings {
        let messages = self.number(breaker.messages.as_ref(), DEFAULT_MESSAGES, MAX_MESSAGES);
        let share = breaker
            .share
            .as_ref()
            .map_or(DEFAULT_SHARE, |share| *share.get_ref());
        if !(0.0..=1.0).contains(&share) {
            self.bad_value(
                breaker.share.as_ref().map_or(0..0, Spanned::span),
                "must be from 0 to 1",
                "0.5 stops the run when more than half go wrong; 1.0 never stops it",
            );
        }
        BreakerSettings { messages, share }
    }
}

fn default_rate() -> Rate {
    DEFAULT_RATE.parse().expect("the default rate is valid")
}

/// The domain as A-labels.
fn domain(name: &str) -> Option<String> {
    let address = Address::parse(&format!("a@{}", name.trim())).ok()?;
    Some(address.ascii_domain().to_owned())
}
