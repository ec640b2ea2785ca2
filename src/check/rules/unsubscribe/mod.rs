//! The headers with which mail clients unsubscribe (RFC 2369, RFC 8058), and the link for readers.

mod body_link;
mod feedback;
mod shared_urls;

use url::Url;

use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::{AnyTotals, Family};
use crate::check::rule::Rule;
use crate::check::rules::campaign_file::{at_text, header, in_file, varies};
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::unsubscribe::{
    LIST_UNSUBSCRIBE as HEADER, LIST_UNSUBSCRIBE_POST as POST_HEADER, ONE_CLICK as POST_VALUE,
};
use body_link::LINK;
use shared_urls::UnsubscribeUrls;

pub(super) use feedback::is_made_by_mailrun;

const MISSING: Rule = Rule::warning("unsubscribe-missing")
    .finds("no `List-Unsubscribe` header in a message to 100 or more recipients")
    .why("Gmail and Yahoo require it from everybody who sends 5,000 messages a day. Without it, readers use the spam button instead.")
    .fix("Add `List-Unsubscribe` and `List-Unsubscribe-Post` to `[message.headers]`. Messages that nobody can unsubscribe from, such as invoices, don't need them: turn the rule off.")
    .source("support.google.com/mail/answer/81126")
    .example("no `[message.headers]`");

const VALUE: Rule = Rule::warning("unsubscribe-value")
    .finds("a `List-Unsubscribe` header that is not a list of addresses in angle brackets")
    .why("Mail clients ignore the header, so readers see no way to unsubscribe.")
    .fix("Write `<https://…>`, or `<https://…>, <mailto:…>`.")
    .source("RFC 2369 2")
    .example("`List-Unsubscribe = \"https://acme.example/u/{{ token }}\"`");

const ONE_CLICK: Rule = Rule::warning("unsubscribe-https")
    .finds("a `List-Unsubscribe` header without an `https:` address, for 100 or more recipients")
    .why("Unsubscribing with one click, which Gmail and Yahoo require from bulk senders, works over HTTPS only.")
    .fix("Add an `https:` address that belongs to one recipient and unsubscribes by POST.")
    .source("RFC 8058 3.1; support.google.com/mail/answer/81126")
    .example("`List-Unsubscribe = \"<mailto:leave@acme.example>\"`");

const SEVERAL: Rule = Rule::warning("unsubscribe-several")
    .finds("a `List-Unsubscribe` header with more than one `https:` address")
    .why("Mail clients don't know which of them unsubscribes with one click.")
    .fix("Keep the one that unsubscribes by POST.")
    .source("RFC 8058 3.1")
    .example("`<https://acme.example/u/1>, <https://acme.example/settings>`");

const POST: Rule = Rule::warning("unsubscribe-post")
    .finds("`List-Unsubscribe` without `List-Unsubscribe-Post: List-Unsubscribe=One-Click`, or the other way round")
    .why("Mail clients offer to unsubscribe with one click only if both headers are there and correct.")
    .fix("Add `List-Unsubscribe-Post = \"List-Unsubscribe=One-Click\"`, and make the address accept a POST.")
    .source("RFC 8058 3.1")
    .example("`List-Unsubscribe-Post = \"One-Click\"`");

const SHARED: Rule = Rule::warning("unsubscribe-shared")
    .finds("several recipients with the same address for unsubscribing")
    .why("A mail client sends nothing but this address, so nobody can tell who unsubscribed.")
    .fix("Put something into the address that only one recipient has, such as `{{ token }}`.")
    .source("RFC 8058 3.1")
    .example("`<https://acme.example/unsubscribe>`");

const RULES: &[Rule] = &[
    MISSING,
    VALUE,
    ONE_CLICK,
    SEVERAL,
    POST,
    SHARED,
    LINK,
    feedback::COPIES,
    feedback::LOCAL,
    feedback::CONTRAST,
];

pub(in crate::check) struct Unsubscribe;

impl Family for Unsubscribe {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        feedback::check(shared, sink);
        let (list, post) = (header(shared, HEADER), header(shared, POST_HEADER));
        let Some(list) = list else {
            // mailrun adds both headers.
            if shared.campaign.feedback.url.is_some() {
                return;
            }
            if shared.rows >= MANY {
                sink.add(in_file(shared, missing()));
            }
            if let Some(post) = post {
                let finding = POST
                    .found("List-Unsubscribe-Post does nothing without List-Unsubscribe")
                    .help(
                        "add List-Unsubscribe with an https: address that belongs to one recipient",
                    );
                sink.add(at_text(shared, finding, post));
            }
            return;
        };
        if has_row_headers(shared) {
            return;
        }
        let uris = Uris::of(list.get_ref());
        let post = post.map(|post| post.get_ref().as_str());
        check(shared, &uris, post, &mut |finding| {
            sink.add(at_text(shared, finding, list))
        });
        if uris.https.is_some() && shared.rows > 1 {
            let finding = SHARED
                .found(
                    "all recipients have the same address for unsubscribing, so nobody can tell who used it",
                )
                .help("put something into it that only this recipient has, such as {{ token }}");
            sink.add(at_text(shared, finding, list));
        }
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        if sink.wants(&LINK) {
            sink.extend(body_link::check(context));
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let shared = context.shared;
        if !sink.wants_any(RULES) || !has_row_headers(shared) {
            return;
        }
        let mut add = |finding| match header(shared, HEADER) {
            Some(list) => sink.add(at_text(shared, finding, list)),
            None => sink.add(finding),
        };
        match value(context, HEADER) {
            Some(list) => check(
                shared,
                &Uris::of(list),
                value(context, POST_HEADER),
                &mut add,
            ),
            None if shared.rows >= MANY => add(missing()),
            None => {}
        }
    }

    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        vec![Box::new(UnsubscribeUrls::default())]
    }
}

