//! Merge tags that nobody fills in: those of other programs, and those of templates that stand where
//! none is rendered.

use std::sync::LazyLock;

use memchr::memchr3_iter;
use regex::Regex;

use super::super::super::facts::{Facts, RowSheet, Sheet};
use super::super::super::out::Out;
use super::super::super::page::{Element, Kind, Page};
use super::super::super::rule::Rule;
use crate::campaign::Text;
use crate::finding::{Finding, Place, Severity};
use crate::render::Row;

pub(super) const LEFT: Rule = Rule {
    code: "tag-left",
    severity: Severity::Error,
    finds: "a merge tag that everybody would read as it stands: of another program, or of a template",
    source: "the tags of Mailchimp, Salesforce, GetResponse, ActiveCampaign, FreshMail, MailerLite and others",
    example: "`*|FNAME|*`, `%%first%%`, `[[first]]`, `${first}`, `%FIRSTNAME%`, `<%= first %>`",
};

pub(super) const IN_VALUE: Rule = Rule {
    code: "tag-in-value",
    severity: Severity::Warning,
    finds: "a merge tag in a cell of a column that is used",
    source: "the same tags",
    example: "a first name `*|FNAME|*`",
};

/// What is looked for; the name of a group tells whose it is.
static TAGS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = [
        r"(?P<mailchimp>\*\|[A-Za-z][^|\s<>]{0,60}\|\*)",
        r"(?P<salesforce>%%[A-Za-z_=][A-Za-z0-9_ .:()@=-]{0,60}%%)",
        r"(?P<getresponse>\[\[[A-Za-z_][A-Za-z0-9_ .:'-]{0,60}\]\])",
        r"(?P<script>\$\{[A-Za-z_][A-Za-z0-9_.]{0,60}\})",
        // The first two letters are not both digits of %C4%85.
        r"(?P<activecampaign>%(?:[A-Z][G-Z_]|[G-Z][A-Z_])[A-Z_]{1,40}%)",
        r"(?P<ruby><%=?[^%<>]{1,80}%>)",
        r"(?P<freshmail>\$\$[A-Za-z_]{2,40}\$\$)",
        r"(?P<mailerlite>\{\$[A-Za-z_][A-Za-z0-9_.]{0,60}\})",
        r"(?P<fallback>\[[A-Za-z_]{2,40},\s?fallback=[^\]\n]{0,60}\])",
        r"(?P<template>\{\{[^{}\n]{1,80}\}\}?|\{%[^{}%\n]{1,80}%\}|\{ ?[A-Za-z_][A-Za-z0-9_.]{0,60} ?\}\})",
    ];
    compiled(&pattern.join("|"))
});

/// A name in single braces or per cent signs: a tag if a column is called so.
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"\{([A-Za-z_][\w -]{0,40})\}|%([A-Za-z_][\w-]{0,40})%"));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of the rules are right")
}

/// The groups of [`TAGS`], and whose they are.
const WHOSE: [(&str, &str); 10] = [
    ("mailchimp", "a merge tag of Mailchimp"),
    ("salesforce", "a merge tag of Salesforce or Pardot"),
    ("getresponse", "a merge tag as GetResponse has them"),
    ("script", "a placeholder of JavaScript or FreeMarker"),
    ("activecampaign", "a merge tag as ActiveCampaign has them"),
    ("ruby", "a tag of ERB, ASP or JSP"),
    ("freshmail", "a merge tag of FreshMail"),
    (
        "mailerlite",
        "a merge tag as MailerLite and Smarty have them",
    ),
    (
        "fallback",
        "a merge tag as Campaign Monitor and Sendy have them",
    ),
    (TEMPLATE, "a template's tag that was not rendered"),
];

const TEMPLATE: &str = "template";

/// Whether a text may have a tag: one of the pairs that they begin with. This is quick.
fn may_have(text: &str) -> bool {
    let bytes = text.as_bytes();
    let pair = |at: usize, with: &[u8]| bytes.get(at + 1).is_some_and(|next| with.contains(next));
    let first = memchr3_iter(b'{', b'[', b'*', bytes).any(|at| match bytes[at] {
        b'{' => true,
        b'*' => pair(at, b"|"),
        _ => pair(at, b"[") || bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic),
    });
    first
        || memchr3_iter(b'%', b'$', b'<', bytes).any(|at| match bytes[at] {
            b'$' => pair(at, b"{$"),
            b'<' => pair(at, b"%"),
            _ => pair(at, b"%_") || bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic),
        })
}

