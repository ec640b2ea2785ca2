//! What mailbox providers require of bulk senders: the sender's address, and the headers that say what kind of
//! message it is.

use super::campaign_file::{at_text, varies};
use crate::address::{Address, Mailbox};
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;

const FREE_FROM: Rule = Rule::warning("from-freemail")
    .finds("a sender address at a free mailbox provider")
    .why("These providers publish that only their own servers send for their domains. Other servers file such messages as spam or refuse them.")
    .fix("Send from a domain of your own. Replies can still go to the free mailbox: set `reply_to`.")
    .source("RFC 9989 4.7; support.google.com/mail/answer/81126: don't impersonate Gmail From: headers")
    .example("`from = \"acme@gmail.com\"`");

const FREE_REPLY: Rule = Rule::warning("reply-freemail")
    .finds("replies that go to a free mailbox although the sender has a domain of its own")
    .why("This is typical of fraud, so spam filters count it against the message.")
    .fix("Take replies at the sender's domain, and forward them from there.")
    .source("SpamAssassin FREEMAIL_FORGED_REPLYTO (2.1)")
    .example("`from = \"news@acme.example\"` and `reply_to = \"acme@gmail.com\"`");

const FEEDBACK: Rule = Rule::warning("feedback-id")
    .finds("a `Feedback-ID` that Gmail can't read")
    .why("Gmail reports spam complaints by this header. It reads up to three fields and a sender ID of 5 to 15 characters, separated by colons.")
    .fix("Write `campaign:customer:kind:sender`, with the same sender in all your messages.")
    .source("support.google.com/mail/answer/6254652")
    .example("`Feedback-ID = \"autumn:acme:\"`");

const AUTOMATIC: Rule = Rule::warning("header-automatic")
    .finds("an `Auto-Submitted` or `Precedence` header that does not fit a mailing")
    .why("Mail clients and auto-responders decide by these headers how to treat a message.")
    .fix("Remove the header, or write `Auto-Submitted: auto-generated` or `Precedence: bulk`.")
    .source("RFC 3834 5, RFC 2076 3.9")
    .example("`Auto-Submitted = \"auto-replied\"`, `Precedence = \"urgent\"`");

const RULES: &[Rule] = &[FREE_FROM, FREE_REPLY, FEEDBACK, AUTOMATIC];

pub(in crate::check) struct SenderHeaders;

impl Family for SenderHeaders {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let message = &shared.campaign.message;
        for (name, value) in &message.headers {
            let name = name.get_ref();
            if !varies(value)
                && let Some(finding) = kind(name, value.get_ref())
            {
                sink.add(at_text(shared, finding, value));
            }
        }
        if has_row_addresses(shared) {
            return;
        }
        let Ok(from) = Address::parse(message.from.get_ref()) else {
            return;
        };
        let mut found = None;
        for text in &message.reply_to {
            let reply_to = Mailbox::parse_list(text.get_ref()).unwrap_or_default();
            let reply_to: Vec<Address> = reply_to.into_iter().map(|it| it.address).collect();
            found = found.or_else(|| Some((addresses(&from, &reply_to)?, text)));
        }
        let found = found.or_else(|| Some((addresses(&from, &[])?, &message.from)));
        if let Some((finding, text)) = found {
            let place = match finding.code == FREE_REPLY.code {
                true => text,
                false => &message.from,
            };
            sink.add(at_text(shared, finding, place));
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if !sink.wants_any(RULES) {
            return;
        }
        let shared = context.shared;
        for (name, value) in &shared.campaign.message.headers {
            let name = name.get_ref();
            if varies(value)
                && KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(name))
                && let Some((_, sent)) = context
                    .message
                    .headers
                    .iter()
                    .find(|(other, _)| other == name)
                && let Some(finding) = kind(name, sent)
            {
                sink.add(at_text(shared, finding.kind(name), value));
            }
        }
        if has_row_addresses(shared) {
            let found = addresses(&context.message.from.address, &context.message.reply_to);
            found.into_iter().for_each(|finding| sink.add(finding));
        }
    }
}

/// Free mailbox providers with domains in many countries.
const FREE_ANYWHERE: [&str; 6] = ["gmx", "hotmail", "live", "outlook", "yahoo", "yandex"];

/// The headers that say what kind of message it is.
const KINDS: [&str; 3] = ["Feedback-ID", "Auto-Submitted", "Precedence"];

/// Whether the sender or the reply address depends on the row.
fn has_row_addresses(shared: &CampaignContext<'_>) -> bool {
    let message = &shared.campaign.message;
    varies(&message.from) || message.reply_to.iter().any(varies)
}

