//! The features that `check` looks for: `features.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::html::marks::before_marks;
use crate::html::{Background, Component, Element, Page, Style};

/// A feature that mail clients may lack. `features.toml` explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Feature {
    /// Its name at caniemail.com.
    pub(in super::super) slug: String,
    /// Its name in a sentence.
    pub(in super::super) name: String,
    /// What to do instead.
    pub(in super::super) instead: String,
    /// Whether a message works without it, though less well.
    #[serde(default)]
    pub(in super::super) minor: bool,
    pub(super) part_of: Option<String>,
    #[serde(default)]
    property: Vec<String>,
    #[serde(default)]
    value: Vec<String>,
    #[serde(default)]
    function: Vec<String>,
    #[serde(default)]
    unit: Vec<String>,
    #[serde(default)]
    import: bool,
    #[serde(default)]
    pseudo: Vec<String>,
    element: Option<String>,
    attribute: Option<String>,
    but: Option<String>,
    unless: Option<Unless>,
}

/// What makes up for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unless {
    /// A plain background colour.
    Background,
    /// An image or a link inside the element.
    Content,
}

#[derive(Deserialize)]
struct File {
    feature: Vec<Feature>,
}

pub(in super::super) static FEATURES: LazyLock<Vec<Feature>> = LazyLock::new(|| {
    let file: Result<File, _> = toml::from_str(include_str!("features.toml"));
    file.expect("a test reads the built-in list").feature
});

impl Feature {
    /// Whether it is a feature of CSS rather than HTML.
    pub(in super::super) fn is_css(&self) -> bool {
        self.element.is_none() && self.attribute.is_none()
    }

    pub(super) fn is_in_declaration(
        &self,
        property: &str,
        components: &[Component<'_>],
        has_background: bool,
    ) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|it| it == name);
        let is_of_values = !(self.function.is_empty() && self.unit.is_empty());
        let in_any_property = self.property.is_empty() && is_of_values;
        let is_replaced = has_background && self.unless == Some(Unless::Background);
        if is_replaced || !(in_any_property || has(&self.property, property)) {
            return false;
        }
        let with_any_value = self.value.is_empty() && !is_of_values;
        with_any_value
            || components.iter().any(|component| match component {
                Component::Word(word) => has(&self.value, word),
                Component::Function(name, _) => has(&self.function, name),
                Component::Unit(unit) => has(&self.unit, unit),
                _ => false,
            })
    }

    /// `import` is the text after `@import`.
    pub(super) fn is_in_import(&self, import: &str) -> bool {
        self.import && !self.is_exempt(import)
    }

    pub(super) fn is_in_selector(&self, selector: &str) -> bool {
        let selector = selector.to_ascii_lowercase();
        self.pseudo.iter().any(|name| {
            selector.match_indices(name.as_str()).any(|(at, _)| {
                let is_part = |c: char| c.is_alphanumeric() || c == '-';
                selector[..at].ends_with(':') && !selector[at + name.len()..].starts_with(is_part)
            })
        })
    }

    /// Whether an element uses this HTML feature.
    pub(super) fn is_used_by(&self, page: &Page, index: usize, element: &Element) -> bool {
        if self.is_css() || self.element.as_ref().is_some_and(|it| *it != element.name) {
            return false;
        }
        if let Some(attribute) = &self.attribute {
            let Some(value) = element.get(attribute) else {
                return false;
            };
            let value = value.trim().to_ascii_lowercase();
            let fixed = before_marks(&value);
            let matches = |prefix: &String| fixed.starts_with(prefix.as_str()) && value != "#";
            if !(self.value.is_empty() || self.value.iter().any(matches)) {
                return false;
            }
        }
        let is_replaced = self.unless == Some(Unless::Content) && has_content(page, index);
        let mut values = element.attributes.iter().map(|(_, value)| value);
        !is_replaced && !values.any(|value| self.is_exempt(value))
    }

    fn is_exempt(&self, text: &str) -> bool {
        let but = self.but.as_ref();
        but.is_some_and(|but| text.to_ascii_lowercase().contains(but.as_str()))
    }
}

fn has_content(page: &Page, index: usize) -> bool {
    let mut elements = page.inside(index).filter_map(|at| page.element(at));
    elements.any(|element| element.name == "img" || element.name == "a")
}

pub(super) fn has_plain_background(element: Option<&Element>, style: &Style) -> bool {
    let mut backgrounds = style
        .declarations()
        .filter(|it| it.property.starts_with("background"));
    element.is_some_and(|it| it.has("bgcolor"))
        || backgrounds.any(|it| Background::from_css(&it.value).colour.is_some())
}
