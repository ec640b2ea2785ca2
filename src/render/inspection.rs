//! A row's message as `check` inspects it: what it shares with other rows, and its own values.

use std::borrow::Cow;
use std::sync::Arc;

use super::body_cache::RowBodies;
use super::body_template::BodyTemplate;
use super::escape::unescaped;
use super::row::Prepared;
use super::value_spans::RenderedHtml;
use crate::html::DynamicAttribute;

#[derive(Debug)]
pub struct InspectedMessage {
    pub(crate) prepared: Prepared,
    /// `None` if the message has no HTML.
    pub(crate) html: Option<InspectedHtml>,
}

impl InspectedMessage {
    /// The row's own values in the HTML, not escaped.
    pub(crate) fn values(&self) -> Vec<Cow<'_, str>> {
        self.html
            .as_ref()
            .map_or_else(Vec::new, InspectedHtml::values)
    }
}

#[derive(Debug)]
pub(crate) struct InspectedHtml {
    /// As it is sent.
    html: Arc<String>,
    template: Option<(Arc<BodyTemplate>, Arc<RenderedHtml>)>,
}

impl InspectedHtml {
    pub(super) fn new(bodies: RowBodies) -> Self {
        Self {
            html: bodies.bodies.html,
            template: bodies.template,
        }
    }

    /// The same number for all rows whose HTML differs only in [values](Self::values). `None` if the row has
    /// to be inspected by itself.
    pub(crate) fn shape(&self) -> Option<u64> {
        self.template.as_ref().map(|(template, _)| template.id())
    }

    /// The HTML as it is sent, with marks in place of the values. Without a shape, it has no marks.
    pub(crate) fn marked(&self) -> &str {
        match &self.template {
            Some((template, _)) => template.marked(),
            None => &self.html,
        }
    }

    /// The HTML as it is sent.
    pub(crate) fn sent(&self) -> &str {
        &self.html
    }

    /// The row's own values, not escaped.
    pub(crate) fn values(&self) -> Vec<Cow<'_, str>> {
        match &self.template {
            Some((_, rendered)) => rendered.values().map(unescaped).collect(),
            None => Vec::new(),
        }
    }

    /// The attributes that contain values of the row.
    pub(crate) fn dynamic_attributes(&self) -> &[DynamicAttribute] {
        match &self.template {
            Some((template, _)) => template.dynamic_attributes(),
            None => &[],
        }
    }

    /// The length of the HTML as it is sent, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.html.len()
    }
}
