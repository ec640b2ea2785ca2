//! Values of a row that a URL contains as they are, although some of their characters mean something else there.

use std::borrow::Cow;

use crate::campaign::expression;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{Family, RowCheck, RowChecks};
use crate::check::rule::Rule;
use crate::check::rules::campaign_file::{at_text, varies};
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::{BEGIN, END, fill, is_marked};

const RAW: Rule = Rule::warning("url-not-encoded")
    .finds("a value in a URL with characters that mean something else there, such as `+`, `&`, `#` or a space")
    .why("The server gets another value: `ann+shop@acme.example` arrives as `ann shop@acme.example`, and everything after `&` or `#` is lost. Such a person can't unsubscribe, for example.")
    .fix("Encode the value: `{{ email | urlencode }}`.")
    .source("RFC 3986 2.2; WHATWG URL 5.1")
    .example("`<a href=\"https://acme.example/u?e={{ email }}\">` for `ann+shop@acme.example`");

const RULES: &[Rule] = &[RAW];

pub(in crate::check) struct UrlValues;

impl Family for UrlValues {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Finds the values in URLs of the HTML.
    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        if !sink.wants(&RAW) {
            return Vec::new();
        }
        let mut values = Vec::new();
        for page in context.pages() {
            for (index, element) in page.elements() {
                let attributes = element.attributes.iter();
                let urls = attributes.filter(|(name, value)| {
                    URL_ATTRIBUTES.contains(&name.as_str()) && is_marked(value)
                });
                for (name, value) in urls {
                    let locator = &context.shared.locator;
                    let finding = locator.at_element(RAW.found(""), page, index, Some(name));
                    values.extend(marked_values(value, &finding));
                }
            }
        }
        match values.is_empty() {
            true => Vec::new(),
            false => vec![Box::new(ValuesInHtml(values))],
        }
    }

    /// Looks for the row's cells in the URLs of headers, and of a text part from a template.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let shared = context.shared;
        let message = &shared.campaign.message;
        let text = context.message.text().filter(|_| message.text.is_some());
        let headers = || message.headers.iter().filter(|(_, value)| varies(value));
        if !sink.wants(&RAW) || text.is_none() && headers().next().is_none() {
            return;
        }
        for (column, name) in shared.engine.used_columns() {
            let cell = context.row.cells.get(*column).map(String::as_str);
            let Some(cell) = cell.filter(|cell| may_be_misread(cell)) else {
                continue;
            };
            for (header, value) in headers() {
                let header = header.get_ref();
                let mut sent = context.message.headers.iter();
                let sent = sent.find(|(name, _)| name == header);
                if let Some(found) = sent.and_then(|(_, sent)| in_text(sent, cell, context)) {
                    let finding = found.finding(&format!("the {header} header"), Some(name));
                    sink.add(at_text(shared, finding.kind(found.kind()), value));
                }
            }
            if let Some(found) = text.and_then(|text| in_text(text, cell, context)) {
                let finding = found.finding("a URL in the text part", Some(name));
                let printed = format!("{}{{{{ {} }}}}", found.before, expression(name));
                let placed = shared.locator.at_text(finding, &printed, 0);
                sink.add(placed.kind(found.kind()));
            }
        }
    }
}

/// The attributes that hold one URL.
const URL_ATTRIBUTES: [&str; 4] = ["href", "src", "background", "action"];

/// A value in a URL of the HTML.
struct MarkedValue {
    number: usize,
    /// The URL before the value, with marks in place of other values.
    before: String,
    /// The same with `…` in place of other values.
    fixed: String,
    /// Whether nothing follows it.
    is_last: bool,
    /// A finding without a message, at its place.
    finding: Finding,
}

fn marked_values(url: &str, finding: &Finding) -> Vec<MarkedValue> {
    let marks = url.match_indices(BEGIN);
    let values = marks.filter_map(|(at, begin)| {
        let (number, after) = url[at + begin.len()..].split_once(END)?;
        let number = number.parse().ok()?;
        let before = &url[..at];
        Some(MarkedValue {
            number,
            before: before.to_owned(),
            fixed: fill(before, &vec![Cow::Borrowed("…"); number]).into_owned(),
            is_last: after.trim().is_empty(),
            finding: finding.clone(),
        })
    });
    // The first value may be the whole URL.
    values
        .filter(|value| !value.before.trim().is_empty())
        .collect()
}

