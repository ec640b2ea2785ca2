//! Which declarations must become important, or lose it, so that the cascade (CSS Cascade 4) ends as it did
//! before rules moved into `style` attributes.
//!
//! A declaration in a `style` attribute beats all rules of a sheet that are not important. So a rule that
//! stays in the sheet and won before must become important, and a declaration that won against a rule that
//! is important now must become important too.

use std::collections::{HashMap, HashSet};

use super::property::{group, overlap};

/// A declaration of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SheetDeclaration {
    /// Its property's number.
    pub(super) property: usize,
    pub(super) important: bool,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It stays in the sheet, because it applies in some states or clients only.
    Kept,
    /// It moves into `style` attributes.
    Inlined,
    /// It is copied into `style` attributes and stays for elements that only Outlook reads.
    Copied,
}

/// Where a declaration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// The number of a declaration of a sheet.
    Sheet(usize),
    /// The number of a declaration of the element's `style` attribute.
    Attribute(usize),
}

/// A declaration that applies to an element, at least in some states.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    pub(super) origin: Origin,
    pub(super) property: usize,
    pub(super) important: bool,
    /// The specificity of its selector, and its place among all declarations.
    pub(super) precedence: (u32, usize),
    /// A later declaration of the same property makes it useless in the `style` attribute.
    pub(super) is_shadowed: bool,
}

/// The declarations that apply to an element.
#[derive(Debug)]
pub(super) struct ElementCascade {
    /// The winning ones last.
    pub(super) applied: Vec<Applied>,
    /// The pairs of declarations that can override each other, the winner second.
    pairs: Vec<(usize, usize)>,
}

impl ElementCascade {
    pub(super) fn new(mut applied: Vec<Applied>, properties: &Properties) -> Self {
        applied.sort_by_key(|it| (it.important, it.precedence));
        let mut pairs = Vec::new();
        for (high, winner) in applied.iter().enumerate() {
            for (low, other) in applied[..high].iter().enumerate() {
                if properties.overlap(other.property, winner.property) {
                    pairs.push((low, high));
                }
            }
        }
        Self { applied, pairs }
    }
}

/// The properties of a document's CSS.
#[derive(Default)]
pub(super) struct Properties {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Properties {
    /// The number of a property.
    pub(super) fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    fn group(&self, number: usize) -> &str {
        group(&self.names[number])
    }

    fn overlap(&self, a: usize, b: usize) -> bool {
        a == b || overlap(&self.names[a], &self.names[b])
    }
}

/// How the cascade is kept.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    /// For each declaration of a sheet that stays there, whether it is important.
    important: Vec<bool>,
    /// The declarations that are in the `style` attributes and, as important ones, in the sheet.
    pub(super) repeated: HashSet<usize>,
    /// The groups of properties that can't be inlined: nothing about them changes.
    excluded: HashSet<String>,
}

impl Resolution {
    pub(super) fn is_important_in_sheet(&self, declaration: usize) -> bool {
        self.important[declaration]
    }

    pub(super) fn is_excluded(&self, property: &str) -> bool {
        self.excluded.contains(group(property))
    }
}

/// Resolves the cascade of all elements.
pub(super) fn resolve(
    declarations: &[SheetDeclaration],
    properties: &Properties,
    elements: &[&ElementCascade],
) -> Resolution {
    let mut resolver = Resolver {
        declarations,
        properties,
        resolution: Resolution::default(),
    };
    loop {
        resolver.restart();
        let mut conflicts = HashSet::new();
        let mut changed = true;
        while changed {
            changed = false;
            for element in elements {
                changed |= resolver.adjust(element, &mut conflicts);
            }
        }
        for element in elements {
            resolver.verify(element, &mut conflicts);
        }
        if conflicts.is_empty() {
            return resolver.resolution;
        }
        resolver.resolution.excluded.extend(conflicts);
    }
}

/// For each declaration in the element's `style` attribute, whether it is important there. The others
/// are `None`.
pub(super) fn inline_importance(
    declarations: &[SheetDeclaration],
    properties: &Properties,
    resolution: &Resolution,
    element: &ElementCascade,
) -> Vec<Option<bool>> {
    let view = View {
        declarations,
        properties,
        resolution,
        element,
    };
    let importance = view.inline_importance().into_iter();
    importance.map(|it| it.map(|it| it.important)).collect()
}

struct Resolver<'a> {
    declarations: &'a [SheetDeclaration],
    properties: &'a Properties,
    resolution: Resolution,
}

