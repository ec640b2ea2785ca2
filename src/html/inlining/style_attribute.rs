//! The new `style` attributes of the elements.

use std::collections::HashSet;

use super::cascade::{
    Applied, ElementCascade, Origin, Properties, Resolution, Role, SheetDeclaration,
    inline_importance, resolve,
};
use super::property::is_universal;
use super::sheets::Sheets;
use crate::html::css::{Declaration, Elements, parse_declarations};

/// The elements whose content is no part of the page.
const NOT_SHOWN: [&str; 8] = [
    "head", "title", "meta", "link", "base", "style", "script", "template",
];

/// The most pairs of declarations that are compared. A page with more is not inlined, because it would take
/// seconds.
const MAX_PAIRS: usize = 20_000_000;

/// The cascades of a page's elements.
pub(super) struct Cascades<'a> {
    sources: Vec<&'a Declaration>,
    declarations: Vec<SheetDeclaration>,
    properties: Properties,
    elements: Vec<StyledElement>,
}

struct StyledElement {
    /// Its number among all elements.
    number: usize,
    /// Its `style` attribute.
    text: String,
    attribute: Vec<Declaration>,
    cascade: ElementCascade,
}

impl<'a> Cascades<'a> {
    /// `None` if the page has too many declarations.
    pub(super) fn of(sheets: &'a Sheets, elements: &Elements<'_>) -> Option<Self> {
        let mut properties = Properties::default();
        let (mut sources, mut declarations) = (Vec::new(), Vec::new());
        let mut cascades: Vec<Vec<Applied>> = vec![Vec::new(); elements.elements.len()];
        for (_, part, rule) in sheets.parts() {
            for declaration in &rule.declarations {
                sources.push(declaration);
                declarations.push(SheetDeclaration {
                    property: properties.number(&declaration.property),
                    important: declaration.important,
                    role: part.role,
                });
            }
            let numbers = part.first..part.first + rule.declarations.len();
            for (element, specificity) in &part.matches {
                cascades[*element].extend(numbers.clone().map(|number| Applied {
                    origin: Origin::Sheet(number),
                    property: declarations[number].property,
                    important: declarations[number].important,
                    precedence: (*specificity, number),
                    is_shadowed: false,
                }));
            }
        }
        let mut styled = Vec::new();
        let mut declaration_pairs = 0;
        for (number, mut cascade) in cascades.into_iter().enumerate() {
            let element = elements.elements[number].value();
            if cascade.is_empty() || NOT_SHOWN.contains(&element.name()) {
                continue;
            }
            let text = element.attr("style").unwrap_or_default().to_owned();
            let attribute = parse_declarations(&text);
            cascade.extend(attribute.iter().enumerate().map(|(index, it)| Applied {
                origin: Origin::Attribute(index),
                property: properties.number(&it.property),
                important: it.important,
                precedence: (u32::MAX, index),
                is_shadowed: false,
            }));
            declaration_pairs += cascade.len().pow(2);
            if declaration_pairs > MAX_PAIRS {
                return None;
            }
            styled.push(StyledElement {
                number,
                text,
                attribute,
                cascade: ElementCascade::new(cascade, &properties),
            });
        }
        let mut cascades = Self {
            sources,
            declarations,
            properties,
            elements: styled,
        };
        cascades.mark_shadowed();
        Some(cascades)
    }

    /// Marks the declarations that a later one of the same property makes useless in every client.
    fn mark_shadowed(&mut self) {
        for element in &mut self.elements {
            let mut universal = HashSet::new();
            for applied in element.cascade.applied.iter_mut().rev() {
                let declaration = match applied.origin {
                    Origin::Sheet(number) if self.declarations[number].role == Role::Kept => {
                        continue;
                    }
                    Origin::Sheet(number) => {
                        applied.is_shadowed = universal.contains(&applied.property);
                        self.sources[number]
                    }
                    Origin::Attribute(index) => &element.attribute[index],
                };
                if is_universal(&declaration.property, &declaration.value) {
                    universal.insert(applied.property);
                }
            }
        }
    }

