//! The rules of `mailrun check`: changes to a good campaign that a rule finds, and changes that it ignores.

mod accessibility;
mod attachments;
mod clients;
mod contrast;
mod copies;
mod data;
mod docs;
mod gaps;
mod hidden_text;
mod html;
mod images;
mod json;
mod links;
mod list_headers;
mod plan;
mod schedule;
mod sender_headers;
mod sender_name;
mod size;
mod spam;
mod styles;
mod stylesheets;
mod subject;
mod template_comments;
mod text;
mod unsubscribe;
mod url_values;

use std::collections::BTreeSet;

use crate::support::campaign::Campaign;
use crate::support::findings::{Finding, check};
use crate::support::parallel::each;

/// Two recipients. Only this computer can reach the site of the second.
const SITES: &str = "email,first_name,token,site\nann@one.example,Ann,a1,https://one.example\n\
     bob@two.example,Bob,b2,http://127.0.0.1:3000\n";

/// A change to a good campaign.
struct Case {
    code: &'static str,
    change: fn(Campaign) -> Campaign,
    at: Option<&'static str>,
    rows: Option<&'static [u32]>,
}

impl Case {
    const fn new(code: &'static str, change: fn(Campaign) -> Campaign) -> Self {
        Self {
            code,
            change,
            at: None,
            rows: None,
        }
    }

    /// The place of the finding: `FILE:LINE:COLUMN`.
    const fn at(self, place: &'static str) -> Self {
        Self {
            at: Some(place),
            ..self
        }
    }

    fn name(case: &&Self) -> String {
        format!("{} {:?} {:?}", case.code, case.at, case.rows)
    }

    const fn rows(self, rows: &'static [u32]) -> Self {
        Self {
            rows: Some(rows),
            ..self
        }
    }
}

