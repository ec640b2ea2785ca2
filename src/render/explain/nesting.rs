//! Templates that include or extend each other too deep, or in a circle.

use std::collections::BTreeSet;

use super::Sources;
use crate::finding::Finding;
use crate::render::tags::{Tag, literal};

/// How deep templates may include and extend others: Tera recurses into each.
const MAX_DEPTH: usize = 20;

impl Sources {
    /// A finding for a tag that nests templates too deep. Tera finds circles.
    pub(in crate::render) fn too_deep(&self) -> Option<Finding> {
        let mut known = BTreeSet::new();
        let mut names = self.templates.keys();
        names.find_map(|name| self.too_deep_below(&mut vec![name], &mut known))
    }

    /// `chain` are the names of templates, each named by the one before it. `known` are those that are not too deep where
    /// they stand in a chain.
    fn too_deep_below<'s>(
        &'s self,
        chain: &mut Vec<&'s str>,
        known: &mut BTreeSet<(&'s str, usize)>,
    ) -> Option<Finding> {
        let name = *chain.last()?;
        let template = self.templates.get(name)?;
        if !known.insert((name, chain.len())) {
            return None;
        }
        for tag in &template.tags {
            let words = tag.words(&template.text);
            if !matches!(words.first(), Some(&("include" | "extends"))) {
                continue;
            }
            for named in words.iter().filter_map(|word| literal(word)) {
                if chain.contains(&named) {
                    continue;
                }
                if chain.len() > MAX_DEPTH {
                    let message = format!(
                        "the templates include or extend others more than {MAX_DEPTH} deep"
                    );
                    let finding = self.at("template-error", name, tag.span.clone(), &message);
                    return Some(finding.help("put the parts into fewer files"));
                }
                chain.push(named);
                let found = self.too_deep_below(chain, known);
                chain.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// A finding at the tag that closes a circle. `word` begins the tag. `chain` are the names of the templates, the last
    /// of which was there before.
    pub(super) fn circle(&self, word: &str, chain: &[String]) -> Finding {
        let (template, named) = match chain {
            [.., template, named] => (template.as_str(), named.as_str()),
            _ => ("", ""),
        };
        let tag = self.templates.get(template).and_then(|source| {
            let names = |tag: &&Tag| {
                let words = tag.words(&source.text);
                words.first() == Some(&word) && words.iter().any(|it| literal(it) == Some(named))
            };
            source.tags.iter().find(names)
        });
        let span = tag.map_or(0..0, |tag| tag.span.clone());
        let message = format!(
            "the templates name each other in a circle: {}",
            chain.join(" → ")
        );
        let finding = self.at("template-error", template, span, &message);
        finding.help(format!("remove this {{% {word} %}}"))
    }
}
