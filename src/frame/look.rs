//! How a message looks by day, by night, and turned around by a mail client: the same page, with what
//! asks for the reader's colours answered beforehand.
//!
//! A frame has no say in what `prefers-color-scheme` means inside it, so that the question itself is
//! replaced by one whose answer is known.

/// The colours in which a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As the reader's system has them.
    Own,
    /// Light, whatever the system has.
    Light,
    /// Dark: the message's own dark styles, if it has any.
    Dark,
    /// Light, and turned around as mail clients do it to messages without dark styles.
    Inverted,
}

const FEATURE: &str = "prefers-color-scheme";
/// What is always so, and what never is.
const ALWAYS: &str = "min-width:0px";
const NEVER: &str = "max-width:0px";

impl Look {
    /// What stands in the place of `prefers-color-scheme: …` in style sheets and media queries.
    pub(super) fn answered(self, css: &str) -> Option<String> {
        if self == Self::Own {
            return None;
        }
        let lower = css.to_ascii_lowercase();
        let (mut out, mut from) = (String::new(), 0);
        while let Some(at) = lower[from..].find(FEATURE) {
            let at = from + at;
            let after = at + FEATURE.len();
            let (end, dark) = match asked(&lower[after..]) {
                Some((length, scheme)) => (after + length, scheme == "dark"),
                // It is asked whether there is any: always.
                None => (after, self == Self::Dark),
            };
            out.push_str(&css[from..at]);
            out.push_str(if dark == (self == Self::Dark) {
                ALWAYS
            } else {
                NEVER
            });
            from = end;
        }
        (from > 0).then(|| out + &css[from..])
    }

    /// The same in all style sheets of a page that was written by this program. Says in `dark` when
    /// one is for dark colours.
    pub(super) fn in_sheets(self, page: &str, dark: &mut bool) -> String {
        let mut out = String::with_capacity(page.len());
        let mut rest = page;
        while let Some((begin, end)) = sheet(rest) {
            let css = &rest[begin..end];
            *dark |= is_for_dark(css);
            out.push_str(&rest[..begin]);
            out.push_str(self.answered(css).as_deref().unwrap_or(css));
            rest = &rest[end..];
        }
        out + rest
    }

    /// The style sheet that is put after all others. `dark` says whether the message has dark
    /// colours of its own.
    pub(super) fn sheet(self, dark: bool) -> &'static str {
        match self {
            Self::Own => "",
            Self::Dark if dark => ":root{color-scheme:dark!important}",
            Self::Light | Self::Dark => ":root{color-scheme:light!important}",
            Self::Inverted => {
                ":root{color-scheme:light!important;background:#fff;\
                 filter:invert(1) hue-rotate(180deg)!important}\
                 img,[background],[style*=\"url(\"]{filter:invert(1) hue-rotate(180deg)!important}"
            }
        }
    }
}

/// Where the first style sheet in a page begins and ends.
fn sheet(page: &str) -> Option<(usize, usize)> {
    let tag = page.find("<style")?;
    let begin = tag + page[tag..].find('>')? + 1;
    let end = begin + page[begin..].find("</style>")?;
    Some((begin, end))
}

/// The length of `: dark` or `: light` at the start of a text, and which it is.
fn asked(text: &str) -> Option<(usize, &str)> {
    let value = text.trim_start().strip_prefix(':')?.trim_start();
    let scheme = ["dark", "light"];
    let scheme = scheme
        .into_iter()
        .find(|scheme| value.starts_with(scheme))?;
    let begin = text.len() - value.len();
    Some((begin + scheme.len(), &value[..scheme.len()]))
}

/// Whether a style sheet says that the message has dark colours: `color-scheme: light dark`.
pub(super) fn is_for_dark(css: &str) -> bool {
    let lower = css.to_ascii_lowercase();
    lower.match_indices("color-scheme").any(|(at, found)| {
        let value = lower[at + found.len()..].trim_start().strip_prefix(':');
        let value = value.and_then(|value| value.split([';', '}']).next());
        !lower[..at].ends_with("prefers-") && value.is_some_and(|value| value.contains("dark"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_answered() {
        let css = "p{color:red}@media (prefers-color-scheme: dark){p{color:ż}}@media(Prefers-Color-Scheme :LIGHT){a{}}";
        let dark = "p{color:red}@media (min-width:0px){p{color:ż}}@media(max-width:0px){a{}}";
        let light = "p{color:red}@media (max-width:0px){p{color:ż}}@media(min-width:0px){a{}}";
        assert_eq!(Look::Dark.answered(css).as_deref(), Some(dark));
        assert_eq!(Look::Light.answered(css).as_deref(), Some(light));
        assert_eq!(Look::Inverted.answered(css).as_deref(), Some(light));
        assert_eq!(Look::Own.answered(css), None);
        assert_eq!(Look::Dark.answered("p{}"), None);
    }

    #[test]
    fn a_sheet_for_dark_says_so() {
        assert!(is_for_dark(":root{color-scheme: light dark;}"));
        assert!(is_for_dark(
            ":root { supported-color-schemes: x; COLOR-SCHEME : dark }"
        ));
        for css in [
            "@media (prefers-color-scheme: dark){p{}}",
            ":root{color-scheme:light}p{color:dark}",
            "",
        ] {
            assert!(!is_for_dark(css), "{css}");
        }
    }
}
