//! A row's message for those who look for what is wrong with it: what it has in common with other
//! rows', and what is its own.

use std::borrow::Cow;
use std::sync::Arc;

use super::engine::Prepared;
use super::recorder::Values;
use super::skeleton::Skeleton;
use super::text::unescaped;
use crate::html::DynamicAttribute;

/// A row's message, with what is known of its HTML.
#[derive(Debug)]
pub struct Looked {
    /// The message and its recipient; the HTML may be missing in it.
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
    kind: Kind,
    size: usize,
}

#[derive(Debug)]
enum Kind {
    Shared(Arc<Skeleton>, Values),
    Own(String),
}

impl LookedHtml {
    /// HTML that is built as a skeleton says.
    pub(super) fn shared(skeleton: Arc<Skeleton>, values: Values, size: usize) -> Self {
        let kind = Kind::Shared(skeleton, values);
        Self { kind, size }
    }

    /// HTML that was made by itself.
    pub(super) fn own(sent: String) -> Self {
        let size = sent.len();
        let kind = Kind::Own(sent);
        Self { kind, size }
    }

    /// What tells the HTML of all rows that are built like this one's, but for [values](Self::values)
    /// that have no say in that, from others'. Nothing where that can't be told: then the row is to
    /// be looked at by itself.
    pub fn shape(&self) -> Option<u64> {
        match &self.kind {
            Kind::Shared(skeleton, _) => Some(skeleton.id()),
            Kind::Own(_) => None,
        }
    }

    /// The HTML as it is sent, with marks in the place of the values ([`fill`](crate::html::marks::fill) puts them
    /// in). Without a shape it has no marks.
    pub fn marked(&self) -> &str {
        match &self.kind {
            Kind::Shared(skeleton, _) => skeleton.marked(),
            Kind::Own(sent) => sent,
        }
    }

    /// The HTML as it is sent.
    pub fn sent(&self) -> Cow<'_, str> {
        match &self.kind {
            Kind::Shared(skeleton, values) => Cow::Owned(skeleton.whole(values)),
            Kind::Own(sent) => Cow::Borrowed(sent),
        }
    }

    /// The row's own values, as they are read: not escaped.
    pub fn values(&self) -> Vec<Cow<'_, str>> {
        match &self.kind {
            Kind::Shared(_, values) => values.iter().map(unescaped).collect(),
            Kind::Own(_) => Vec::new(),
        }
    }

    /// The attributes that have values of the row.
    pub(crate) fn holes(&self) -> &[DynamicAttribute] {
        match &self.kind {
            Kind::Shared(skeleton, _) => skeleton.holes(),
            Kind::Own(_) => &[],
        }
    }

    /// The length of the HTML as it is sent, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}
