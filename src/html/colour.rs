//! Colours, and the contrast between two (WCAG 2.2).

use csscolorparser::Color;

use super::css::{Component, components};
use super::marks::is_marked;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour(Color);

/// The background that an element declares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Background {
    /// The colour, if it is a plain one.
    pub(crate) colour: Option<Colour>,
    /// Whether there is an image, a gradient or something unknown.
    pub(crate) other: bool,
    /// Whether that is an image or a gradient, which some readers don't see.
    pub(crate) image: bool,
}

impl Colour {
    pub(crate) const BLACK: Self = Self(Color::new(0.0, 0.0, 0.0, 1.0));
    pub(crate) const WHITE: Self = Self(Color::new(1.0, 1.0, 1.0, 1.0));
    /// The default colour of links (HTML 15.3.4).
    pub(crate) const LINK: Self = Self(Color::new(0.0, 0.0, 238.0 / 255.0, 1.0));

    /// Reads a CSS colour: `#rrggbb`, a name, `rgb(…)` and the like.
    pub(crate) fn from_css(text: &str) -> Option<Self> {
        from_component(components(text).first()?)
    }

    /// Reads a colour of an attribute such as `bgcolor`, where the `#` is optional.
    pub(crate) fn from_attribute(text: &str) -> Option<Self> {
        csscolorparser::parse(text.trim()).ok().map(Self)
    }

    /// The colour that results when this one is drawn over an opaque background.
    pub(crate) fn over(self, background: Self) -> Self {
        let (front, behind) = (self.0, background.0);
        let mix = |front_part, part| front_part * front.a + part * (1.0 - front.a);
        Self(Color::new(
            mix(front.r, behind.r),
            mix(front.g, behind.g),
            mix(front.b, behind.b),
            1.0,
        ))
    }

    pub(crate) fn is_opaque(self) -> bool {
        self.0.a >= 1.0
    }

    /// The contrast ratio of two colours, from 1 to 21 (WCAG 2.2).
    pub(crate) fn contrast(self, other: Self) -> f32 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f32 {
        let [red, green, blue, _] = self.0.to_linear_rgba();
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The nearest colour that has at least this contrast with a background; both are opaque.
    pub(crate) fn with_contrast(self, background: Self, contrast: f32) -> Self {
        let end = if Self::BLACK.contrast(background) > Self::WHITE.contrast(background) {
            Self::BLACK
        } else {
            Self::WHITE
        };
        let mut steps = (0..=64_u8).map(|step| {
            let mixed = self.0.interpolate_rgb(&end.0, f32::from(step) / 64.0);
            // The colour as it is written.
            let [red, green, blue, _] = mixed.to_rgba8();
            Self(Color::from_rgba8(red, green, blue, 255))
        });
        steps
            .find(|colour| colour.contrast(background) >= contrast)
            .unwrap_or(end)
    }

    /// As `#rrggbb`.
    pub(crate) fn hex(self) -> String {
        self.0.to_css_hex().to_string()
    }
}

impl Background {
    /// Reads the value of `background` or `background-color`.
    pub(crate) fn from_css(value: &str) -> Self {
        let components = components(value);
        let has_function = |test: fn(&str) -> bool| {
            let is_one =
                |it: &Component<'_>| matches!(it, Component::Function(name, _) if test(name));
            components.iter().any(is_one)
        };
        if has_function(|name| name.ends_with("gradient")) {
            // Its colours are among the components.
            return Self {
                colour: None,
                other: true,
                image: !is_marked(value),
            };
        }
        let has_image = has_function(|name| matches!(name, "url" | "image-set"));
        let has_variable = has_function(|name| name == "var");
        let colour = components.iter().find_map(from_component);
        let is_nothing = matches!(value, "none" | "inherit" | "initial" | "unset");
        Self {
            colour,
            other: is_marked(value)
                || has_image
                || has_variable
                || (colour.is_none() && !is_nothing),
            // The address of an image may differ from row to row.
            image: has_image && !has_variable,
        }
    }
}

fn from_component(component: &Component<'_>) -> Option<Colour> {
    let text = match component {
        Component::Word(word) => word.as_str(),
        Component::Hash(text) => text,
        Component::Function(name, text) if name != "url" => text,
        _ => return None,
    };
    // Hexadecimal digits without `#` are a colour in attributes only, and no colour name is made of them.
    let is_bare = text.bytes().all(|b| b.is_ascii_hexdigit());
    let colour = csscolorparser::parse(text).ok();
    colour.filter(|_| !is_bare).map(Colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::from_css(text).expect("a colour")
    }

    #[test]
    fn computes_contrast_as_wcag_does() {
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
    fn transparent_colours_are_mixed() {
        assert_eq!(
            colour("rgba(0,0,0,.5)").over(Colour::WHITE).hex(),
            "#808080"
        );
        assert!(!colour("rgba(0,0,0,.5)").is_opaque());
        assert!(colour("rgb(0 0 0)").is_opaque());
    }

    #[test]
    fn finds_a_near_colour_with_enough_contrast() {
        let grey = colour("#999999").with_contrast(Colour::WHITE, 4.5);
        assert!(grey.contrast(Colour::WHITE) >= 4.5 && grey.contrast(Colour::WHITE) < 4.8);
        let light = colour("#555").with_contrast(Colour::BLACK, 4.5);
        assert!(light.contrast(Colour::BLACK) >= 4.5, "{}", light.hex());
    }

    #[test]
    fn other_words_are_not_colours() {
        for none in ["", "abc", "inherit", "currentcolor", "var(--x)", "url(red)"] {
            assert_eq!(Colour::from_css(none), None, "{none}");
        }
        assert_eq!(Colour::from_attribute(" ffffff"), Some(Colour::WHITE));
    }

    #[test]
    fn reads_backgrounds() {
        let of = |value| {
            let found = Background::from_css(value);
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