fn addresses(from: &Address, reply_to: &[Address]) -> Option<Finding> {
    if is_free(from.ascii_domain()) {
        let message = format!(
            "the sender's address is at {}, and only that provider's servers may send for it: receivers refuse the message or file it as spam",
            from.ascii_domain()
        );
        return Some(
            FREE_FROM
                .found(message)
                .help("send from a domain of your own; replies can go anywhere: set reply_to"),
        );
    }
    let mut reply_to = reply_to.iter();
    let reply_to = reply_to.find(|reply_to| is_free(reply_to.ascii_domain()))?;
    let message = format!(
        "replies go to {}, but the sender is at another domain: SpamAssassin adds 2.1 of 5 points (FREEMAIL_FORGED_REPLYTO)",
        reply_to.ascii_domain()
    );
    Some(
        FREE_REPLY
            .found(message)
            .help("take replies at the sender's domain, and forward them from there"),
    )
}

/// Whether a provider gives mailboxes for free at a domain. Most are in SpamAssassin's list
/// (20_freemail_domains.cf).
fn is_free(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let name = domain.split('.').next().unwrap_or_default();
    // Such as outlook.com, hotmail.fr and yahoo.co.uk, but not yahoo.acme.example.
    let is_country_domain = || match domain.split('.').count() {
        2 => true,
        3 => domain.contains(".co.") || domain.contains(".com."),
        _ => false,
    };
    match domain.as_str() {
        "163.com" | "aol.com" | "free.fr" | "freenet.de" | "gazeta.pl" | "gmail.com" | "go2.pl"
        | "googlemail.com" | "icloud.com" | "interia.eu" | "interia.pl" | "laposte.net"
        | "libero.it" | "mac.com" | "mail.com" | "mail.ru" | "me.com" | "msn.com" | "o2.pl"
        | "onet.eu" | "onet.pl" | "op.pl" | "orange.fr" | "poczta.fm" | "poczta.onet.pl"
        | "proton.me" | "protonmail.com" | "qq.com" | "rocketmail.com" | "seznam.cz"
        | "t-online.de" | "web.de" | "wp.pl" | "ymail.com" => true,
        _ => FREE_ANYWHERE.contains(&name) && is_country_domain(),
    }
}

/// Checks a header that says what kind of message it is.
fn kind(name: &str, value: &str) -> Option<Finding> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    if name.eq_ignore_ascii_case("Feedback-ID") {
        return feedback(value);
    }
    let known: &[&str] = if name.eq_ignore_ascii_case("Auto-Submitted") {
        &["no", "auto-generated"]
    } else if name.eq_ignore_ascii_case("Precedence") {
        &["bulk", "list"]
    } else {
        return None;
    };
    let first = value.split(';').next().unwrap_or_default().trim();
    let is_known = known.iter().any(|known| known.eq_ignore_ascii_case(first));
    (!is_known).then(|| {
        AUTOMATIC
            .found(format!(
                "{name} says that the message is “{first}”, but it is a mailing"
            ))
            .help(format!("remove {name}, or write {}", known.join(" or ")))
    })
}

fn feedback(value: &str) -> Option<Finding> {
    let fields: Vec<&str> = value.split(':').collect();
    let sender = fields
        .last()
        .map_or(0, |sender| sender.trim().chars().count());
    let wrong = if fields.len() > 4 {
        format!(
            "it has {} fields, and Gmail reads only the last four",
            fields.len()
        )
    } else if sender == 0 {
        "its last field, the sender, is empty, so Gmail makes no report".to_owned()
    } else if !(5..=15).contains(&sender) {
        format!("its last field, the sender, has {sender} characters instead of 5 to 15")
    } else {
        return None;
    };
    let help = "write campaign:customer:kind:sender, with the same sender in all your messages";
    Some(
        FEEDBACK
            .found(format!("Gmail can't read the Feedback-ID: {wrong}"))
            .help(help),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_free_mailboxes() {
        for domain in [
            "gmail.com",
            "WP.pl",
            "yahoo.co.uk",
            "outlook.com",
            "hotmail.fr",
        ] {
            assert!(is_free(domain), "{domain}");
        }
        for domain in [
            "acme.example",
            "live.acme.example",
            "mail.acme.com",
            "notgmail.com",
        ] {
            assert!(!is_free(domain), "{domain}");
        }
    }

    #[test]
    fn checks_headers_for_the_kind_of_message() {
        for (name, value) in [
            ("Feedback-ID", "autumn:acme:"),
            ("Feedback-ID", "a:b:c:d:sender"),
            ("Feedback-ID", "autumn:abc"),
            ("auto-submitted", "auto-replied"),
            ("Precedence", "first-class"),
        ] {
            assert!(kind(name, value).is_some(), "{name}: {value}");
        }
        for (name, value) in [
            ("Feedback-ID", "autumn:acme:letter:mailrun"),
            ("Feedback-ID", "::autumn:sender"),
            ("Auto-Submitted", "auto-generated; owner-email=a@b.example"),
            ("Precedence", "Bulk"),
            ("X-Other", "urgent"),
        ] {
            assert!(kind(name, value).is_none(), "{name}: {value}");
        }
    }
}