struct ValuesInHtml(Vec<MarkedValue>);

impl RowCheck for ValuesInHtml {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        for marked in &self.0 {
            let Some(value) = context.values.get(marked.number) else {
                continue;
            };
            if !may_be_misread(value) {
                continue;
            }
            let before = fill(&marked.before, context.values);
            let Some(character) = misread(&before, value, marked.is_last) else {
                continue;
            };
            let found = RawValue {
                value,
                character,
                before: &marked.fixed,
            };
            let cells = context.row.cells.iter();
            let mut columns = cells.zip(context.shared.header);
            let column = columns.find(|(cell, _)| cell.as_str() == value.as_ref());
            let message = found.finding("a URL", column.map(|(_, name)| name.as_str()));
            sink.add(Finding {
                message: message.message,
                help: message.help,
                kind: Some(found.kind()),
                ..marked.finding.clone()
            });
        }
    }
}

/// A value that is not encoded.
struct RawValue<'a> {
    value: &'a str,
    /// The first character that means something else.
    character: char,
    /// The URL before it.
    before: &'a str,
}

impl RawValue<'_> {
    /// `place` says what contains the value, and `column` where it comes from.
    fn finding(&self, place: &str, column: Option<&str>) -> Finding {
        let effect = match self.character {
            '+' => "servers read + as a space",
            '&' => "& begins another parameter",
            '#' => "everything from # on is not sent to the server",
            '?' => "? begins the parameters",
            '%' => "% begins an escape sequence",
            _ => "a space may end the URL",
        };
        let message = format!(
            "{place} contains “{}” without encoding: {effect}",
            self.value
        );
        let value = column.map_or_else(|| "…".to_owned(), expression);
        RAW.found(message)
            .help(format!("write {{{{ {value} | urlencode }}}}"))
    }

    /// The same for all rows with a value at this place.
    fn kind(&self) -> String {
        format!("not encoded after {}", self.before)
    }
}

/// Finds a cell in the URLs of a text.
fn in_text<'a>(text: &'a str, cell: &'a str, context: &RowContext<'_>) -> Option<RawValue<'a>> {
    let cell = cell.trim();
    let is_end = |c: char| c.is_whitespace() || "<>\"'()[]".contains(c);
    text.match_indices(cell).find_map(|(at, _)| {
        let start = text[..at].char_indices().rfind(|(_, c)| is_end(*c));
        let start = start.map_or(0, |(at, c)| at + c.len_utf8());
        let end = at + cell.len();
        let is_last = text[end..].chars().next().is_none_or(is_end);
        let character = misread(&text[start..at], cell, is_last)?;
        // A cell may be a whole URL with another cell in it.
        let mut cells = context.row.cells.iter();
        let is_of_cell = cells.any(|other| other.contains(&text[start..end]));
        (!is_of_cell).then_some(RawValue {
            value: cell,
            character,
            before: &text[start..at],
        })
    })
}

/// Whether a value contains a character that means something else somewhere in a URL.
fn may_be_misread(value: &str) -> bool {
    value.bytes().any(|byte| {
        matches!(
            byte,
            b'+' | b'&' | b'#' | b'?' | b'%' | b' ' | b'\t' | b'\n' | b'\r'
        )
    })
}

/// The first character of a value that means something else at its place in a URL. `before` is the URL up to the value,
/// and `is_last` says that nothing follows it.
fn misread(before: &str, value: &str, is_last: bool) -> Option<char> {
    let (scheme, rest) = before.trim_start().split_once(':')?;
    let is_web = ["http", "https"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(scheme));
    let rest = match is_web {
        // Before the path, the value is a host or a part of it.
        true => {
            let rest = rest.strip_prefix("//")?;
            &rest[rest.find(['/', '?', '#'])?..]
        }
        false if scheme.eq_ignore_ascii_case("mailto") => rest,
        false => return None,
    };
    if rest.contains('#') {
        return None;
    }
    let found = match rest.split_once('?') {
        Some((_, query)) => in_query(query, value, is_web),
        None => in_path(value, is_last),
    };
    found.or_else(|| has_bare_percent(value).then_some('%'))
}