    pub(super) fn resolve(&self) -> Resolution {
        let cascades: Vec<_> = (self.elements.iter())
            .map(|element| &element.cascade)
            .collect();
        resolve(&self.declarations, &self.properties, &cascades)
    }

    /// The `style` attributes that change, with their elements' numbers.
    pub(super) fn style_attributes(&self, resolution: &Resolution) -> Vec<(usize, String)> {
        let styles = self.elements.iter().filter_map(|element| {
            let importance = inline_importance(
                &self.declarations,
                &self.properties,
                resolution,
                &element.cascade,
            );
            let style = self.style(element, &importance, resolution);
            (style != element.text).then_some((element.number, style))
        });
        styles.collect()
    }

    fn style(
        &self,
        element: &StyledElement,
        importance: &[Option<bool>],
        resolution: &Resolution,
    ) -> String {
        // The attribute stays as it is written, unless important declarations come between its own.
        let mut applied = element.cascade.applied.iter().zip(importance);
        let is_split = element.attribute.iter().any(|it| it.important)
            && applied.any(|(it, inline)| {
                inline.is_some() && it.important && matches!(it.origin, Origin::Sheet(_))
            });
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut attribute = AttributeText::new(&element.text);
        let mut has_attribute = false;
        for (applied, important) in element.cascade.applied.iter().zip(importance) {
            let Some(important) = *important else {
                continue;
            };
            let declaration = match applied.origin {
                Origin::Sheet(number) => self.sources[number],
                Origin::Attribute(index) if is_split => &element.attribute[index],
                Origin::Attribute(index) => {
                    has_attribute = true;
                    let declaration = &element.attribute[index];
                    if important && !declaration.important {
                        attribute.make_important(declaration);
                    }
                    continue;
                }
            };
            let is_inlined = matches!(applied.origin, Origin::Attribute(_))
                || !resolution.is_excluded(&declaration.property);
            if is_inlined {
                let list = if has_attribute {
                    &mut after
                } else {
                    &mut before
                };
                list.push(declaration_text(declaration, important));
            }
        }
        if before.is_empty() && after.is_empty() && attribute.ends.is_empty() {
            return element.text.clone();
        }
        let middle = match is_split {
            true => String::new(),
            false => attribute.finish(),
        };
        let parts = [before.join("; "), middle, after.join("; ")];
        let parts = parts.iter().map(|part| part.trim().trim_end_matches(';'));
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("; ") + ";"
    }
}

/// The text of a `style` attribute, in which declarations become important.
struct AttributeText<'a> {
    text: &'a str,
    /// Where declarations end that become important.
    ends: Vec<usize>,
}

impl<'a> AttributeText<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            ends: Vec::new(),
        }
    }

    fn make_important(&mut self, declaration: &Declaration) {
        self.ends.push(declaration.end);
    }

    fn finish(mut self) -> String {
        self.ends.sort_unstable();
        let mut text = String::with_capacity(self.text.len());
        let mut start = 0;
        for end in self.ends {
            text.push_str(&self.text[start..end]);
            text.push_str(" !important");
            start = end;
        }
        text.push_str(&self.text[start..]);
        text
    }
}

fn declaration_text(declaration: &Declaration, important: bool) -> String {
    let Declaration {
        property, value, ..
    } = declaration;
    // Some clients fail on `&quot;` in attributes.
    let value = match value.contains(['\'', '\\']) {
        true => value.clone(),
        false => value.replace('"', "'"),
    };
    let value = match value.contains(['\n', '\r', '\t']) && !value.contains(['\'', '"']) {
        true => value.split_whitespace().collect::<Vec<_>>().join(" "),
        false => value,
    };
    let important = if important { " !important" } else { "" };
    format!("{property}: {value}{important}")
}
