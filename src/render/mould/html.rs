//! Moulds for HTML, in which it is known where values stand.

use std::sync::Arc;

use super::super::bodies::Family;
use super::super::recorder::{Recorder, Rendered, Values};
use super::plan::{Answers, Plan};
use super::{Moulds, marked_context};
use crate::html::marks::{has_reserved, mark_number};
use crate::render::values::View;

/// HTML with places for values.
pub(super) struct HtmlMould {
    /// The rows with this fixed text.
    family: Arc<Family>,
    places: Vec<Place>,
}

/// What stands between the fixed texts.
enum Place {
    /// A value of the row's, by its place in the answers.
    Own(usize),
    /// A value that all rows of the mould have.
    Common(String),
}

/// What is known of a row's HTML.
pub(in crate::render) enum FoundHtml<'a> {
    /// All of it.
    Cast(Cast),
    /// A mould can be made of it.
    New(NewHtml<'a>),
    /// It is to be rendered by itself.
    Own,
}

/// A row's HTML out of a mould: what it has in common with others', and all values in it.
pub(in crate::render) struct Cast {
    pub(in crate::render) family: Arc<Family>,
    pub(in crate::render) values: Values,
}

/// A mould to be made.
pub(in crate::render) struct NewHtml<'a> {
    moulds: &'a Moulds,
    plan: &'a Plan<HtmlMould>,
    name: &'a str,
    answers: Answers,
}

impl<'a> NewHtml<'a> {
    pub(super) fn new(
        moulds: &'a Moulds,
        plan: &'a Plan<HtmlMould>,
        name: &'a str,
        answers: Answers,
    ) -> Self {
        Self {
            moulds,
            plan,
            name,
            answers,
        }
    }

    /// Makes a mould for all rows that answer as this one does, whose HTML is `own`. Nothing if they
    /// are to be rendered by themselves.
    pub(in crate::render) fn make(
        self,
        view: &View<'_>,
        own: &Rendered,
        family: impl FnOnce(&Rendered) -> Option<Arc<Family>>,
    ) -> Option<Cast> {
        // One odd row is not to decide for all that answer alike.
        if has_reserved(own.html()) {
            return None;
        }
        let mould = self.mould(view, own, family);
        let mould = self.plan.keep(self.answers.key.clone(), mould)?;
        Some(mould.cast(self.answers))
    }

    fn mould(
        &self,
        view: &View<'_>,
        own: &Rendered,
        family: impl FnOnce(&Rendered) -> Option<Arc<Family>>,
    ) -> Option<(HtmlMould, usize)> {
        let context = marked_context(self.plan, view, &self.answers);
        let mut recorder = Recorder::default();
        let rendered = self
            .moulds
            .html_tera
            .render_to(self.name, &context, &mut recorder);
        rendered.ok()?;
        let rendered = recorder.finish().ok()?;
        if rendered.fixed().any(has_reserved) {
            return None;
        }
        let values = rendered
            .values()
            .iter()
            .map(|value| match mark_number(value) {
                Some(number) => (number < self.answers.values.len()).then_some(Place::Own(number)),
                None if has_reserved(value) => None,
                None => Some(Place::Common(value.to_owned())),
            });
        let places: Vec<Place> = values.collect::<Option<_>>()?;
        let fixed: Vec<String> = rendered.fixed().map(str::to_owned).collect();
        // What all rows have is fixed text. Where columns are used whole, it may be theirs.
        let (fixed, places) = match self.plan.whole.is_empty() {
            true => without_common(fixed, places),
            false => (fixed, places),
        };
        let filled = Rendered::of(&fixed, &fill_in(&places, self.answers.values.clone()));
        if filled.html() != own.html() {
            return None;
        }
        let family = family(&filled)?;
        let size = own.values().iter().map(str::len).sum();
        Some((HtmlMould { family, places }, size))
    }
}

impl HtmlMould {
    /// The HTML of a row with these answers.
    pub(super) fn cast(&self, answers: Answers) -> Cast {
        Cast {
            family: Arc::clone(&self.family),
            values: fill_in(&self.places, answers.values),
        }
    }
}

fn fill_in(places: &[Place], mut values: Values) -> Values {
    values.rearrange(places.iter().map(|place| match place {
        Place::Own(number) => Ok(*number),
        Place::Common(value) => Err(value.as_str()),
    }));
    values
}

/// The same with the values that all rows have as fixed text.
fn without_common(fixed: Vec<String>, places: Vec<Place>) -> (Vec<String>, Vec<Place>) {
    let mut fixed = fixed.into_iter();
    let mut merged = vec![fixed.next().unwrap_or_default()];
    let mut own = Vec::new();
    for (place, after) in places.into_iter().zip(fixed) {
        match (place, merged.last_mut()) {
            (Place::Common(value), Some(last)) => {
                last.push_str(&value);
                last.push_str(&after);
            }
            (place, _) => {
                own.push(place);
                merged.push(after);
            }
        }
    }
    (merged, own)
}
