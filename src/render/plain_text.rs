//! Makes a text part from HTML.

use crate::html::{fit_spans, rows_as_lines};

/// The width of a line, in columns. RFC 5322 2.1.1 allows 78.
const WIDTH: usize = 76;

/// The visible text of an HTML body, with links as footnotes.
pub(super) fn plain_text(html: &str) -> Result<String, html2text::Error> {
    let config = html2text::config::plain()
        .use_doc_css()
        .raw_mode(true)
        .no_link_wrapping()
        .link_footnotes(true);
    let document = config.parse_html(html.as_bytes())?;
    rows_as_lines(&document);
    fit_spans(&document);
    let text = config.render_to_string(config.dom_to_render_tree(&document)?, WIDTH)?;
    let mut tidy = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && blank) {
            tidy.push_str(line);
            tidy.push('\n');
        }
        blank = line.is_empty();
    }
    Ok(tidy.trim_end().to_owned() + "\n")
}

/// Appends a value, with each run of white space as one space.
pub(super) fn push_words(value: &str, out: &mut String) {
    let mut blank = false;
    for c in value.chars() {
        let is_blank = c.is_ascii_whitespace();
        if !is_blank {
            out.push(c);
        } else if !blank {
            out.push(' ');
        }
        blank = is_blank;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::html::{Unprocessed, guarded, inline_css};

    /// Tags in any order, tables above all.
    fn html() -> impl Strategy<Value = String> {
        let parts = proptest::sample::select(vec![
            "<style>td:first-child,p>b{color:red;display:block}</style>",
            "<table>",
            "<tr>",
            "<td>",
            "<td colspan=2>",
            "<td rowspan=2>",
            "<td colspan=0 rowspan=0>",
            "<th rowspan=3 colspan=3>",
            "<tbody>",
            "<thead>",
            "<caption>",
            "<col>",
            "<p>",
            "<div style='display:none'>",
            "<b>",
            "<a href='https://x.example/'>",
            "<img src=x alt='y'>",
            "<ul>",
            "<ol start=-3>",
            "<li>",
            "<blockquote>",
            "<pre>",
            "<br>",
            "<hr>",
            "<dl>",
            "<dt>",
            "<dd>",
            "<h1>",
            "<sup>",
            "<svg>",
            "<select>",
            "<s>",
            "<code>",
            "</table>",
            "</tr>",
            "</td>",
            "</p>",
            "</div>",
            "</b>",
            "</a>",
            "</ul>",
            "</ol>",
            "</li>",
            "</blockquote>",
            "</pre>",
            "</dl>",
            "</h1>",
            "</svg>",
            "</select>",
            "word ",
            "a\u{300}\u{200b}",
            "漢字",
            "\u{ad}",
            " \t\n ",
            "\u{1f468}\u{200d}\u{1f469}",
        ]);
        proptest::collection::vec(parts, 0..50).prop_map(|parts| parts.concat())
    }

    #[test]
    fn a_data_table_has_a_line_for_its_caption_and_for_each_row() {
        let html = "<table><caption>Prices</caption><thead><tr><th>A</th><th>B</th></tr></thead>\
                    <tbody><tr><td>1</td><td>2</td></tr></tbody></table>";
        let text = plain_text(html).expect("text");
        assert_eq!(text, "Prices\nA | B\n1 | 2\n");
    }

    proptest! {
        #[test]
        fn no_html_makes_a_library_panic(html in html()) {
            let result = guarded(&html, || plain_text(&inline_css(&html)).is_ok());
            if let Err(Unprocessed::Panic(panic)) = result {
                prop_assert!(false, "{panic}: {html}");
            }
        }
    }
}
