//! A row's message for those who look for what is wrong with it: what it has in common with other
//! rows', and what is its own.

use std::borrow::Cow;
use std::sync::Arc;

use super::engine::Prepared;
use super::holes::Hole;
use super::recorder::Rendered;
use super::skeleton::Skeleton;
use super::text::unescaped;

/// A row's message, with what is known of its HTML.
#[derive(Debug)]
pub struct Looked {
    /// The message and its recipient.
    pub prepared: Prepared,
    /// What is known of its HTML, if it has one.
    pub html: Option<LookedHtml>,
}

impl Looked {
    /// The row's own values in the HTML, as they are read: not escaped.
    pub fn values(&self) -> Vec<Cow<'_, str>> {
        self.html.as_ref().map_or_else(Vec::new, LookedHtml::values)
    }
}

/// What is known of a message's HTML.
#[derive(Debug)]
pub struct LookedHtml {
    values: Vec<String>,
    skeleton: Option<Arc<Skeleton>>,
    sent: String,
}

impl LookedHtml {
    pub(super) fn new(rendered: &Rendered, skeleton: Option<Arc<Skeleton>>, sent: &str) -> Self {
        let values = rendered.values().map(|value| unescaped(value).into_owned());
        Self {
            values: values.collect(),
            skeleton,
            sent: sent.to_owned(),
        }
    }

    /// What tells the HTML of all rows that are built like this one's, but for [values](Self::values)
    /// that have no say in that, from others'. Nothing where that can't be told: then the row is to
    /// be looked at by itself.
    pub fn shape(&self) -> Option<u64> {
        self.skeleton.as_ref().map(|skeleton| skeleton.id())
    }

    /// The HTML as it is sent, with marks in the place of the values ([`fill`](super::fill) puts them
    /// in). Without a shape it has no marks.
    pub fn marked(&self) -> &str {
        match &self.skeleton {
            Some(skeleton) => skeleton.marked(),
            None => &self.sent,
        }
    }

    /// The row's own values, as they are read: not escaped.
    pub fn values(&self) -> Vec<Cow<'_, str>> {
        self.values
            .iter()
            .map(|value| Cow::Borrowed(value.as_str()))
            .collect()
    }

    /// The attributes that have values of the row.
    pub fn holes(&self) -> &[Hole] {
        match &self.skeleton {
            Some(skeleton) => skeleton.holes(),
            None => &[],
        }
    }

    /// The length of the HTML as it is sent, in bytes.
    pub fn size(&self) -> usize {
        self.sent.len()
    }
}
