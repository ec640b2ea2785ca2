//! The page behind a link to unsubscribe. It has no scripts and loads nothing.

use std::fmt::Write as _;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::page_texts::{Texts, negotiated};
use crate::campaign::{PageColour, PageSettings};
use crate::html::Colour;
use crate::unsubscribe::ONE_CLICK;

const CSS: &str = include_str!("../../../templates/feedback/page.css");
/// An open envelope, and a tick.
const ENVELOPE: &str = "<svg viewBox=\"0 0 48 48\" aria-hidden=\"true\"><rect x=\"6\" y=\"11\" width=\"36\" height=\"27\" rx=\"4\"/><path d=\"M7 14l17 13 17-13\"/></svg>";
const TICK: &str = "<svg class=\"good\" viewBox=\"0 0 48 48\" aria-hidden=\"true\"><circle cx=\"24\" cy=\"24\" r=\"18\"/><path d=\"M16 24.5l5.5 5.5L33 18.5\"/></svg>";

/// What a page says.
pub(super) enum View<'a> {
    /// With the button.
    Ask {
        is_test: bool,
    },
    /// The recipient is unsubscribed. `undo` has the token and the proof of the click.
    Done {
        is_test: bool,
        undo: Option<(&'a str, &'a str)>,
    },
    Undone,
    NotFound,
    /// The click could not be recorded.
    Failed,
}

/// Makes the pages of one campaign.
pub(super) struct Page {
    settings: PageSettings,
    css: String,
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new(settings: PageSettings) -> Self {
        let css = format!("{CSS}{}", colours(&settings));
        let hash = STANDARD.encode(Sha256::digest(css.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let fallback = HeaderValue::from_static("default-src 'none'; form-action 'self'");
        Self {
            settings,
            css,
            policy: HeaderValue::from_str(&policy).unwrap_or(fallback),
        }
    }

    pub(super) fn response(&self, request: &HeaderMap, view: &View<'_>) -> Response {
        let accepted = request.get("accept-language");
        let accepted = accepted.and_then(|value| value.to_str().ok());
        let texts = negotiated(
            self.settings
                .lang
                .as_deref()
                .or(accepted)
                .unwrap_or_default(),
        );
        let status = match view {
            View::Ask { .. } | View::Done { .. } | View::Undone => StatusCode::OK,
            View::NotFound => StatusCode::NOT_FOUND,
            View::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = (status, self.html(texts, view)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (VARY, "Accept-Language"),
            (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(lang) = HeaderValue::from_str(self.lang(texts)) {
            headers.insert(CONTENT_LANGUAGE, lang);
        }
        response
    }

    fn lang<'a>(&'a self, texts: &Texts) -> &'a str {
        self.settings.lang.as_deref().unwrap_or(texts.lang)
    }

    fn html(&self, texts: &Texts, view: &View<'_>) -> String {
        let own = &self.settings;
        let or = |own: &Option<String>, text: &str| escaped(own.as_deref().unwrap_or(text));
        let (picture, title, text) = match view {
            View::Ask { .. } => (
                ENVELOPE,
                or(&own.title, texts.title),
                or(&own.text, texts.text),
            ),
            View::Done { is_test: true, .. } => (TICK, escaped(texts.test), String::new()),
            View::Done { .. } => (
                TICK,
                or(&own.done, texts.done),
                or(&own.done_text, texts.done_text),
            ),
            View::Undone => (
                TICK,
                or(&own.undone, texts.undone),
                or(&own.undone_text, texts.undone_text),
            ),
            View::NotFound => ("", escaped(texts.missing), escaped(texts.missing_text)),
            View::Failed => ("", escaped(texts.failed), escaped(texts.failed_text)),
        };
        let mut body = format!("{picture}<h1>{title}</h1>");
        if !text.is_empty() {
            let _ = write!(body, "<p>{text}</p>");
        }
        match view {
            View::Ask { is_test } => {
                let (name, value) = ONE_CLICK.split_once('=').unwrap_or((ONE_CLICK, ""));
                let button = or(&own.button, texts.button);
                let _ = write!(
                    body,
                    "<form method=\"post\"><input type=\"hidden\" name=\"{name}\" value=\"{value}\">\
                     <button>{button}</button></form>"
                );
                if *is_test {
                    let _ = write!(body, "<p class=\"note\">{}</p>", escaped(texts.test));
                }
            }
            View::Done {
                undo: Some((token, proof)),
                ..
            } => {
                let _ = write!(
                    body,
                    "<form method=\"post\" action=\"{}/undo\"><input type=\"hidden\" name=\"proof\" value=\"{}\">\
                     <button class=\"quiet\">{}</button></form>",
                    escaped(token),
                    escaped(proof),
                    or(&own.undo, texts.undo)
                );
            }
            View::Done { undo: None, .. } | View::Undone | View::NotFound | View::Failed => {}
        }
        format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex, nofollow\">\n<title>{title}</title>\n\
             <style>{}</style>\n</head>\n<body>\n<main>{body}</main>\n</body>\n</html>\n",
            escaped(self.lang(texts)),
            self.css
        )
    }
}

/// The colours of the campaign hold in light and dark mode.
fn colours(settings: &PageSettings) -> String {
    let set = |colour: &Option<PageColour>| colour.as_ref().map(|set| set.colour);
    let (background, foreground) = (set(&settings.background), set(&settings.foreground));
    let accent = set(&settings.accent);
    if background.or(foreground).or(accent).is_none() {
        return String::new();
    }
    let background = background.unwrap_or(Colour::WHITE);
    let foreground = foreground.unwrap_or_else(|| readable_on(background));
    let accent = accent.unwrap_or(foreground);
    let on_accent = readable_on(accent);
    let good = accent.with_contrast(background, 3.0);
    let (background, foreground) = (background.hex(), foreground.hex());
    let rule = format!(
        "--back: {background}; --card: {background}; --text: {foreground}; --soft: {foreground}; --accent: {}; \
         --on-accent: {}; --line: {background}; --good: {};",
        accent.hex(),
        on_accent.hex(),
        good.hex()
    );
    format!(
        ":root {{ color-scheme: light; {rule} }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ color-scheme: light; {rule} }} }}\n\
         main {{ box-shadow: none; }}\nbutton.quiet {{ color: var(--text); }}\n"
    )
}

/// Black or white, whichever has more contrast.
fn readable_on(background: Colour) -> Colour {
    match Colour::BLACK.contrast(background) > Colour::WHITE.contrast(background) {
        true => Colour::BLACK,
        false => Colour::WHITE,
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
