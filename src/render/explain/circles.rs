//! Templates that include or extend each other in a circle.

use super::Sources;
use crate::finding::Finding;
use crate::render::tags::{Tag, literal};

impl Sources {
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
