//! Colour schemes: a message as it looks in a light or dark mail client, or inverted by one.
//!
//! A frame cannot choose what `prefers-color-scheme` means inside it, so each such query is replaced by one
//! that is always or never true.

/// The colours in which a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourScheme {
    Light,
    /// With the message's own dark styles, if it has any.
    Dark,
    /// Light and then inverted, as mail clients do to messages without dark styles.
    Inverted,
}

const FEATURE: &str = "prefers-color-scheme";
const ALWAYS: &str = "min-width:0px";
const NEVER: &str = "max-width:0px";

impl ColourScheme {
    /// Replaces the `prefers-color-scheme: …` queries in CSS or a media query. `None` if there are none.
    pub(super) fn apply(self, css: &str) -> Option<String> {
        let lower = css.to_ascii_lowercase();
        let (mut replaced, mut from) = (String::new(), 0);
        while let Some(at) = lower[from..].find(FEATURE) {
            let at = from + at;
            let after = at + FEATURE.len();
            let (end, is_true) = match scheme_value(&lower[after..]) {
                Some((length, value)) => {
                    (after + length, (value == "dark") == (self == Self::Dark))
                }
                // A query without a value asks whether there is a preference.
                None => (after, true),
            };
            replaced.push_str(&css[from..at]);
            replaced.push_str(if is_true { ALWAYS } else { NEVER });
            from = end;
        }
        (from > 0).then(|| replaced + &css[from..])
    }

    /// Replaces the queries in all `<style>` elements of a page that this program has written. Sets
    /// `has_dark` if one declares dark colours.
    pub(super) fn apply_to_stylesheets(self, page: &str, has_dark: &mut bool) -> String {
        let mut applied = String::with_capacity(page.len());
        let mut rest = page;
        while let Some((begin, end)) = first_stylesheet(rest) {
            let css = &rest[begin..end];
            *has_dark |= declares_dark(css);
            applied.push_str(&rest[..begin]);
            applied.push_str(self.apply(css).as_deref().unwrap_or(css));
            rest = &rest[end..];
        }
        applied + rest
    }

    /// The stylesheet to add after all others. `has_dark` says whether the message has dark colours of its
    /// own.
    pub(super) fn stylesheet(self, has_dark: bool) -> &'static str {
        match self {
            Self::Dark if has_dark => ":root{color-scheme:dark!important}",
            Self::Light | Self::Dark => ":root{color-scheme:light!important}",
            Self::Inverted => {
                ":root{color-scheme:light!important;background:#fff;\
                 filter:invert(1) hue-rotate(180deg)!important}\
                 img,[background],[style*=\"url(\"]{filter:invert(1) hue-rotate(180deg)!important}"
            }
        }
    }
}

/// Where the content of the first `<style>` begins and ends.
fn first_stylesheet(page: &str) -> Option<(usize, usize)> {
    let tag = page.find("<style")?;
    let begin = tag + page[tag..].find('>')? + 1;
    let end = begin + page[begin..].find("</style>")?;
    Some((begin, end))
}

/// The length of `: dark` or `: light` at the beginning of a text, and the value.
fn scheme_value(text: &str) -> Option<(usize, &str)> {
    let rest = text.trim_start().strip_prefix(':')?.trim_start();
    let values = ["dark", "light"];
    let value = values.into_iter().find(|value| rest.starts_with(value))?;
    let begin = text.len() - rest.len();
    Some((begin + value.len(), value))
}

/// Whether CSS declares dark colours: `color-scheme: light dark`.
pub(super) fn declares_dark(css: &str) -> bool {
    let lower = css.to_ascii_lowercase();
    lower.match_indices("color-scheme").any(|(at, property)| {
        let value = lower[at + property.len()..].trim_start().strip_prefix(':');
        let value = value.and_then(|value| value.split([';', '}']).next());
        !lower[..at].ends_with("prefers-") && value.is_some_and(|value| value.contains("dark"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_queries() {
        let css = "p{color:red}@media (prefers-color-scheme: dark){p{color:ż}}@media(Prefers-Color-Scheme :LIGHT){a{}}";
        let dark = "p{color:red}@media (min-width:0px){p{color:ż}}@media(max-width:0px){a{}}";
        let light = "p{color:red}@media (max-width:0px){p{color:ż}}@media(min-width:0px){a{}}";
        assert_eq!(ColourScheme::Dark.apply(css).as_deref(), Some(dark));
        assert_eq!(ColourScheme::Light.apply(css).as_deref(), Some(light));
        assert_eq!(ColourScheme::Inverted.apply(css).as_deref(), Some(light));
        assert_eq!(ColourScheme::Dark.apply("p{}"), None);
    }

    #[test]
    fn finds_declarations_of_dark_colours() {
        assert!(declares_dark(":root{color-scheme: light dark;}"));
        assert!(declares_dark(
            ":root { supported-color-schemes: x; COLOR-SCHEME : dark }"
        ));
        for css in [
            "@media (prefers-color-scheme: dark){p{}}",
            ":root{color-scheme:light}p{color:dark}",
            "",
        ] {
            assert!(!declares_dark(css), "{css}");
        }
    }
}
