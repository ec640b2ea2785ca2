//! The display name of the sender, which inboxes show instead of the address.

use url::Url;

use super::campaign_file::{at_text, varies};
use super::sites::{is_domain, site};
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::message::Message;

const ADDRESS: Rule = Rule::warning("from-name-address")
    .finds("a sender's name with an address or a domain of another site than the sender's address")
    .why("Phishing looks like this: inboxes show the name, and the address is another one. Gmail's rules for senders forbid it, and spam filters count it against the message.")
    .fix("Write the name of the sender only, or send from the domain that the name shows.")
    .source("support.google.com/mail/answer/81126: display names; SpamAssassin's plugin FromNameSpoof")
    .example("`from = \"news@acme.example\"` and `from_name = \"help@paypal.com\"`");

const BADGE: Rule = Rule::warning("from-name-badge")
    .finds("a sender's name with a check mark, a shield or a similar symbol")
    .why("It imitates the sign that mailbox providers give to verified senders. Gmail's rules for senders forbid it.")
    .fix("Remove the symbol. To show your logo as a verified sender, publish a BIMI record.")
    .source("support.google.com/mail/answer/81126: display names")
    .example("`from_name = \"Acme ✔\"`");

const REPLY: Rule = Rule::warning("from-name-reply")
    .finds("a sender's name that imitates a reply or the number of messages in a conversation")
    .why("Readers take the message for a part of a conversation and feel deceived. Gmail's rules for senders forbid it.")
    .fix("Write the name of the sender only.")
    .source("support.google.com/mail/answer/81126: display names")
    .example("`from_name = \"Re: Ann\"`, `from_name = \"Ann (2)\"`");

const RULES: &[Rule] = &[ADDRESS, BADGE, REPLY];

pub(in crate::check) struct SenderName;

impl Family for SenderName {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        if !depends_on_row(context.shared) {
            add(context, sink);
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if depends_on_row(context.shared) && sink.wants_any(RULES) {
            add(context, sink);
        }
    }
}

/// Whether the sender's name or address depends on the row.
fn depends_on_row(shared: &CampaignContext<'_>) -> bool {
    let message = &shared.campaign.message;
    varies(&message.from) || message.from_name.as_ref().is_some_and(varies)
}

fn add(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    let written = &context.shared.campaign.message;
    let place = written.from_name.as_ref().unwrap_or(&written.from);
    for finding in check(context.message) {
        sink.add(at_text(context.shared, finding, place));
    }
}

fn check(message: &Message) -> impl Iterator<Item = Finding> {
    let name = message.from.name.as_deref().unwrap_or_default();
    let domain = message.from.address.ascii_domain();
    let address = other_site(name, domain).map(|shown| {
        ADDRESS
            .found(format!(
                "the sender's name shows {shown}, but the message is from {domain}"
            ))
            .kind("the sender's name shows another site")
            .help("write the name of the sender only")
    });
    let badge = name.chars().find(|c| is_badge(*c)).map(|symbol| {
        BADGE
            .found(format!(
                "“{symbol}” in the sender's name imitates the sign for verified senders"
            ))
            .help("remove it")
    });
    let reply = imitates_reply(name).then(|| {
        REPLY
            .found(format!(
                "the sender's name “{name}” imitates a part of a conversation"
            ))
            .kind("the sender's name imitates a part of a conversation")
            .help("write the name of the sender only")
    });
    address.into_iter().chain(badge).chain(reply)
}

/// An address or a domain in a name that is of another site than the sender's domain.
fn other_site<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    if !name.contains(['.', '@']) {
        return None;
    }
    let is_around = |c: char| matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | ':');
    let is_end = |c: char| matches!(c, '.' | ',' | ';' | '!');
    let words = name.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'));
    let mut words = words.map(|word| word.trim_matches(is_around).trim_end_matches(is_end));
    words.find(|word| {
        let shown = match word.rsplit_once('@') {
            Some((local, shown)) if !local.is_empty() && shown.contains('.') => shown,
            None if is_domain(word) => word,
            _ => return false,
        };
        let url = Url::parse(&format!("https://{shown}"));
        let host = url.as_ref().ok().and_then(|url| url.host_str());
        host.is_some_and(|host| site(host) != site(&domain.to_ascii_lowercase()))
    })
}

/// Whether a symbol looks like the sign for verified senders.
fn is_badge(c: char) -> bool {
    matches!(
        c,
        '✓' | '✔' | '✅' | '☑' | '🗸' | '🗹' | '⍻' | '🛡' | '🔒' | '🔐' | '🔏'
    )
}

/// Whether a name begins like a reply, or ends with a number of messages as inboxes show it.
fn imitates_reply(name: &str) -> bool {
    let name = name.trim();
    let begins = ["re:", "fw:", "fwd:", "aw:", "odp:"].iter().any(|prefix| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    let inside = name
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('));
    let has_count = inside.is_some_and(|(before, count)| {
        let is_short = (1..=2).contains(&count.len());
        !before.is_empty() && is_short && count.bytes().all(|b| b.is_ascii_digit())
    });
    begins || has_count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_addresses_of_other_sites() {
        for name in [
            "help@paypal.com",
            "Ann <ann@other.example>",
            "PayPal.com",
            "Acme (www.paypal.com)",
            "Shop: acme.pl, news",
            "żółw.pl",
        ] {
            assert!(other_site(name, "mail.acme.com").is_some(), "{name}");
        }
        for name in [
            "Acme",
            "Acme.com",
            "news@acme.com",
            "ann@shop.acme.com",
            "Acme Inc.",
            "Dr. A. Novak",
            "ASP.NET",
            "@acme",
            "Ann @ Acme",
            "Acme v1.2",
        ] {
            assert!(other_site(name, "mail.acme.com").is_none(), "{name}");
        }
        assert!(other_site("żółw.pl", "xn--w-uga1v8h.pl").is_none());
    }

    #[test]
    fn recognizes_parts_of_conversations() {
        for name in ["Re: Ann", "FWD: Acme", "Ann (2)", "Ann, me (12)"] {
            assert!(imitates_reply(name), "{name}");
        }
        for name in [
            "Regina",
            "Acme (PL)",
            "Acme (2026)",
            "(2)",
            "Ann 2",
            "Acme ()",
        ] {
            assert!(!imitates_reply(name), "{name}");
        }
    }
}
