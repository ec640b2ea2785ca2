//! Bounces that only people can read: of qmail (QSBMF), old versions of Exim, Exchange and Sendmail, and others. They name the
//! addresses, each followed by the reason, and then quote the message.

use super::classify::{failure, has_code};
use super::fields::{Fields, field};
use super::report::RecipientReport;
use crate::address::Address;
use crate::api::EventKind;
use crate::outcome::one_line;

/// More addresses than this are left out.
const MAX_ADDRESSES: usize = 100;

pub(super) struct TextBounce {
    /// At least one.
    pub(super) reports: Vec<RecipientReport>,
    /// The headers of the message that it quotes.
    pub(super) returned: Fields,
}

/// What a bounce says in its subject or its text, in lower case.
const FAILED: [&str; 31] = [
    "undeliver",
    "be delivered to",
    "not be delivered",
    "n't be delivered",
    "unable to deliver",
    "delivery fail",
    "delivery has failed",
    "mail fail",
    "delivery to the following",
    "failed permanently",
    "failure notice",
    "mail delivery failed",
    "returned mail",
    "returned to sender",
    "permanent error",
    "permanent fatal error",
    "delivery status notification",
    "delivery report",
    "did not reach",
    "was not delivered",
    "this is the qmail-send program",
    "message rejected",
    "unzustellbar",
    "nicht zugestellt",
    "non remis",
    "pas pu être",
    "niedostarcz",
    "nie można dostarczyć",
    "nie została dostarczona",
    "no se pudo entregar",
    "não foi possível entregar",
];
const DELAYED: [&str; 11] = [
    "not yet been delivered",
    "has been delayed",
    "message delayed",
    "delivery delay",
    "(delay)",
    "delivery incomplete",
    "will be retried",
    "will continue to",
    "still trying",
    "keep trying",
    "need to resend",
];
const MAIL_SYSTEMS: [&str; 7] = [
    "mailer-daemon",
    "mailer daemon",
    "mailerdaemon",
    "mail-daemon",
    "mailer_daemon",
    "postmaster",
    "mdaemon",
];
/// Headers of programs that answer for people.
const ANSWERS: [&str; 5] = [
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Vacation",
    "X-Auto-Reply",
];

/// The bounce in the text of a mail; `None` if it is none.
pub(super) fn parse(headers: &Fields, text: &str) -> Option<TextBounce> {
    let lines: Vec<&str> = text.lines().collect();
    let end = quoted_at(&lines);
    let (own, quoted) = lines.split_at(end);
    let is_qmail = text.trim_start().starts_with("Hi. This is the");
    let is_from_system = is_qmail || headers.has("X-Failed-Recipients") || is_mail_system(headers);
    if !is_from_system || ANSWERS.iter().any(|name| headers.has(name)) {
        return None;
    }
    let subject = headers.get("Subject").unwrap_or_default();
    let said = format!("{subject}\n{}", own.join("\n"));
    let lower = said.to_lowercase();
    let has = |list: &[&str]| list.iter().any(|words| lower.contains(words));
    let is_delayed = has(&DELAYED);
    if !is_delayed && !has(&FAILED) && !headers.has("X-Failed-Recipients") && !has_code(&said) {
        return None;
    }
    let kind_of = |words: &str| match is_delayed {
        true => EventKind::Deferred,
        false => failure(None, words, EventKind::SoftBounce),
    };
    let mut reports = Vec::new();
    for (address, reason) in reasons(own) {
        reports.push(RecipientReport {
            kind: kind_of(&reason),
            addresses: vec![address],
            description: reason,
        });
    }
    let (kind, description) = (kind_of(&said), one_line(&own.join(" ")));
    for address in failed_recipients(headers) {
        let is_named = reports.iter().any(|it| it.addresses.contains(&address));
        if !is_named {
            reports.push(RecipientReport {
                addresses: vec![address],
                kind,
                description: description.clone(),
            });
        }
    }
    if reports.is_empty() {
        reports.push(RecipientReport {
            addresses: Vec::new(),
            kind,
            description,
        });
    }
    let start = quoted.iter().position(|line| field(line).is_some());
    let returned = Fields::parse(&quoted[start.unwrap_or(quoted.len())..].join("\n"));
    Some(TextBounce { reports, returned })
}

