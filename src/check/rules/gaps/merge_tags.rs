//! Merge tags that nobody fills in: those of other programs, and those of templates that stand where
//! none is rendered.

use std::sync::LazyLock;

use memchr::memchr3_iter;
use regex::Regex;

/// The longest that a tag is, in bytes. The patterns have no limits of their own: those would make
/// them so large that compiling them takes longer than all else before the first request.
const LONGEST: usize = 100;

/// What is looked for; the name of a group tells whose it is.
static TAGS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = [
        r"(?P<mailchimp>\*\|[A-Za-z][^|\s<>]*\|\*)",
        r"(?P<salesforce>%%[A-Za-z_=][A-Za-z0-9_ .:()@=-]*%%)",
        r"(?P<getresponse>\[\[[A-Za-z_][A-Za-z0-9_ .:'-]*\]\])",
        r"(?P<script>\$\{[A-Za-z_][A-Za-z0-9_.]*\})",
        // The first two letters are not both digits of %C4%85.
        r"(?P<activecampaign>%(?:[A-Z][G-Z_]|[G-Z][A-Z_])[A-Z_]+%)",
        r"(?P<ruby><%=?[^%<>]+%>)",
        r"(?P<freshmail>\$\$[A-Za-z_]{2,}\$\$)",
        r"(?P<mailerlite>\{\$[A-Za-z_][A-Za-z0-9_.]*\})",
        r"(?P<fallback>\[[A-Za-z_]{2,},\s?fallback=[^\]\n]*\])",
        r"(?P<template>\{\{[^{}\n]+\}\}?|\{%[^{}%\n]+%\}|\{ ?[A-Za-z_][A-Za-z0-9_.]* ?\}\})",
    ];
    compiled(&pattern.join("|"))
});

/// A name in single braces or per cent signs: a tag if a column is called so.
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"\{([A-Za-z_][\w -]*)\}|%([A-Za-z_][\w-]*)%"));

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
    ("template", TEMPLATE),
];

/// Whose a tag is that is written as templates have them.
pub(super) const TEMPLATE: &str = "a template's tag that was not rendered";

/// Whether a text may have a tag: one of the pairs that they begin with. This is quick.
pub(super) fn may_have(text: &str) -> bool {
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
pub(super) fn tags(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let found = may_have(text).then(|| TAGS.captures_iter(text));
    found.into_iter().flatten().filter_map(|found| {
        let mut groups = WHOSE.iter();
        let (group, whose) = groups.find(|(group, _)| found.name(group).is_some())?;
        let tag = found.name(group)?.as_str();
        (tag.len() <= LONGEST).then_some((tag, *whose))
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
pub(super) fn all<'a>(text: &'a str, header: &[String]) -> Vec<(&'a str, &'static str)> {
    let mut all: Vec<_> = tags(text).collect();
    for (tag, whose) in named(text, header) {
        if !all.iter().any(|(known, _)| known.contains(tag)) {
            all.push((tag, whose));
        }
    }
    all
}

/// A template's text without its own tags, in which `${…}` or `%…%` may stand for something else.
pub(super) fn outside_tags(template: &str) -> String {
    static OWN: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"));
    OWN.replace_all(template, "\u{fffc}").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_no_tag() {
        let tag = |length: usize| format!("a {{{{{}}}}} b", "x".repeat(length));
        assert_eq!(tags(&tag(80)).count(), 1);
        assert_eq!(tags(&tag(97)).count(), 0);
    }

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
