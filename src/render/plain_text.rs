//! Makes a text part from HTML.

use crate::html::fit_spans;

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