/// Whether a program that delivers mail wrote it.
fn is_mail_system(headers: &Fields) -> bool {
    let from = headers.get("From").unwrap_or_default().to_lowercase();
    MAIL_SYSTEMS.iter().any(|name| from.contains(name))
        || from.contains("mail delivery s")
        || from.contains("system administrator")
}

fn failed_recipients(headers: &Fields) -> Vec<String> {
    let lists = headers.all("X-Failed-Recipients");
    let addresses = lists.flat_map(|list| list.split(','));
    let addresses = addresses.filter_map(|address| Address::parse(address).ok());
    addresses
        .take(MAX_ADDRESSES)
        .map(|address| address.as_str().to_owned())
        .collect()
}

/// The number of the line that begins the quoted message: it has dashes, and the next one is a header.
fn quoted_at(lines: &[&str]) -> usize {
    let begins = |at: &usize| {
        // First, because looking for the next line from every line would take very long in a mail of empty lines.
        if !lines[*at].trim_start().starts_with("--") {
            return false;
        }
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        next.is_some_and(|line| field(line).is_some())
    };
    (0..lines.len()).find(begins).unwrap_or(lines.len())
}

/// The addresses, and what stands between each and the next one that begins a line.
fn reasons(lines: &[&str]) -> Vec<(String, String)> {
    let mut reasons: Vec<(String, String)> = Vec::new();
    for line in lines {
        match address_in(line) {
            // What follows the last mention is the reason.
            Some((address, rest)) if reasons.last().is_some_and(|(last, _)| *last == address) => {
                reasons.pop();
                reasons.push((address, rest.to_owned()));
            }
            Some((address, rest)) if reasons.len() < MAX_ADDRESSES => {
                reasons.push((address, rest.to_owned()));
            }
            _ => {
                if let Some((_, reason)) = reasons.last_mut() {
                    reason.push(' ');
                    reason.push_str(line.trim());
                }
            }
        }
    }
    for (_, reason) in &mut reasons {
        *reason = reason.trim_matches([' ', ':', '-']).to_owned();
    }
    reasons
}

/// The address at the start of a line, perhaps after a label that ends with a colon, and what follows.
fn address_in(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    let line = match line.split_once(": ") {
        Some((label, rest)) if !label.contains('@') && label.len() < 60 => rest.trim_start(),
        _ => line,
    };
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let is_around = |c: char| "<>\"'():;,".contains(c);
    let address = Address::parse(word.trim_matches(is_around)).ok()?;
    Some((address.as_str().to_owned(), rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_reason() {
        let lines = [
            "Hello,",
            "<a@b.example>:",
            "550 5.1.1 no",
            "such user",
            "",
            "Recipient address: b@b.example",
            "Reason: full",
            "'c@b.example' on 1/1/2004",
        ];
        let found = reasons(&lines);
        let found: Vec<_> = found
            .iter()
            .map(|(a, r)| (a.as_str(), r.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("a@b.example", "550 5.1.1 no such user"),
                ("b@b.example", "Reason: full"),
                ("c@b.example", "on 1/1/2004")
            ]
        );
    }

    #[test]
    fn a_mail_of_empty_lines_is_read_quickly() {
        let lines = vec![""; 1 << 20];
        assert_eq!(quoted_at(&lines), lines.len());
    }

    #[test]
    fn a_mail_of_a_mail_system_that_reports_no_failure_is_no_bounce() {
        let headers = Fields::parse("From: postmaster@b.example\nSubject: Your quota report\n");
        assert!(parse(&headers, "All is well.\n").is_none());
        let person = Fields::parse("From: jan@b.example\nSubject: failure notice\n");
        assert!(parse(&person, "550 5.1.1 <a@b.example> user unknown\n").is_none());
    }
}
