//! Moves the CSS of `<style>` into the elements.

use std::sync::OnceLock;

use css_inline::{CSSInliner, InlineError, InlineOptions};

/// The doctype that css-inline writes, whatever the HTML has.
const DEFAULT_DOCTYPE: &str = "<!DOCTYPE html>";

/// Inlines the CSS. Rules that match no element as it is stay in `<style>`: `@media`, `:hover`, and
/// those for what a mail program adds. The doctype stays, because it decides how a browser lays out the
/// page. Nothing is fetched.
pub(super) fn inline_css(html: &str) -> Result<String, InlineError> {
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
    let rest = doctype(html).zip(inlined.strip_prefix(DEFAULT_DOCTYPE));
    Ok(match rest {
        Some((doctype, rest)) => format!("{doctype}{rest}"),
        None => inlined,
    })
}

fn doctype(html: &str) -> Option<&str> {
    let html = html.trim_start();
    let start = html.get(.."<!DOCTYPE".len())?;
    let is_doctype = start.eq_ignore_ascii_case("<!DOCTYPE");
    html.get(..=html.find('>')?).filter(|_| is_doctype)
}

pub(super) fn has_style(html: &str) -> bool {
    html.contains("<style") || html.contains("<STYLE")
}

/// The HTML as a browser reads it, serialized in one way, so that two texts can be compared.
pub(super) fn normalized(html: &str) -> Result<String, InlineError> {
    static SERIALIZER: OnceLock<CSSInliner<'static>> = OnceLock::new();
    let serializer = SERIALIZER.get_or_init(|| {
        let options = InlineOptions::default()
            .inline_style_tags(false)
            .keep_style_tags(true)
            .load_remote_stylesheets(false)
            .keep_link_tags(true);
        CSSInliner::new(options)
    });
    serializer.inline(html)
}
