//! Makes the bodies of messages: once for all rows whose HTML is built alike.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ahash::RandomState;

use super::HtmlError;
use super::body_template::{Bodies, BodyTemplate, Processing, holds_for, influence_of};
use super::value_spans::RenderedHtml;
use crate::html::css_influence::CssInfluence;
use crate::html::marks::has_reserved;

/// The memory that the cache may take, in bytes. Beyond it, new kinds of HTML are processed row by row.
const MAX_SIZE: usize = 16 << 20;

/// The bodies of a row's message.
#[derive(Clone)]
pub(super) struct RowBodies {
    pub(super) bodies: Bodies,
    /// The template that they were made from, and the values in it.
    pub(super) template: Option<(Arc<BodyTemplate>, Arc<RenderedHtml>)>,
}

pub(super) struct BodyCache {
    processing: Processing,
    hasher: RandomState,
    /// By the hash of their fixed text.
    variants: RwLock<HashMap<u64, Vec<Arc<Variant>>>>,
    /// The memory that is taken, in bytes.
    size: AtomicUsize,
}

/// The rows whose templates wrote the same fixed text around the values.
struct Variant {
    fixed: Vec<String>,
    processing: Processing,
    influence: CssInfluence,
    /// By the values that influence the HTML; `None` where rows are processed one by one.
    templates: RwLock<HashMap<Vec<String>, Option<Arc<BodyTemplate>>, RandomState>>,
}

fn has_style(html: &str) -> bool {
    html.contains("<style") || html.contains("<STYLE")
}

impl Variant {
    fn has_fixed_text_of(&self, rendered: &RenderedHtml) -> bool {
        self.fixed.iter().eq(rendered.fixed())
    }

    /// The values of a row that influence the HTML.
    fn key(&self, rendered: &RenderedHtml) -> Vec<String> {
        let values = rendered.values().zip(&self.influence.influential);
        values
            .filter(|(_, influential)| **influential)
            .map(|(value, _)| value.to_owned())
            .collect()
    }

    /// Whether a template for each row would be made for nothing.
    fn needs_no_template(&self) -> bool {
        self.processing.is_none() && self.influence.influential.contains(&true)
    }
}

impl BodyCache {
    pub(super) fn new(processing: Processing) -> Self {
        Self {
            processing,
            hasher: RandomState::new(),
            variants: RwLock::default(),
            size: AtomicUsize::new(0),
        }
    }

    /// The bodies of a row. If the template is not `wanted`, it may be missing although the row has one.
    ///
    /// # Errors
    /// If the HTML can't be processed.
    pub(super) fn bodies(
        &self,
        rendered: RenderedHtml,
        wanted: bool,
    ) -> Result<RowBodies, HtmlError> {
        let template = match self.variant(&rendered)? {
            Some(variant) if wanted || !variant.needs_no_template() => {
                self.template(&variant, &rendered)?
            }
            _ => None,
        };
        Ok(match template {
            Some(template) => RowBodies {
                bodies: template.bodies(&rendered),
                template: Some((template, Arc::new(rendered))),
            },
            None => {
                let processing = self.processing_of(&rendered);
                RowBodies {
                    bodies: processing.apply(rendered.into_html())?,
                    template: None,
                }
            }
        })
    }

    /// The template of a row's HTML. `None` if the row is to be processed by itself.
    fn template(
        &self,
        variant: &Variant,
        rendered: &RenderedHtml,
    ) -> Result<Option<Arc<BodyTemplate>>, HtmlError> {
        if !holds_for(&variant.influence, rendered) {
            return Ok(None);
        }
        let key = variant.key(rendered);
        let templates = variant.templates.read();
        if let Some(template) = templates.unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(template.clone());
        }
        if !self.has_room() || key.iter().any(|value| has_reserved(value)) {
            return Ok(None);
        }
        let influential = &variant.influence.influential;
        let template = BodyTemplate::new(rendered, influential, variant.processing)?.map(Arc::new);
        let size = template.as_ref().map_or(0, |template| template.size());
        let key_size: usize = key.iter().map(String::len).sum();
        self.size.fetch_add(size + key_size, Ordering::Relaxed);
        let templates = variant.templates.write();
        let mut templates = templates.unwrap_or_else(PoisonError::into_inner);
        // Another thread may have made one meanwhile: all rows get the same.
        Ok(templates.entry(key).or_insert(template).clone())
    }

    /// The variant of a row's HTML. `None` if it can have none, or there is no room for another.
    ///
    /// # Errors
    /// If the HTML is over a limit.
    fn variant(&self, rendered: &RenderedHtml) -> Result<Option<Arc<Variant>>, HtmlError> {
        let hash = self.hash(rendered);
        let find = |variants: &HashMap<u64, Vec<Arc<Variant>>>| {
            let mut variants = variants.get(&hash)?.iter();
            variants
                .find(|variant| variant.has_fixed_text_of(rendered))
                .cloned()
        };
        let variants = self.variants.read();
        if let Some(variant) = find(&variants.unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(variant));
        }
        if !self.has_room() {
            return Ok(None);
        }
        let Some(influence) = influence_of(rendered)? else {
            return Ok(None);
        };
        let variant = Arc::new(Variant {
            processing: self.processing_of(rendered),
            fixed: rendered.fixed().map(str::to_owned).collect(),
            influence,
            templates: RwLock::default(),
        });
        let variants = self.variants.write();
        let mut variants = variants.unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it meanwhile.
        if let Some(variant) = find(&variants) {
            return Ok(Some(variant));
        }
        let size = variant.fixed.iter().map(String::len).sum();
        self.size.fetch_add(size, Ordering::Relaxed);
        variants.entry(hash).or_default().push(Arc::clone(&variant));
        Ok(Some(variant))
    }

    fn has_room(&self) -> bool {
        self.size.load(Ordering::Relaxed) <= MAX_SIZE
    }

    fn processing_of(&self, rendered: &RenderedHtml) -> Processing {
        Processing {
            inline_css: self.processing.inline_css && has_style(rendered.html()),
            ..self.processing
        }
    }

    fn hash(&self, rendered: &RenderedHtml) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        rendered.fixed().for_each(|fixed| fixed.hash(&mut hasher));
        hasher.finish()
    }
}
