//! The sheets of a page: which rules are inlined, and what stays in each `<style>`.

use ego_tree::NodeId;
use scraper::Html;

use super::cascade::{Resolution, Role};
use super::outlook::outlook_elements;
use crate::html::css::{Declaration, Elements, SourceRule, parse_stylesheet};

/// All sheets of a page, in its order.
pub(super) struct Sheets {
    sheets: Vec<Sheet>,
}

struct Sheet {
    /// Its number among all `<style>` of the page.
    number: usize,
    node: NodeId,
    text: String,
    rules: Vec<Rule>,
}

struct Rule {
    source: SourceRule,
    parts: Vec<Part>,
}

/// Selectors of a rule that are treated alike, with all its declarations.
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) selectors: Vec<String>,
    /// The number of its first declaration among those of all parts.
    pub(super) first: usize,
    /// The elements that the selectors match, each with the highest specificity.
    pub(super) matches: Vec<(usize, u32)>,
}

impl Sheets {
    pub(super) fn of(document: &Html, elements: &Elements<'_>) -> Self {
        let outlook = outlook_elements(document);
        let outlook = Elements::of(&outlook);
        let mut first = 0;
        let mut sheets = Vec::new();
        let styles = elements.elements.iter();
        let styles = styles.filter(|element| element.value().name() == "style");
        for (number, style) in styles.enumerate() {
            let element = style.value();
            let is_css = |kind: &str| ["", "text/css"].contains(&kind.trim());
            if !element.attr("type").is_none_or(is_css) {
                continue;
            }
            let is_conditional = element.attr("media").is_some_and(|media| {
                let media = media.trim();
                !["", "all", "screen"].contains(&media)
            });
            let text: String = style.text().collect();
            let mut rules = Vec::new();
            for mut source in parse_stylesheet(&text).rules {
                let declarations = &mut source.declarations;
                declarations.retain(|it| !it.value.is_empty() || it.property.starts_with("--"));
                let mut parts = parts_of(&source, is_conditional, elements, &outlook);
                for part in &mut parts {
                    part.first = first;
                    first += source.declarations.len();
                }
                rules.push(Rule { source, parts });
            }
            sheets.push(Sheet {
                number,
                node: style.id(),
                text,
                rules,
            });
        }
        Self { sheets }
    }

    /// The parts of all rules in their order, each with the number of its `<style>` and its rule.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, &Part, &SourceRule)> {
        self.sheets.iter().flat_map(|sheet| {
            sheet.rules.iter().flat_map(|rule| {
                let parts = rule.parts.iter();
                parts.map(|part| (sheet.number, part, &rule.source))
            })
        })
    }

    /// The new texts of the `<style>` elements; `None` for one that is not needed any more.
    pub(super) fn rewritten(&self, resolution: &Resolution) -> Vec<(NodeId, Option<String>)> {
        let sheets = self.sheets.iter();
        sheets
            .map(|sheet| (sheet.node, sheet.rewritten(resolution)))
            .collect()
    }
}

impl Sheet {
    fn rewritten(&self, resolution: &Resolution) -> Option<String> {
        let mut text = String::with_capacity(self.text.len());
        let mut end = 0;
        for rule in &self.rules {
            let whole = &rule.source.whole;
            let rewritten = rule.rewritten(&self.text, resolution);
            text.push_str(&self.text[end..whole.start]);
            if rewritten.is_empty() {
                text.truncate(text.trim_end().len());
            }
            text.push_str(&rewritten);
            end = whole.end;
        }
        text.push_str(&self.text[end..]);
        let is_needed = text.contains('@') || !parse_stylesheet(&text).rules.is_empty();
        is_needed.then_some(text)
    }
}

impl Rule {
    /// The rest of the rule.
    fn rewritten(&self, sheet: &str, resolution: &Resolution) -> String {
        let stays = |part: &&Part| part.role != Role::Inlined;
        if let [part] = self.parts.as_slice()
            && stays(&part)
        {
            // As it is written.
            let start = &sheet[self.source.whole.start..self.source.block.start];
            return format!("{start}{}}}", self.block(part, sheet, resolution));
        }
        let mut text = String::new();
        for part in &self.parts {
            let block = match part.role {
                Role::Kept | Role::Copied => self.block(part, sheet, resolution),
                Role::Inlined => self.remaining(part, resolution),
            };
            if !block.is_empty() {
                let selectors = part.selectors.join(", ");
                text.push_str(&format!("{selectors} {{{block}}}"));
            }
        }
        text
    }

    /// All declarations as they are written, those important that must be.
    fn block(&self, part: &Part, sheet: &str, resolution: &Resolution) -> String {
        let block = &self.source.block;
        let mut text = String::new();
        let mut end = block.start;
        for (index, declaration) in self.source.declarations.iter().enumerate() {
            let number = part.first + index;
            let becomes_important =
                resolution.is_important_in_sheet(number) || resolution.repeated.contains(&number);
            if becomes_important && !declaration.important {
                text.push_str(&sheet[end..declaration.end]);
                text.push_str(" !important");
                end = declaration.end;
            }
        }
        text.push_str(&sheet[end..block.end]);
        text
    }

    /// The declarations of an inlined part that must stay in the sheet.
    fn remaining(&self, part: &Part, resolution: &Resolution) -> String {
        let mut remaining = Vec::new();
        for (index, declaration) in self.source.declarations.iter().enumerate() {
            let is_repeated = resolution.repeated.contains(&(part.first + index));
            if is_repeated || resolution.is_excluded(&declaration.property) {
                let important = match is_repeated || declaration.important {
                    true => " !important",
                    false => "",
                };
                let Declaration {
                    property, value, ..
                } = declaration;
                remaining.push(format!("{property}: {value}{important}"));
            }
        }
        remaining.join("; ")
    }
}

/// Splits a rule by what becomes of its selectors.
fn parts_of(
    source: &SourceRule,
    is_conditional: bool,
    elements: &Elements<'_>,
    outlook: &Elements<'_>,
) -> Vec<Part> {
    let selectors = &source.selectors;
    // Browsers skip the whole rule if they don't know a part of it.
    let stays_whole = is_conditional
        || source.is_conditional
        || source.has_nested
        || selectors.iter().any(|selector| !selector.is_known);
    let mut parts: Vec<Part> = Vec::new();
    for selector in selectors {
        let mut matches = match selector.is_pseudo_element {
            true => Vec::new(),
            false => elements.matching(selector),
        };
        let is_inlined = !stays_whole && !selector.has_state && !matches.is_empty();
        let role = match is_inlined {
            false => Role::Kept,
            true if outlook.matching_subject(selector).is_empty() => Role::Inlined,
            true => Role::Copied,
        };
        if matches.is_empty() && !selector.is_pseudo_element {
            matches = elements.matching_subject(selector);
        }
        let index = parts.iter().position(|part| part.role == role);
        let index = index.unwrap_or_else(|| {
            parts.push(Part {
                role,
                selectors: Vec::new(),
                first: 0,
                matches: Vec::new(),
            });
            parts.len() - 1
        });
        let part = &mut parts[index];
        part.add(selector.text.clone(), selector.specificity, &matches);
    }
    parts
}

impl Part {
    fn add(&mut self, selector: String, specificity: u32, elements: &[usize]) {
        self.selectors.push(selector);
        for element in elements {
            match self.matches.iter_mut().find(|(it, _)| it == element) {
                Some((_, highest)) => *highest = specificity.max(*highest),
                None => self.matches.push((*element, specificity)),
            }
        }
    }
}
