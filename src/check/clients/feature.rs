//! What is looked for: `features.toml`.

use std::sync::LazyLock;

use crate::html::marks::before_marks;
use crate::html::{Background, Component, Element, NodeKind, Page, Style};
use serde::Deserialize;

/// A feature that a mail client may lack. `features.toml` says what the fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Feature {
    /// Its name at caniemail.
    pub(in super::super) slug: String,
    /// Its name in a sentence.
    pub(in super::super) name: String,
    /// What to do instead.
    pub(in super::super) instead: String,
    /// Whether a message can do without it, if not well.
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
    /// A plain colour behind it.
    Background,
    /// An image or a link inside it.
    Content,
}

#[derive(Deserialize)]
struct File {
    feature: Vec<Feature>,
}

/// All of them.
pub(in super::super) static FEATURES: LazyLock<Vec<Feature>> = LazyLock::new(|| {
    let file: Result<File, _> = toml::from_str(include_str!("features.toml"));
    file.expect("the list that is built in is right: a test reads it")
        .feature
});

impl Feature {
    /// Whether it is CSS; else it is HTML.
    pub(in super::super) fn is_css(&self) -> bool {
        self.element.is_none() && self.attribute.is_none()
    }

    /// Whether a declaration uses it; `coloured` if there is a plain background as well.
    pub(super) fn is_in(&self, property: &str, pieces: &[Component<'_>], coloured: bool) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|it| it == name);
        let anywhere = self.property.is_empty() && self.is_of_values();
        let made_up_for = coloured && self.unless == Some(Unless::Background);
        if made_up_for || !(anywhere || has(&self.property, property)) {
            return false;
        }
        let whatever = self.value.is_empty() && !self.is_of_values();
        whatever
            || pieces.iter().any(|it| match it {
                Component::Word(word) => has(&self.value, word),
                Component::Function(name, _) => has(&self.function, name),
                Component::Unit(unit) => has(&self.unit, unit),
                _ => false,
            })
    }

    fn is_of_values(&self) -> bool {
        !(self.function.is_empty() && self.unit.is_empty())
    }

    /// Whether an `@import` uses it.
    pub(super) fn is_import(&self, what: &str) -> bool {
        self.import && !self.is_other(what)
    }

    /// Whether a selector uses it.
    pub(super) fn is_in_selector(&self, selector: &str) -> bool {
        let selector = selector.to_ascii_lowercase();
        self.pseudo.iter().any(|name| {
            let all = selector.match_indices(name.as_str());
            let mut pseudo = all.filter(|(at, _)| selector[..*at].ends_with(':'));
            pseudo.any(|(at, _)| {
                !selector[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '-')
            })
        })
    }

    /// Whether an element uses it.
    pub(super) fn is_at(&self, page: &Page, index: usize, element: &Element) -> bool {
        if self.is_css() || self.element.as_ref().is_some_and(|it| *it != element.name) {
            return false;
        }
        if let Some(attribute) = &self.attribute {
            let Some(value) = element.get(attribute) else {
                return false;
            };
            let value = value.trim().to_ascii_lowercase();
            let fixed = before_marks(&value);
            let begins = |begin: &String| fixed.starts_with(begin.as_str()) && value != "#";
            if !(self.value.is_empty() || self.value.iter().any(begins)) {
                return false;
            }
        }
        let mut values = element.attributes.iter().map(|(_, value)| value);
        let made_up_for = self.unless == Some(Unless::Content) && has_content(page, index);
        !made_up_for && !values.any(|value| self.is_other(value))
    }

    fn is_other(&self, text: &str) -> bool {
        let but = self.but.as_ref();
        but.is_some_and(|but| text.to_ascii_lowercase().contains(but.as_str()))
    }
}

fn has_content(page: &Page, index: usize) -> bool {
    let inside = page.inside(index);
    let mut elements = inside.filter_map(|at| match &page.nodes[at].kind {
        NodeKind::Element(element) => Some(element.name.as_str()),
        _ => None,
    });
    elements.any(|name| name == "img" || name == "a")
}

/// Whether an element has a plain colour behind it.
pub(super) fn is_coloured(element: Option<&Element>, style: &Style) -> bool {
    let mut declared = style
        .declarations()
        .filter(|it| it.property.starts_with("background"));
    element.is_some_and(|it| it.has("bgcolor"))
        || declared.any(|it| Background::from_css(&it.value).colour.is_some())
}