impl Resolver<'_> {
    fn restart(&mut self) {
        let important = self.declarations.iter().map(|it| it.important);
        self.resolution.important = important.collect();
        self.resolution.repeated.clear();
    }

    fn view<'b>(&'b self, element: &'b ElementCascade) -> View<'b> {
        View {
            declarations: self.declarations,
            properties: self.properties,
            resolution: &self.resolution,
            element,
        }
    }

    /// Adjusts the sheet to an element. Returns whether anything changed.
    fn adjust(&mut self, element: &ElementCascade, conflicts: &mut HashSet<String>) -> bool {
        let mut changed = false;
        for (low, high) in &element.pairs {
            let view = self.view(element);
            let (low, high) = (*low, *high);
            if !view.is_active(low) || !view.is_active(high) {
                continue;
            }
            let Some(kept) = view.kept(high) else {
                continue;
            };
            let beats_inline = view.is_inline(low);
            let beats_important = view.sheet_importance(low) == Some(true);
            if (beats_inline || beats_important) && !self.resolution.important[kept] {
                self.resolution.important[kept] = true;
                changed = true;
            }
        }
        let view = self.view(element);
        let mut repeated = Vec::new();
        for (applied, importance) in element.applied.iter().zip(view.inline_importance()) {
            match (importance, applied.origin) {
                (Some(it), _) if !it.is_in_conflict => {}
                (Some(_), Origin::Sheet(number)) => repeated.push(number),
                (Some(_), Origin::Attribute(_)) => {
                    let group = self.properties.group(applied.property);
                    conflicts.insert(group.to_owned());
                }
                (None, _) => {}
            }
        }
        for number in repeated {
            changed |= self.resolution.repeated.insert(number);
        }
        changed
    }

    /// Adds the groups of properties whose cascade would end differently.
    fn verify(&self, element: &ElementCascade, conflicts: &mut HashSet<String>) {
        let view = self.view(element);
        let importance = view.inline_importance();
        for (low, high) in view.pairs() {
            let strength = |index: usize| view.strength(index, importance[index].as_ref());
            let (weaker, stronger) = (strength(low), strength(high));
            let both_inline = |a: Strength, b: Strength| a.level % 2 == 1 && a.level == b.level;
            if weaker >= stronger && !both_inline(weaker, stronger) {
                for index in [low, high] {
                    let group = self.properties.group(element.applied[index].property);
                    conflicts.insert(group.to_owned());
                }
            }
        }
    }
}

/// How a declaration is placed in the `style` attribute.
#[derive(Debug, Clone, Copy)]
struct InlineImportance {
    important: bool,
    /// It would have to be important and must not be.
    is_in_conflict: bool,
}

/// The rank of a declaration in the cascade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Strength {
    /// 0 in a sheet, 1 in a `style` attribute, 2 important in a sheet, 3 important in a `style` attribute.
    level: u8,
    precedence: (u32, usize),
}

/// An element's cascade in the present state of the resolution.
struct View<'a> {
    declarations: &'a [SheetDeclaration],
    properties: &'a Properties,
    resolution: &'a Resolution,
    element: &'a ElementCascade,
}

impl View<'_> {
    fn pairs(&self) -> Vec<(usize, usize)> {
        let pairs = self.element.pairs.iter().copied();
        pairs
            .filter(|(low, high)| self.is_active(*low) && self.is_active(*high))
            .collect()
    }

    /// Whether a declaration is anywhere after inlining, and about a property that is inlined.
    fn is_active(&self, index: usize) -> bool {
        let applied = &self.element.applied[index];
        let is_there = self.is_inline(index) || self.sheet_importance(index).is_some();
        let name = &self.properties.names[applied.property];
        is_there && !self.resolution.is_excluded(name)
    }

    /// The number of a declaration that stays in the sheet alone.
    fn kept(&self, index: usize) -> Option<usize> {
        match self.element.applied[index].origin {
            Origin::Sheet(number) => {
                (self.declarations[number].role == Role::Kept).then_some(number)
            }
            Origin::Attribute(_) => None,
        }
    }

    fn is_inline(&self, index: usize) -> bool {
        self.kept(index).is_none() && !self.element.applied[index].is_shadowed
    }

    /// Whether a declaration is important in the sheet; `None` if it is not there.
    fn sheet_importance(&self, index: usize) -> Option<bool> {
        let Origin::Sheet(number) = self.element.applied[index].origin else {
            return None;
        };
        match self.declarations[number].role {
            Role::Kept => Some(self.resolution.important[number]),
            _ if self.resolution.repeated.contains(&number) => Some(true),
            Role::Copied => Some(self.declarations[number].important),
            Role::Inlined => None,
        }
    }

    fn inline_importance(&self) -> Vec<Option<InlineImportance>> {
        let count = self.element.applied.len();
        // What it must beat that is important in the sheet, and what must beat it.
        let (mut must, mut must_not) = (vec![false; count], vec![false; count]);
        let pairs = self.pairs();
        for (low, high) in &pairs {
            must[*high] |= self.sheet_importance(*low) == Some(true);
            must_not[*low] |= self.kept(*high).is_some();
        }
        for (low, high) in &pairs {
            if self.is_inline(*low) && self.is_inline(*high) {
                must[*high] |= must[*low];
            }
        }
        let mut important: Vec<bool> = (0..count)
            .map(|index| (self.element.applied[index].important || must[index]) && !must_not[index])
            .collect();
        // One that is beaten in the attribute by another can't be important if that is not.
        for (low, high) in pairs.iter().rev() {
            if self.is_inline(*low) && self.is_inline(*high) {
                important[*low] &= important[*high];
            }
        }
        (0..count)
            .map(|index| {
                let is_repeated = matches!(self.element.applied[index].origin,
                    Origin::Sheet(number) if self.resolution.repeated.contains(&number));
                self.is_inline(index).then_some(InlineImportance {
                    important: important[index],
                    is_in_conflict: must[index] && !important[index] && !is_repeated,
                })
            })
            .collect()
    }

    fn strength(&self, index: usize, inline: Option<&InlineImportance>) -> Strength {
        let in_sheet = self.sheet_importance(index).map(|it| 2 * u8::from(it));
        let inline = inline.map(|it| 1 + 2 * u8::from(it.important));
        let level = in_sheet.max(inline).unwrap_or(0);
        Strength {
            level,
            precedence: match level % 2 {
                0 => self.element.applied[index].precedence,
                _ => (0, index),
            },
        }
    }
}
