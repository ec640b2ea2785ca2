//! No value of a row changes what the Markdown around it means.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::html::{NodeKind, Page};
use crate::render::filters::new_tera;

/// A value that Markdown leaves alone, and that nothing else contains.
const WORD: &str = "Qzx9";

/// The value in every place that it can have.
const TEMPLATE: &str = r#"# {{ a }}

Hello {{ a }}, *{{ a }}*, **{{ a }}**, ~~{{ a }}~~ and `{{ a }}`.
{{ a }}
[{{ a }}](https://x.example/{{ a }}?b={{ a }} "{{ a }}") ![{{ a }}](https://x.example/{{ a }}.png)
<a href="https://x.example/{{ a }}" title='{{ a }}'>{{ a }}</a> [x][ref]

{{ a }}

- {{ a }}
- {{ a }} {{ a }}

1. {{ a }}

> {{ a }}
{{ a }}

| {{ a }} | b |
|---|---|
| {{ a }} | {{ a }}{{ a }} |

    {{ a }}

```
{{ a }}
```

<div>
{{ a }}
</div>

{{ a ~ "" }}

[ref]: https://x.example/{{ a }}
"#;

/// The value where templates capture it before they print it. Emphasis may be lost beside punctuation.
const CAPTURING: &str = r#"{% set b %}{{ a }}{% endset %}# {{ b }}

Hello {{ b }}, [{{ b }}](https://x.example/{{ b }}), {{ a | escape_html }}, <b title="{{ b }}">x</b>
{{ b }}

{{ b }}

- {{ b }}

| {{ b }} | {{ a | escape_html }} |
|---|---|
| {% filter indent(width=0) %}{{ a }}{% endfilter %} | {{ b }} |
"#;

fn html(template: &str, value: &str) -> RenderedHtml {
    let mut tera = escaping_tera(&new_tera(Timestamp::UNIX_EPOCH, None));
    tera.add_raw_template("letter.md", template)
        .expect("a template");
    let mut context = Context::new();
    context.insert_value("a", tera::Value::from(value));
    let markdown = RenderedMarkdown::new(&tera, "letter.md", &context).expect("Markdown");
    markdown.to_html().expect("HTML")
}

/// The elements and texts of a letter, with a value in place of the word.
fn nodes(html: &str, value: &str) -> Vec<String> {
    let fill = |text: &str| normalized(&text.replace(WORD, value));
    let page = Page::parse(html, &Clock::system());
    let nodes = page.nodes.iter().map(|node| match &node.kind {
        NodeKind::Text(text) => fill(text),
        NodeKind::Comment(text) => format!("<!--{text}"),
        NodeKind::Element(element) => {
            let attributes = element.attributes.iter().map(|(name, text)| {
                let text = match &**name {
                    // Encoded in Markdown, but not in HTML.
                    "href" | "src" => normalized(&percent_decoded(&text.replace(WORD, value))),
                    _ => fill(text),
                };
                format!(" {name}={text}")
            });
            format!("<{}{}", element.name, attributes.collect::<String>())
        }
    });
    nodes.collect()
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// As parsers of HTML and Markdown read some characters.
fn normalized(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace(['\0', '\u{fffd}', '\u{feff}'], "")
}

/// Values full of what Markdown and HTML give a meaning to.
fn value() -> impl Strategy<Value = String> {
    let parts = proptest::sample::select(vec![
        "*",
        "_",
        "**",
        "`",
        "```",
        "~~",
        "[",
        "](",
        ")",
        "![",
        "<",
        ">",
        "<b>",
        "</a>",
        "<!--",
        "-->",
        "&",
        "&amp;",
        "&#42;",
        "\\",
        "|",
        "#",
        "# ",
        "- ",
        "+ ",
        "1. ",
        "1) ",
        "> ",
        "\n",
        "\n\n",
        "\r\n",
        "    ",
        "\t",
        "---",
        "===",
        "|---|",
        "https://y.example/",
        "www.y.example",
        "<https://y.example>",
        "ann@y.example",
        "[^1]",
        "[^1]: x",
        "[ref]",
        "javascript:",
        "\"",
        "'",
        "%",
        "%2F",
        "{{ a }}",
        "{% if",
        "$x$",
        "é",
        "漢",
        "\u{a0}",
        "\u{200b}",
        "\u{85}",
        "\u{2028}",
        "word",
        " ",
        "9",
        "~",
        "=",
        ":",
        "^",
    ]);
    let parts = proptest::collection::vec(parts, 1..8).prop_map(|parts| parts.concat());
    let any = proptest::string::string_regex("[^\u{fdd0}\u{fdd1}]{1,20}").expect("a pattern");
    prop_oneof![3 => parts, 1 => any]
        .prop_filter("blank", |value| !normalized(value).trim().is_empty())
}

proptest! {
    #[test]
    fn a_value_is_text_wherever_it_is_printed(value in value()) {
        for template in [TEMPLATE, CAPTURING] {
            let plain = html(template, WORD);
            let rendered = html(template, &value);
            let expected = nodes(plain.html(), &value);
            prop_assert_eq!(nodes(rendered.html(), WORD), expected, "{:?}", value);
        }
    }

    #[test]
    fn values_have_spans(value in value()) {
        let rendered = html(TEMPLATE, &value);
        let plain = html(TEMPLATE, WORD);
        prop_assert_eq!(rendered.count(), plain.count());
        let others = |html: &RenderedHtml| html.fixed().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(others(&rendered), others(&plain));
    }
}

#[test]
fn line_breaks_are_kept_on_request_and_nothing_else() {
    let html = html("x {{ a | newlines_to_br }} y", "# a*b*\r\n- <i>\n\n    c");
    assert_eq!(
        html.html(),
        "<p>x # a*b*<br>- &lt;i&gt;<br><br>    c y</p>\n"
    );
}

#[test]
fn safe_values_are_markdown() {
    let html = html("{{ a | safe }}", "**b** <i>c</i>");
    assert_eq!(html.html(), "<p><strong>b</strong> <i>c</i></p>\n");
}

#[test]
fn blank_values_leave_no_paragraph() {
    for (template, expected) in [
        ("a\n\n{{ a }}\n\nb", "<p>a</p>\n<p>b</p>\n"),
        (
            "# {{ a }}\n\n{{ a }} {{ a }}\n\n**{{ a }}**",
            "<p><strong></strong></p>\n",
        ),
        ("- {{ a }}\n- b", "<ul>\n<li></li>\n<li>b</li>\n</ul>\n"),
    ] {
        assert_eq!(html(template, "").html(), expected, "{template}");
    }
    assert_eq!(html("# {{ a }}\n\n{{ a }}", " \n\n").html(), "");
}

#[test]
fn footnotes_have_numbers_and_no_links() {
    let html = html("x[^b] y[^a] z[^b]\n\n[^a]: One.\n\n[^b]: **Two**\n", "");
    let expected = "<p>x<sup>1</sup> y<sup>2</sup> z<sup>1</sup></p>\n<div class=\"footnote\">\n<p><sup>1</sup> <strong>Two</strong></p>\n</div>\n\
                    <div class=\"footnote\">\n<p><sup>2</sup> One.</p>\n</div>\n";
    assert_eq!(html.html(), expected);
}

#[test]
fn the_number_of_a_footnote_is_in_the_footnote() {
    let html = html("x[^a] y[^b]\n\n[^a]: {{ a }}\n\n[^b]: - z\n\nafter\n", "");
    let notes = html.html();
    assert_eq!(notes.matches("<sup>1</sup>").count(), 2, "{notes}");
    assert_eq!(notes.matches("<sup>2</sup>").count(), 2, "{notes}");
}

#[test]
fn what_stands_for_values_can_not_be_forged() {
    let template = "{{ a }} \u{fdd0}7\u{fdd1} &#xFDD0;9&#xFDD1; [x](https://x.example/%EF%B7%9099%EF%B7%91) \u{fdd0}";
    let html = html(template, WORD);
    assert!(html.html().starts_with("<p>Qzx9 7 "), "{}", html.html());
    assert_eq!(html.count(), 1);
    // Values are not looked at.
    let html = self::html("{{ a }} {{ a }}", "\u{fdd0}1\u{fdd1}");
    assert_eq!(html.html(), "<p>\u{fdd0}1\u{fdd1} \u{fdd0}1\u{fdd1}</p>\n");
}

#[test]
fn a_captured_value_that_is_joined_with_a_text_or_stands_in_code_is_itself() {
    let template =
        "{% set b %}Hello {{ a }}{% endset %}{{ b ~ \"!\" }} and `{{ b }}`\n\n```\n{{ b }}\n```\n";
    let html = html(template, "Ada Maria-Anna <*>");
    let expected = "<p>Hello Ada Maria-Anna &lt;*&gt;! and <code>Hello Ada Maria-Anna &lt;*&gt;</code></p>\n\
                    <pre><code>Hello Ada Maria-Anna &lt;*&gt;\n</code></pre>\n";
    assert_eq!(html.html(), expected);
}

#[test]
fn a_large_table_is_an_error() {
    let row = |cell: &str| format!("{}|\n", cell.repeat(520));
    let table = row("|a") + &row("|-") + &row("|a").repeat(520);
    let error = html_of(&table, &[]).expect_err("an error");
    assert!(error.to_string().contains("more than 800000 elements"));
}

#[test]
fn footnotes_stand_at_the_end() {
    let html = html("x[^1]\n\n[^1]: One.\n\n    - two\n\nThe end {{ a }}", "y");
    let note =
        "<div class=\"footnote\">\n<p><sup>1</sup> One.</p>\n<ul>\n<li>two</li>\n</ul>\n</div>\n";
    let expected = format!("<p>x<sup>1</sup></p>\n<p>The end y</p>\n{note}");
    assert_eq!(html.html(), expected);
}

#[test]
fn an_image_alone_is_a_paragraph() {
    let html = html(
        "<img src=\"{{ a }}.png\" alt=\"\">\n\nx\n\n<img src=\"b\"><br>\n",
        "y",
    );
    let expected = "<p><img src=\"y.png\" alt=\"\"></p>\n<p>x</p>\n<p><img src=\"b\"><br></p>\n";
    assert_eq!(html.html(), expected);
}