/// Fewer recipients are assumed to know the sender.
const MANY: u64 = 100;

/// Whether the headers depend on the row.
fn has_row_headers(shared: &CampaignContext<'_>) -> bool {
    header(shared, HEADER)
        .is_some_and(|list| varies(list) || header(shared, POST_HEADER).is_some_and(varies))
}

fn value<'a>(context: &RowContext<'a>, name: &str) -> Option<&'a str> {
    let mut headers = context.message.headers.iter();
    let (_, value) = headers.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// The addresses in a header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uris<'a> {
    /// The first `https:` address.
    https: Option<&'a str>,
    /// The number of `https:` addresses.
    secure: usize,
    /// Whether there is an `http:` address.
    plain: bool,
    /// Whether an address contains white space.
    spaced: bool,
    /// Whether the header is a list of addresses in angle brackets.
    valid: bool,
}

impl<'a> Uris<'a> {
    fn of(value: &'a str) -> Self {
        let mut uris = Self {
            valid: true,
            ..Self::default()
        };
        let mut count = 0;
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((uri, next)) = after.split_once('>') else {
                uris.valid = false;
                break;
            };
            uris.valid &= is_separator(before);
            uris.take(uri.trim());
            (rest, count) = (next, count + 1);
        }
        uris.valid &= count > 0 && is_separator(rest);
        uris
    }

    fn take(&mut self, uri: &'a str) {
        self.spaced |= uri.contains(char::is_whitespace);
        let begins = |scheme: &str| {
            let start = uri.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        if begins("https:") {
            self.secure += 1;
            self.https = self.https.or(Some(uri));
            self.valid &= has_host(uri);
        } else if begins("http:") {
            self.plain = true;
        } else if !begins("mailto:") {
            self.valid = false;
        }
    }
}

/// Whether an address has a host. Most are recognized without parsing them.
fn has_host(uri: &str) -> bool {
    let host = uri.get(6..).and_then(|rest| rest.strip_prefix("//"));
    let plain = host.is_some_and(|rest| {
        rest.as_bytes()
            .first()
            .is_some_and(u8::is_ascii_alphanumeric)
    });
    plain && !uri.contains(char::is_whitespace) && (uri.is_ascii() || Url::parse(uri).is_ok())
}

/// Whether a text may separate two addresses: commas, white space or a comment.
fn is_separator(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c == ',' || c.is_whitespace());
    text.is_empty() || (text.starts_with('(') && text.ends_with(')'))
}

fn missing() -> Finding {
    MISSING
        .found("there is no List-Unsubscribe, which Gmail and Yahoo require from bulk senders")
        .help("add List-Unsubscribe and List-Unsubscribe-Post to [message.headers]; if nobody can unsubscribe, as from invoices, turn the rule off")
}

fn check(
    shared: &CampaignContext<'_>,
    uris: &Uris<'_>,
    post: Option<&str>,
    add: &mut impl FnMut(Finding),
) {
    if !uris.valid && uris.spaced {
        let finding = VALUE.found("an address in List-Unsubscribe contains a space");
        return add(finding.help("encode values: {{ … | urlencode }}"));
    }
    if !uris.valid {
        let finding = VALUE.found("List-Unsubscribe is not a list of addresses in angle brackets");
        return add(finding.help("write <https://…>, or <https://…>, <mailto:…>"));
    }
    if uris.https.is_none() && (uris.plain || shared.rows >= MANY) {
        let finding = ONE_CLICK.found(
            "List-Unsubscribe has no https: address, so one-click unsubscribing does not work",
        );
        add(finding
            .help("add an https: address that belongs to one recipient and unsubscribes by POST"));
    }
    if uris.secure > 1 {
        let finding = SEVERAL.found("List-Unsubscribe has more than one https: address");
        add(finding.help("keep the one that unsubscribes by POST"));
    }
    let message = match post {
        None if uris.https.is_some() => {
            "List-Unsubscribe-Post is missing, so one-click unsubscribing does not work"
        }
        Some(_) if uris.https.is_none() => {
            "List-Unsubscribe-Post does nothing without an https: address"
        }
        Some(value) if value.trim() != POST_VALUE => {
            "List-Unsubscribe-Post has a value that mail clients don't know"
        }
        _ => return,
    };
    add(POST.found(message).help(format!(
        "write {POST_HEADER} = \"{POST_VALUE}\", and make the address accept a POST"
    )));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_in_angle_brackets() {
        let uris = Uris::of("<mailto:leave@x.example?subject=a,b>, <https://x.example/u,1>");
        assert!(uris.valid && !uris.plain && uris.secure == 1);
        assert_eq!(uris.https, Some("https://x.example/u,1"));
        assert!(Uris::of("(by post) <HTTPS://x.example/> (in the browser)").valid);
        assert!(Uris::of("<http://x.example/>").plain);
        let texts = "|https://x.example/|<https://x.example/|\
            <https://x.example/> or <mailto:a@x.example>|<https://>|<leave@x.example>|\
            <https://x.example/a b>";
        for value in texts.split('|') {
            assert!(!Uris::of(value).valid, "{value}");
        }
    }
}
