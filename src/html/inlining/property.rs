//! Which CSS properties override each other, and which values every client understands.

use cssparser::{Parser, Token};

/// Whether a declaration of one property can override one of the other: they are the same, or one is a
/// shorthand that sets a part of what the other sets.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if a.starts_with("--") || b.starts_with("--") {
        return false;
    }
    if a == "all" || b == "all" {
        return true;
    }
    if let (Some(a), Some(b)) = (Border::of(a), Border::of(b)) {
        return a.overlaps(&b);
    }
    let contains = |shorthand: &str, longhand: &str| {
        let part = longhand.strip_prefix(shorthand);
        part.is_some_and(|part| part.starts_with('-') && shorthand != "border")
            || (shorthand == "font" && longhand == "line-height")
            || (shorthand == "border-radius" && is_corner(longhand))
    };
    contains(a, b) || contains(b, a)
}

/// The properties among which [`overlap`] looks: those of different groups never overlap, except `all`.
pub(super) fn group(property: &str) -> &str {
    if property.starts_with('-') {
        return property;
    }
    match property.split('-').next().unwrap_or(property) {
        "line" => "font",
        first => first,
    }
}

fn is_corner(property: &str) -> bool {
    property.starts_with("border-") && property.ends_with("-radius")
}

/// A property of the shorthand `border`: which sides it sets, and what of them.
struct Border<'a> {
    side: Option<&'a str>,
    aspect: Option<&'a str>,
}

impl<'a> Border<'a> {
    fn of(property: &'a str) -> Option<Self> {
        let mut parts = property.strip_prefix("border")?.split('-').skip(1);
        let (first, second) = (parts.next(), parts.next());
        let is_side = |part: &str| ["top", "right", "bottom", "left"].contains(&part);
        let is_aspect = |part: &str| ["width", "style", "color"].contains(&part);
        match (first, second, parts.next()) {
            (None, ..) => Some((None, None)),
            (Some(side), None, _) if is_side(side) => Some((Some(side), None)),
            (Some(aspect), None, _) if is_aspect(aspect) => Some((None, Some(aspect))),
            (Some(side), Some(aspect), None) if is_side(side) && is_aspect(aspect) => {
                Some((Some(side), Some(aspect)))
            }
            _ => None,
        }
        .map(|(side, aspect)| Self { side, aspect })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let agree = |a: Option<&str>, b: Option<&str>| a.is_none() || b.is_none() || a == b;
        agree(self.side, other.side) && agree(self.aspect, other.aspect)
    }
}

/// Whether the value is valid and every client understands it, so that an earlier declaration of the same
/// property is of no use. `false` if that is not certain.
pub(super) fn is_universal(property: &str, value: &str) -> bool {
    let kind = match property {
        "color" | "background-color" => Kind::Colour,
        "font-size" | "line-height" | "max-width" | "min-width" | "letter-spacing"
        | "padding-top" | "padding-right" | "padding-bottom" | "padding-left" => Kind::Lengths(1),
        "padding" => Kind::Lengths(4),
        "height" | "width" | "margin-top" | "margin-right" | "margin-bottom" | "margin-left" => {
            Kind::LengthsOrAuto(1)
        }
        "margin" => Kind::LengthsOrAuto(4),
        "text-align" => Kind::Words(&["left", "right", "center", "justify"]),
        "text-decoration" => Kind::Words(&["none", "underline", "line-through"]),
        "text-transform" => Kind::Words(&["none", "uppercase", "lowercase", "capitalize"]),
        "font-style" => Kind::Words(&["normal", "italic"]),
        "font-weight" => Kind::Words(&["normal", "bold", "400", "700"]),
        "display" => Kind::Words(&["none", "block", "inline", "inline-block"]),
        "vertical-align" => Kind::Words(&["top", "middle", "bottom", "baseline"]),
        "border-collapse" => Kind::Words(&["collapse", "separate"]),
        _ => return false,
    };
    kind.accepts(value)
}

enum Kind {
    /// A name of HTML 4, or `#rgb` or `#rrggbb`.
    Colour,
    /// At most as many lengths, in the units that all clients know.
    Lengths(usize),
    LengthsOrAuto(usize),
    Words(&'static [&'static str]),
}

impl Kind {
    fn accepts(&self, value: &str) -> bool {
        const COLOURS: [&str; 17] = [
            "black",
            "silver",
            "gray",
            "white",
            "maroon",
            "red",
            "purple",
            "fuchsia",
            "green",
            "lime",
            "olive",
            "yellow",
            "navy",
            "blue",
            "teal",
            "aqua",
            "transparent",
        ];
        let value = value.to_ascii_lowercase();
        match self {
            Self::Words(words) => words.contains(&value.as_str()),
            Self::Colour => match value.strip_prefix('#') {
                Some(hex) => {
                    [3, 6].contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit())
                }
                None => COLOURS.contains(&value.as_str()),
            },
            Self::Lengths(most) => has_lengths(&value, *most, false),
            Self::LengthsOrAuto(most) => has_lengths(&value, *most, true),
        }
    }
}

/// Whether a value is one to `most` lengths. Negative lengths do not count, because some properties
/// refuse them.
fn has_lengths(value: &str, most: usize, or_auto: bool) -> bool {
    let mut input = Parser::new(value);
    let mut count = 0;
    while let Ok(token) = input.next() {
        let is_length = match token {
            Token::Number { value, .. } => *value == 0.0,
            Token::Dimension { value, unit, .. } => {
                *value >= 0.0 && ["px", "em", "pt"].contains(&&**unit)
            }
            Token::Percentage { unit_value, .. } => *unit_value >= 0.0,
            Token::Ident(word) => or_auto && **word == *"auto",
            _ => false,
        };
        if !is_length {
            return false;
        }
        count += 1;
    }
    (1..=most).contains(&count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_overlap_their_parts() {
        for (a, b) in [
            ("color", "color"),
            ("background", "background-color"),
            ("margin-top", "margin"),
            ("border", "border-top-color"),
            ("border-top", "border-color"),
            ("border-left-width", "border-width"),
            ("font", "line-height"),
            ("border-radius", "border-top-left-radius"),
            ("all", "color"),
        ] {
            assert!(overlap(a, b) && overlap(b, a), "{a} {b}");
            assert!(group(a) == group(b) || a == "all", "{a} {b}");
        }
        for (a, b) in [
            ("color", "background-color"),
            ("border-top", "border-left"),
            ("border-top-color", "border-width"),
            ("border", "border-radius"),
            ("border", "border-collapse"),
            ("margin-top", "margin-left"),
            ("width", "max-width"),
            ("--a", "--b"),
            ("text-align", "text-decoration"),
        ] {
            assert!(!overlap(a, b) && !overlap(b, a), "{a} {b}");
        }
    }

    #[test]
    fn only_what_all_clients_know_is_universal() {
        for (property, value) in [
            ("color", "#FFF"),
            ("color", "Red"),
            ("margin", "0 auto 10px"),
            ("width", "100%"),
            ("padding", "0 12px 1em 3.5pt"),
            ("display", "block"),
        ] {
            assert!(is_universal(property, value), "{property}:{value}");
        }
        for (property, value) in [
            ("color", "rgba(0,0,0,.5)"),
            ("color", "#ff"),
            ("width", "calc(1px + 2px)"),
            ("font-size", "3.2rem"),
            ("width", "1px 2px"),
            ("display", "flex"),
            ("background", "#b00"),
            ("border", "1px dashed solid"),
            ("width", "5"),
            ("padding", "-1px"),
            ("padding", "auto"),
        ] {
            assert!(!is_universal(property, value), "{property}:{value}");
        }
    }
}
