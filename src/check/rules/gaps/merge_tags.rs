//! The syntax of merge tags that nothing replaces: those of other programs, and template tags where no template is
//! rendered.

use std::sync::LazyLock;

use memchr::memchr3_iter;
use regex::Regex;

/// The length of the longest tag, in bytes. Limits inside the patterns would make them slow to compile.
const LONGEST: usize = 100;

/// The tags. The name of a group says which program uses them.
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

/// A name in single braces or per cent signs. It is a tag if a column has this name.
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"\{([A-Za-z_][\w -]*)\}|%([A-Za-z_][\w-]*)%"));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of the rules are right")
}

/// The groups of [`TAGS`], with a description.
const TAG_GROUPS: [(&str, &str); 10] = [
    ("mailchimp", "a merge tag of Mailchimp"),
    ("salesforce", "a merge tag of Salesforce or Pardot"),
    ("getresponse", "a merge tag as in GetResponse"),
    ("script", "a placeholder of JavaScript or FreeMarker"),
    ("activecampaign", "a merge tag as in ActiveCampaign"),
    ("ruby", "a tag of ERB, ASP or JSP"),
    ("freshmail", "a merge tag of FreshMail"),
    ("mailerlite", "a merge tag as in MailerLite and Smarty"),
    ("fallback", "a merge tag as in Campaign Monitor and Sendy"),
    ("template", TEMPLATE),
];

/// The description of a template tag.
pub(super) const TEMPLATE: &str = "a template tag that was not rendered";

/// A quick test whether a text may contain a tag: whether it has a pair of characters that tags begin with.
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

/// The tags in a text, each with its description.
pub(super) fn tags(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let found = may_have(text).then(|| TAGS.captures_iter(text));
    found.into_iter().flatten().filter_map(|found| {
        let mut groups = TAG_GROUPS.iter();
        let (group, description) = groups.find(|(group, _)| found.name(group).is_some())?;
        let tag = found.name(group)?.as_str();
        (tag.len() <= LONGEST).then_some((tag, *description))
    })
}

/// The first tag in a cell, with its description.
pub(super) fn in_value(cell: &str) -> Option<(&str, &'static str)> {
    tags(cell).next()
}

/// Names of columns that look like tags: `{first_name}`, `%first_name%`.
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
            (tag, "which looks like a column")
        })
    })
    .collect()
}

/// The tags in a text of the templates, including names of columns.
pub(super) fn all<'a>(text: &'a str, header: &[String]) -> Vec<(&'a str, &'static str)> {
    let mut all: Vec<_> = tags(text).collect();
    for (tag, description) in named(text, header) {
        if !all.iter().any(|(known, _)| known.contains(tag)) {
            all.push((tag, description));
        }
    }
    all
}

/// A template without its own tags, which may contain `${…}` or `%…%` with another meaning.
pub(super) fn outside_tags(template: &str) -> String {
    static OWN: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"));
    OWN.replace_all(template, "\u{fffc}").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_not_tags() {
        let tag = |length: usize| format!("a {{{{{}}}}} b", "x".repeat(length));
        assert_eq!(tags(&tag(80)).count(), 1);
        assert_eq!(tags(&tag(97)).count(), 0);
    }

    #[test]
    fn finds_the_tags_of_other_programs() {
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
    fn finds_names_of_columns() {
        let header = ["first_name".to_owned(), "city".to_owned()];
        let found = |text| named(text, &header).len();
        assert_eq!(found("{first_name} from %City%"), 2);
        assert_eq!(found("{name} first_name 5%city, {a b}"), 0);
    }

    #[test]
    fn ignores_tags_inside_template_tags() {
        let template = "{{ a ~ '%NAME%' }} {% if x %}y{% endif %}{# *|A|* #} *|B|*";
        let outside = outside_tags(template);
        let left: Vec<_> = tags(&outside).map(|it| it.0).collect();
        assert_eq!(left, ["*|B|*"]);
    }
}
