//! What is asked of a row before one of a template's moulds is taken, and the moulds that are known.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ahash::RandomState;

use super::super::recorder::Values;

/// The most moulds of a template; rows that have none of them are rendered one by one.
const MOST: usize = 1024;
/// The most memory that they take, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// A template, by what it asks of a row.
pub(super) struct Plan<M> {
    /// The numbers of the values that it writes.
    pub(super) values: Vec<usize>,
    /// The numbers of its conditions.
    pub(super) questions: Vec<usize>,
    /// The cells that it uses otherwise.
    pub(super) whole: Vec<usize>,
    known: RwLock<Known<M>>,
}

struct Known<M> {
    /// The moulds, by what rows answer; nothing where rows are rendered by themselves.
    moulds: HashMap<Vec<u8>, Option<Arc<M>>, RandomState>,
    size: usize,
}

/// A mould for a row's answers.
pub(super) enum Found<M> {
    Mould(Arc<M>),
    /// Rows like it are rendered by themselves.
    Own,
    /// No row like it has been seen.
    New,
}

/// What a row answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What tells rows apart that need different moulds.
    pub(super) key: Vec<u8>,
    /// What its conditions come to, in the plan's order.
    pub(super) truths: Vec<bool>,
    /// Its values, in the plan's order.
    pub(super) values: Values,
}

impl Answers {
    /// None yet, with room for those to a plan.
    pub(super) fn of<M>(plan: &Plan<M>) -> Self {
        Self {
            key: Vec::with_capacity(
                plan.questions.len() + plan.values.len() + 32 * plan.whole.len(),
            ),
            truths: Vec::with_capacity(plan.questions.len()),
            values: Values::with_room(plan.values.len()),
        }
    }

    pub(super) fn truth(&mut self, is: bool) {
        self.truths.push(is);
        self.key.push(u8::from(is));
    }

    pub(super) fn value(&mut self, value: &str) {
        self.values.push(value);
        self.key_of(value);
    }

    /// A value as it stands in HTML.
    pub(super) fn escaped_value(&mut self, value: &str) -> Option<()> {
        self.values.push_escaped(value).ok()?;
        self.key_of(value);
        Some(())
    }

    /// A value that is blank has a say in how the text is built.
    fn key_of(&mut self, value: &str) {
        let is_blank = value.trim().is_empty();
        self.key.push(u8::from(is_blank));
        if is_blank {
            self.whole(value);
        }
    }

    pub(super) fn whole(&mut self, cell: &str) {
        self.key.extend_from_slice(&cell.len().to_le_bytes());
        self.key.extend_from_slice(cell.as_bytes());
    }
}

impl<M> Plan<M> {
    pub(super) fn new(values: Vec<usize>, questions: Vec<usize>, whole: Vec<usize>) -> Self {
        let known = Known {
            moulds: HashMap::default(),
            size: 0,
        };
        Self {
            values,
            questions,
            whole,
            known: RwLock::new(known),
        }
    }

    pub(super) fn find(&self, key: &[u8]) -> Found<M> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.moulds.get(key) {
            Some(Some(mould)) => Found::Mould(Arc::clone(mould)),
            Some(None) => Found::Own,
            None if known.moulds.len() >= MOST || known.size >= MOST_BYTES => Found::Own,
            None => Found::New,
        }
    }

    /// Keeps a mould of this size in bytes; nothing where there can be none.
    pub(super) fn keep(&self, key: Vec<u8>, mould: Option<(M, usize)>) -> Option<Arc<M>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let (mould, size) = mould.map_or((None, 0), |(mould, size)| (Some(Arc::new(mould)), size));
        known.size += size + key.len();
        known.moulds.insert(key, mould.clone());
        mould
    }

    /// How many moulds there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let known = self.known.read().expect("no panic");
        known.moulds.values().flatten().count()
    }
}