/// `before` is the query up to the value.
fn in_query(before: &str, value: &str, is_web: bool) -> Option<char> {
    let is_in_parameter = before.rsplit('&').next()?.contains('=');
    let has_parameters = value.contains('=') && (!is_in_parameter || value.starts_with('&'));
    if has_parameters {
        return None;
    }
    // Forms encode a space as `+`: such a value is encoded already.
    let is_form = value.contains('%') && !has_bare_percent(value);
    value.chars().find(|c| match c {
        '&' | '#' => true,
        '+' => is_web && !is_form,
        c => c.is_whitespace(),
    })
}

fn in_path(value: &str, is_last: bool) -> Option<char> {
    // A column may hold the end of the URL: `autumn?id=1#prices`.
    let is_end = |at: usize| {
        let rest = &value[at + 1..];
        let is_section = at > 0 && rest.starts_with(|c: char| c.is_ascii_alphabetic());
        is_last
            && match value.as_bytes()[at] {
                b'?' => rest.contains('='),
                _ => is_section && !value.contains(char::is_whitespace),
            }
    };
    let mut characters = value.char_indices();
    characters
        .find(|(at, c)| match c {
            '?' | '#' => !is_end(*at),
            c => c.is_whitespace(),
        })
        .map(|(_, c)| c)
}

/// Whether a value contains a `%` that does not begin an escape sequence.
fn has_bare_percent(value: &str) -> bool {
    let mut parts = value.split('%').skip(1);
    parts.any(|part| {
        let digits = part.as_bytes().get(..2);
        digits.is_none_or(|digits| !digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The character that is misread in the value between the braces.
    fn found(url: &str) -> Option<char> {
        let (before, rest) = url.split_once('{').expect("a value");
        let (value, after) = rest.split_once('}').expect("the end of the value");
        misread(before, value, after.is_empty())
    }

    #[test]
    fn finds_characters_that_mean_something_else() {
        for (url, character) in [
            ("https://a.example/u?e={ann+shop@b.example}", '+'),
            ("https://a.example/u?e=x&l={Garden & Home}", ' '),
            ("https://a.example/u?l={B&B}&x=1", '&'),
            ("https://a.example/u?l={Tools#1}", '#'),
            ("https://a.example/u?l={100%}", '%'),
            ("https://a.example/u?{ann+shop@b.example}", '+'),
            ("https://a.example/u?next={https://b.example/?a=1&b=2}", '&'),
            ("https://a.example/{Who?}", '?'),
            ("https://a.example/{C#}/list", '#'),
            ("https://a.example/{#1}", '#'),
            ("https://a.example/{Ann Lee}.png", ' '),
            ("HTTPS://a.example?l={a b}", ' '),
            ("mailto:a@b.example?subject={B&B}", '&'),
        ] {
            assert_eq!(found(url), Some(character), "{url}");
        }
    }

    #[test]
    fn ignores_characters_that_are_harmless() {
        for url in [
            "{https://a.example/?e=ann+shop@b.example}",
            "https://{Ann Lee}/",
            "https://a.example{/u?a=1&b=2}",
            "https://a.example/{autumn?a=1&b=2}",
            "https://a.example/{prices#shoes}",
            "https://a.example/{B&B}",
            "https://a.example/{ann+shop@b.example}",
            "https://a.example/u?{a=1&b=2}",
            "https://a.example/u?id=1{&a=1&b=2}",
            "https://a.example/u?l={Garden+%26+Home}",
            "https://a.example/u?l={Garden%20%26%20Home}",
            "https://a.example/u?l={a/b:c@d?e=f;g,ż}",
            "https://a.example/u#{a b+c}",
            "mailto:{ann+shop@b.example}",
            "mailto:a@b.example?subject={1+1}",
            "tel:{+48 123}",
            "cid:{a b}.png",
        ] {
            assert_eq!(found(url), None, "{url}");
        }
    }
}