/// The cases of all families.
fn all(of: impl Fn(&Family) -> &'static [Case]) -> Vec<&'static Case> {
    FAMILIES.iter().flat_map(of).collect()
}

/// The cases with a finding, and those without.
type Family = (&'static [Case], &'static [Case]);

const FAMILIES: &[Family] = &[
    (accessibility::CASES, accessibility::SILENT),
    (attachments::CASES, attachments::SILENT),
    (clients::CASES, clients::SILENT),
    (contrast::CASES, contrast::SILENT),
    (copies::CASES, copies::SILENT),
    (data::CASES, data::SILENT),
    (gaps::CASES, gaps::SILENT),
    (hidden_text::CASES, hidden_text::SILENT),
    (html::CASES, html::SILENT),
    (images::CASES, images::SILENT),
    (json::CASES, json::SILENT),
    (links::CASES, links::SILENT),
    (list_headers::CASES, list_headers::SILENT),
    (plan::CASES, plan::SILENT),
    (schedule::CASES, schedule::SILENT),
    (sender_headers::CASES, sender_headers::SILENT),
    (sender_name::CASES, sender_name::SILENT),
    (size::CASES, size::SILENT),
    (spam::CASES, spam::SILENT),
    (styles::CASES, styles::SILENT),
    (stylesheets::CASES, stylesheets::SILENT),
    (subject::CASES, subject::SILENT),
    (template_comments::CASES, template_comments::SILENT),
    (text::CASES, text::SILENT),
    (unsubscribe::CASES, unsubscribe::SILENT),
    (url_values::CASES, url_values::SILENT),
];

#[test]
fn a_good_campaign_has_no_findings() {
    check(&Campaign::good()).is_clean();
}

#[test]
fn every_rule_finds_what_it_is_for() {
    each(&all(|family| family.0), Case::name, |case| {
        let report = check(&(case.change)(Campaign::good()));
        let mut findings = report.findings.iter().filter(|it| it.code == case.code);
        let is_at_place = |finding: &Finding| {
            let place = format!(
                "{}:{}:{}",
                finding.file.as_deref().unwrap_or_default(),
                finding.line.unwrap_or_default(),
                finding.column.unwrap_or_default()
            );
            case.at.is_none_or(|at| place.ends_with(at))
                && case.rows.is_none_or(|rows| finding.rows == rows)
        };
        assert!(findings.any(is_at_place), "{report:#?}");
    });
}

#[test]
fn every_rule_is_silent_where_it_should_be() {
    each(&all(|family| family.1), Case::name, |case| {
        let report = check(&(case.change)(Campaign::good()));
        let is_silent = report.findings.iter().all(|it| it.code != case.code);
        assert!(is_silent, "{report:#?}");
    });
}

type Change = fn(Campaign) -> Campaign;

/// A column whose values are all bad, a change to the good campaign that uses it, and the rule that finds them. `§` is
/// the number of the row.
const BAD_VALUES: [(&str, Change, &str); 16] = [
    ("x§ null", |good| good, "value-null"),
    ("1,§E+09", |good| good, "value-mangled"),
    ("*|F§|*", |good| good, "tag-in-value"),
    ("<b>§</b>", |good| good, "html-as-text"),
    (
        "a,§.example",
        |good| link(good, "https://{{ x }}/"),
        "link-broken",
    ),
    (
        "§.internal",
        |good| link(good, "https://{{ x }}/"),
        "link-private",
    ),
    ("§", |good| link(good, "mailto:{{ x }}"), "link-mailto"),
    (
        "a,§.example",
        |good| image(good, "https://{{ x }}/"),
        "image-broken",
    ),
    (
        "a+§",
        |good| link(good, "https://one.example/?x={{ x }}"),
        "url-not-encoded",
    ),
    ("§", |good| image(good, "cid:{{ x }}"), "image-cid-missing"),
    (
        "§.pdf",
        |good| attachments::attaching(good, &[("{{ x }}", false)]),
        "attachment",
    ),
    (
        "§",
        |good| {
            good.set(
                "message.tags",
                vec!["{% for n in range(end=130) %}{{ x }}{% endfor %}"],
            )
        },
        "over-limit",
    ),
    (
        "§",
        |good| good.set("message.subject", "{{ throw(message=x) }}"),
        "template-error",
    ),
    (
        "§",
        |good| good.set("message.reply_to", "{{ x }}"),
        "bad-address",
    ),
    (
        "§",
        |good| good.set("message.headers.Precedence", "x{{ x }}"),
        "header-automatic",
    ),
    (
        "§",
        |good| good.html_with("<p>The autumn", "<p style=\"color: x{{ x }}\">The autumn"),
        "style-broken",
    ),
];

fn link(good: Campaign, href: &str) -> Campaign {
    good.html_with(
        "<p>The autumn",
        &format!("<p><a href=\"{href}\">Our shop</a> The autumn"),
    )
}

fn image(good: Campaign, src: &str) -> Campaign {
    let image = format!("<img src=\"{src}\" alt=\"\" width=\"9\">");
    good.html_with("<p>The autumn", &format!("{image}<p>The autumn"))
}

#[test]
fn findings_that_differ_in_the_value_of_a_row_are_one() {
    const ROWS: u64 = 300;
    let name =
        |(value, _, code): &(&str, fn(Campaign) -> Campaign, &str)| format!("{code} {value}");
    each(&BAD_VALUES, name, |(value, change, code)| {
        let mut csv = String::from("email,first_name,token,x\n");
        for n in 1..=ROWS {
            let value = value.replace('§', &n.to_string());
            csv.push_str(&format!("r{n}@one.example,Ann,t{n},\"{value}\"\n"));
        }
        let good = Campaign::good().html_with("<p>The Sender", "<p>{{ x }} The Sender");
        let report = check(&change(good.recipients(csv)));
        let findings: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.code == *code)
            .collect();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0].count, ROWS, "{findings:#?}");
        assert_eq!(findings[0].rows[..2], [1, 2], "{findings:#?}");
    });
}

#[test]
fn every_rule_has_a_case() {
    let cases = all(|family| family.0).into_iter();
    let codes: BTreeSet<_> = cases.map(|case| case.code).collect();
    let rules: BTreeSet<_> = mailrun::check::rules().map(|rule| rule.code).collect();
    assert_eq!(rules.len(), mailrun::check::rules().count(), "a code twice");
    // The rules of `--net` are tested next to their code, with a fake network.
    let offline = mailrun::check::rules().filter(|rule| !rule.network);
    let rules: BTreeSet<_> = offline.map(|rule| rule.code).collect();
    let without: Vec<_> = rules.difference(&codes).collect();
    assert!(without.is_empty(), "these have no case: {without:?}");
}