/// The tags of a text, each with whose it is.
fn tags(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let found = may_have(text).then(|| TAGS.captures_iter(text));
    found.into_iter().flatten().filter_map(|found| {
        let mut groups = WHOSE.iter();
        let (group, whose) = groups.find(|(group, _)| found.name(group).is_some())?;
        Some((found.name(group)?.as_str(), *whose))
    })
}

/// The first tag in a cell, with whose it is.
pub(super) fn in_value(cell: &str) -> Option<(&str, &'static str)> {
    tags(cell).next()
}

/// Names of columns in a text that look like tags: `{first_name}`, `%first_name%`.
fn named<'a>(text: &'a str, header: &[String]) -> Vec<(&'a str, &'static str)> {
    if !may_have(text) {
        return Vec::new();
    }
    let all = NAMED.captures_iter(text);
    let is_column = |name: &str| {
        header
            .iter()
            .any(|column| column.eq_ignore_ascii_case(name))
    };
    all.filter_map(|found| {
        let name = found.get(1).or_else(|| found.get(2))?;
        is_column(name.as_str()).then(|| {
            let tag = found.get(0).map_or("", |tag| tag.as_str());
            (tag, "which looks like the place of a column")
        })
    })
    .collect()
}

/// The tags of a text that stands in the templates.
fn all<'a>(text: &'a str, facts: &Facts<'_>) -> Vec<(&'a str, &'static str)> {
    let mut all: Vec<_> = tags(text).collect();
    for (tag, whose) in named(text, facts.header) {
        if !all.iter().any(|(known, _)| known.contains(tag)) {
            all.push((tag, whose));
        }
    }
    all
}

fn found(tag: &str, whose: &str, part: &str) -> Finding {
    let message = format!("`{tag}` in {part}, {whose}: everybody would read it as it stands");
    LEFT.found(message).help(
        "a column is written {{ first_name }}, or {{ row[\"First name\"] }} if its name is no word",
    )
}

/// The strings of `[message]`: there what is rendered is no tag that was left.
pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    let message = &facts.campaign.message;
    let one = |part: &'static str, text: &'_ Text| look(facts, part, text);
    out.extend(one("the subject", &message.subject));
    if let Some(name) = &message.from_name {
        out.extend(one("the sender's name", name));
    }
    for (_, value) in &message.headers {
        out.extend(one("a header", value));
    }
    for tag in &message.tags {
        out.extend(one("a tag", tag));
    }
}

fn look(facts: &Facts<'_>, part: &str, text: &Text) -> Vec<Finding> {
    let template = WHOSE[WHOSE.len() - 1].1;
    let source = &facts.campaign.source;
    let outside = outside_tags(text.get_ref());
    let mut findings = Vec::new();
    for (tag, whose) in all(&outside, facts) {
        if whose != template {
            let mut finding = found(tag, whose, part);
            finding.place = Place::file(&source.path);
            findings.push(finding.excerpt(source.excerpt(text.span())));
        }
    }
    findings
}

/// A template's text without its own tags, in which `${…}` or `%…%` may stand for something else.
fn outside_tags(template: &str) -> String {
    static OWN: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"));
    OWN.replace_all(template, "\u{fffc}").into_owned()
}

/// The HTML that all rows of the shape have.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    for value in sheet.values {
        // What is in no cell is one of [vars].
        for (tag, whose) in tags(value) {
            if !is_in_cell(sheet.row, tag) {
                out.add(
                    sheet
                        .facts
                        .locator
                        .at_text(found(tag, whose, "the HTML"), tag, 0),
                );
            }
        }
    }
    let Some(page) = &sheet.page else { return };
    for (index, node) in page.nodes.iter().enumerate() {
        match &node.kind {
            Kind::Text(text) if !is_code(page, index) => in_text(sheet, text, out),
            // What a client's condition shows is read as well.
            Kind::Comment(text)
                if text.trim_start().starts_with("[if") && !text.contains("<style") =>
            {
                in_text(sheet, text, out);
            }
            Kind::Element(element) => in_element(sheet, page, (index, element), out),
            _ => {}
        }
    }
}

fn in_text(sheet: &Sheet<'_>, text: &str, out: &mut Out<'_>) {
    for (tag, whose) in all(text, sheet.facts) {
        if !is_of_row(sheet, tag) {
            let finding = found(tag, whose, "the HTML");
            out.add(sheet.facts.locator.at_text(finding, tag, 0));
        }
    }
}

