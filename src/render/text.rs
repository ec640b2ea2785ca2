//! What is done with rendered HTML: its CSS put into the elements, a text part made from it.

use std::borrow::Cow;
use std::sync::OnceLock;

use css_inline::{CSSInliner, InlineOptions};

/// The width of a line of the text part, in columns (RFC 5322 2.1.1 asks for at most 78).
const WIDTH: usize = 76;

/// HTML that can't be worked on.
#[derive(Debug, thiserror::Error)]
pub(super) enum HtmlError {
    #[error("can't put the CSS of <style> into the elements: {0}")]
    Css(#[from] css_inline::InlineError),
    #[error("can't make a text part from the HTML: {0}")]
    Text(#[from] html2text::Error),
    #[error(transparent)]
    Utf8(#[from] std::string::FromUtf8Error),
}

/// Puts the CSS of `<style>` into the elements; rules that match no element as it is, such as `@media`,
/// `:hover` and those for what a mail program adds, stay there. The doctype is that of the HTML: it
/// decides how a browser lays out a page. Nothing is fetched.
pub(super) fn inline_css(html: &str) -> Result<String, HtmlError> {
    static INLINER: OnceLock<CSSInliner<'static>> = OnceLock::new();
    let inliner = INLINER.get_or_init(|| {
        CSSInliner::new(
            InlineOptions::default()
                .load_remote_stylesheets(false)
                .remove_inlined_selectors(true)
                .keep_link_tags(true),
        )
    });
    let inlined = inliner.inline(html)?;
    let rest = doctype(html).zip(inlined.strip_prefix(WRITTEN_DOCTYPE));
    Ok(match rest {
        Some((own, rest)) => format!("{own}{rest}"),
        None => inlined,
    })
}

/// The doctype that the inliner writes for all.
const WRITTEN_DOCTYPE: &str = "<!DOCTYPE html>";

/// The doctype at the beginning of HTML.
fn doctype(html: &str) -> Option<&str> {
    let html = html.trim_start();
    let begin = html.get(..WRITTEN_DOCTYPE.len() - 6)?;
    let is_one = begin.eq_ignore_ascii_case("<!DOCTYPE");
    html.get(..=html.find('>')?).filter(|_| is_one)
}

/// Whether there is a `<style>` in the HTML.
pub(super) fn has_style(html: &str) -> bool {
    html.contains("<style") || html.contains("<STYLE")
}

/// The HTML as a browser reads it, written in one way, so that two can be compared.
pub(super) fn normalized(html: &str) -> Result<String, HtmlError> {
    static PLAIN: OnceLock<CSSInliner<'static>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| {
        let options = InlineOptions::default()
            .inline_style_tags(false)
            .keep_style_tags(true)
            .load_remote_stylesheets(false)
            .keep_link_tags(true);
        CSSInliner::new(options)
    });
    Ok(plain.inline(html)?)
}

/// A value as the template engine escapes it for HTML.
pub fn escaped(value: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(value.len());
    match tera::escape_html(value, &mut bytes).map(|()| String::from_utf8(bytes)) {
        Ok(Ok(escaped)) => Cow::Owned(escaped),
        // Memory takes all, and what comes of text is text.
        _ => Cow::Borrowed(value),
    }
}

/// A value that the template engine escaped, as it was.
pub fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('&') {
        return Cow::Borrowed(value);
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let unescaped =
        |text: String, (entity, character): (&str, &str)| text.replace(entity, character);
    Cow::Owned(entities.into_iter().fold(value.to_owned(), unescaped))
}

/// Appends a value as it reads in a text: with a space for each run of white space.
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

/// The text of an HTML body: what is hidden left out, links as footnotes.
pub(super) fn from_html(html: &str) -> Result<String, HtmlError> {
    let config = html2text::config::plain()
        .use_doc_css()
        .raw_mode(true)
        .no_link_wrapping()
        .link_footnotes(true);
    let text = config.string_from_read(html.as_bytes(), WIDTH)?;
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
