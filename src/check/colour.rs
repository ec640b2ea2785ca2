//! Colours, and how well text of one can be read on another (WCAG 2.2).

use csscolorparser::Color;

use super::style::{Piece, pieces};
use crate::render::is_marked;

/// A colour as it is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour(Color);

/// What is behind an element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Background {
    /// Its colour, if it is a plain one.
    pub(super) colour: Option<Colour>,
    /// Whether there is something else: an image, a gradient, or what can't be told.
    pub(super) other: bool,
}

impl Colour {
    pub(super) const BLACK: Self = Self(Color::new(0.0, 0.0, 0.0, 1.0));
    pub(super) const WHITE: Self = Self(Color::new(1.0, 1.0, 1.0, 1.0));
    /// That of links for which nothing else is said (HTML 15.3.4).
    pub(super) const LINK: Self = Self(Color::new(0.0, 0.0, 238.0 / 255.0, 1.0));

    /// A colour of CSS: `#rrggbb`, a name, `rgb(…)` and the like.
    pub(super) fn of_css(text: &str) -> Option<Self> {
        let mut pieces = pieces(text).into_iter();
        of_piece(&pieces.next()?)
    }

    /// A colour of an attribute, such as `bgcolor`, where the `#` can be left out.
    pub(super) fn of_attribute(text: &str) -> Option<Self> {
        let text = text.trim();
        csscolorparser::parse(text).ok().map(Self)
    }

    /// What is seen of it on another.
    pub(super) fn on(self, behind: Self) -> Self {
        let (front, behind) = (self.0, behind.0);
        let mix = |front_part, part| front_part * front.a + part * (1.0 - front.a);
        Self(Color::new(
            mix(front.r, behind.r),
            mix(front.g, behind.g),
            mix(front.b, behind.b),
            1.0,
        ))
    }

    /// Whether nothing behind it is seen.
    pub(super) fn is_opaque(self) -> bool {
        self.0.a >= 1.0
    }

    /// The contrast of two, 1 to 21 (WCAG 2.2, “contrast ratio”).
    pub(super) fn contrast(self, other: Self) -> f32 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f32 {
        let [red, green, blue, _] = self.0.to_linear_rgba();
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The nearest to it that has a contrast with another; both are opaque.
    pub(super) fn readable(self, behind: Self, contrast: f32) -> Self {
        let end = if Self::BLACK.contrast(behind) > Self::WHITE.contrast(behind) {
            Self::BLACK
        } else {
            Self::WHITE
        };
        let steps = (0..=64_u8).map(|step| {
            let (to, from) = (end.0, self.0);
            let part = f32::from(step) / 64.0;
            let mix = |from: f32, to: f32| ((from + (to - from) * part) * 255.0).round() / 255.0;
            Self(Color::new(
                mix(from.r, to.r),
                mix(from.g, to.g),
                mix(from.b, to.b),
                1.0,
            ))
        });
        let mut steps = steps;
        steps
            .find(|it| it.contrast(behind) >= contrast)
            .unwrap_or(end)
    }

    /// As `#rrggbb`.
    pub(super) fn hex(self) -> String {
        self.0.to_css_hex().to_string()
    }
}

impl Background {
    /// That of `background` or `background-color`.
    pub(super) fn of_css(value: &str) -> Self {
        let pieces = pieces(value);
        let gradient =
            |it: &Piece<'_>| matches!(it, Piece::Function(name, _) if name.ends_with("gradient"));
        let image = |it: &Piece<'_>| {
            let known = ["url", "image-set", "var"];
            matches!(it, Piece::Function(name, _) if known.contains(&name.as_str()))
        };
        if pieces.iter().any(gradient) {
            // The colours of a gradient are among the pieces.
            return Self {
                colour: None,
                other: true,
            };
        }
        let colour = pieces.iter().find_map(of_piece);
        let nothing = ["none", "inherit", "initial", "unset"].contains(&value);
        Self {
            colour,
            other: is_marked(value) || pieces.iter().any(image) || (colour.is_none() && !nothing),
        }
    }
}

fn of_piece(piece: &Piece<'_>) -> Option<Colour> {
    let text = match piece {
        Piece::Word(word) => word.as_str(),
        Piece::Hash(text) => text,
        Piece::Function(name, text) if name != "url" => text,
        _ => return None,
    };
    // A word of hexadecimal digits alone is a colour in attributes only; no name is one.
    let bare = text.bytes().all(|b| b.is_ascii_hexdigit());
    let parsed = csscolorparser::parse(text).ok();
    parsed.filter(|_| !bare).map(Colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::of_css(text).expect("a colour")
    }

    #[test]
    fn contrasts_are_those_of_wcag() {
        for (one, two, contrast) in [
            ("#000", "white", 21.0),
            ("#777777", "#fff", 4.48),
            ("#767676", "#fff", 4.54),
            ("rgb(255, 0, 0)", "#ffffff", 4.0),
            ("#00f", "#00f", 1.0),
        ] {
            let found = colour(one).contrast(colour(two));
            assert!((found - contrast).abs() < 0.01, "{one} {two} {found}");
        }
    }

    #[test]
    fn what_is_seen_through_is_mixed() {
        assert_eq!(colour("rgba(0,0,0,.5)").on(Colour::WHITE).hex(), "#808080");
        assert!(!colour("rgba(0,0,0,.5)").is_opaque());
        assert!(colour("rgb(0 0 0)").is_opaque());
    }

    #[test]
    fn a_colour_that_can_be_read_is_near() {
        let grey = colour("#999999").readable(Colour::WHITE, 4.5);
        assert!(grey.contrast(Colour::WHITE) >= 4.5 && grey.contrast(Colour::WHITE) < 4.8);
        let light = colour("#555").readable(Colour::BLACK, 4.5);
        assert!(light.contrast(Colour::BLACK) >= 4.5, "{}", light.hex());
    }

    #[test]
    fn words_that_are_no_colours_are_none() {
        for none in ["", "abc", "inherit", "currentcolor", "var(--x)", "url(red)"] {
            assert_eq!(Colour::of_css(none), None, "{none}");
        }
        assert_eq!(Colour::of_attribute(" ffffff"), Some(Colour::WHITE));
    }

    #[test]
    fn a_background_is_a_colour_or_something_else() {
        let of = |value| {
            let found = Background::of_css(value);
            (found.colour.map(Colour::hex), found.other)
        };
        let white = Some("#ffffff".to_owned());
        assert_eq!(of("#ffffff"), (white.clone(), false));
        assert_eq!(of("white url(a.png) no-repeat"), (white, true));
        assert_eq!(of("linear-gradient(red, blue)"), (None, true));
        assert_eq!(of("none"), (None, false));
        assert_eq!(of("somehow"), (None, true));
    }
}