fn in_element(
    sheet: &Sheet<'_>,
    page: &Page,
    (index, element): (usize, &Element),
    out: &mut Out<'_>,
) {
    let attributes = element.attributes.iter();
    let read = attributes.filter(|(name, _)| READ.contains(&name.as_str()));
    for (name, value) in read {
        for (tag, whose) in tags(value) {
            if !is_of_row(sheet, tag) {
                let finding = found(tag, whose, &format!("`{name}`"));
                let locator = &sheet.facts.locator;
                out.add(locator.at_element(finding, page, index, Some(name)));
            }
        }
    }
}

/// The attributes that are read or followed.
const READ: [&str; 6] = ["href", "src", "alt", "title", "content", "background"];

/// Whether a text is code, which may well have such signs, or no text of the page at all.
fn is_code(page: &Page, index: usize) -> bool {
    let code = ["style", "script", "code", "pre", "kbd", "samp", "tt"];
    let mut around = page.ancestors(index);
    around.any(|(_, element)| code.contains(&element.name.as_str()))
}

/// Whether a tag is one of the row's own values, about which its cell is told.
fn is_of_row(sheet: &Sheet<'_>, tag: &str) -> bool {
    sheet.values.iter().any(|value| value.contains(tag)) || is_in_cell(sheet.row, tag)
}

fn is_in_cell(row: &Row, tag: &str) -> bool {
    row.cells.iter().any(|cell| cell.contains(tag))
}

/// The subject, and the text part if it has a template of its own.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    if !out.wants(&LEFT) {
        return;
    }
    let message = row.message;
    let left = |tag: &str| !is_in_cell(row.row, tag);
    let template = WHOSE[WHOSE.len() - 1].1;
    for (tag, whose) in tags(&message.subject) {
        if whose == template && left(tag) {
            let source = &row.facts.campaign.source;
            let mut finding = found(tag, whose, "the subject");
            finding.place = Place::file(&source.path);
            let span = row.facts.campaign.message.subject.span();
            out.add(finding.excerpt(source.excerpt(span)));
        }
    }
    let own = row.facts.campaign.message.text.is_some();
    let text = message.text.as_deref().filter(|text| own && may_have(text));
    for (tag, whose) in text.map(|text| all(text, row.facts)).unwrap_or_default() {
        if left(tag) {
            let finding = found(tag, whose, "the text part");
            out.add(row.facts.locator.at_text(finding, tag, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_other_programs_are_told() {
        for (text, tag) in [
            ("Hi *|FNAME|*!", "*|FNAME|*"),
            ("Hi %%first name%%", "%%first name%%"),
            ("Hi [[first]]", "[[first]]"),
            ("Hi ${user.first}", "${user.first}"),
            ("Hi %FIRSTNAME%", "%FIRSTNAME%"),
            ("Hi <%= first %>", "<%= first %>"),
            ("Hi $$imie$$", "$$imie$$"),
            ("Hi {$name}", "{$name}"),
            ("Hi [firstname,fallback=you]", "[firstname,fallback=you]"),
            ("Hi {{ first_name }}", "{{ first_name }}"),
            ("Hi { first_name }}", "{ first_name }}"),
            ("Hi {% if x %}", "{% if x %}"),
        ] {
            assert!(may_have(text), "{text}");
            assert_eq!(tags(text).next().map(|it| it.0), Some(tag), "{text}");
        }
        for text in [
            "100 % of 5%, %20, [1], [1]: x, $5, $$$, ** a | b **, {a}, <b>, 50 %!",
            "https://x.example/%C5%81%C3%93D%C5%BB?a=%C5%BBABA%20",
            "{\"a\":{\"b\":1}}, {\"a\":{\"b\":true}}",
            "*|*, [[1]], ${}, %%, <% %",
            "We save you 20%off of [[ ]]",
        ] {
            assert_eq!(tags(text).next(), None, "{text}");
        }
    }

    #[test]
    fn names_of_columns_are_tags_as_well() {
        let header = ["first_name".to_owned(), "city".to_owned()];
        let found = |text| named(text, &header).len();
        assert_eq!(found("{first_name} from %City%"), 2);
        assert_eq!(found("{name} first_name 5%city, {a b}"), 0);
    }

    #[test]
    fn what_is_rendered_is_no_tag_that_was_left() {
        let template = "{{ a ~ '%NAME%' }} {% if x %}y{% endif %}{# *|A|* #} *|B|*";
        let outside = outside_tags(template);
        let left: Vec<_> = tags(&outside).map(|it| it.0).collect();
        assert_eq!(left, ["*|B|*"]);
    }
}
