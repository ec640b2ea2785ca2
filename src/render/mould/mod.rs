//! Moulds: what a template writes for all rows that answer its conditions alike, with places for
//! their own values. A row that has one costs a few copies, and the engine is not asked.
//!
//! A template is [taken apart](parts): its conditions and values that columns have a say in become
//! names. Each row tells what they are, and rows that agree in all conditions share a mould. Columns
//! that are used in any other way, such as in a loop, must be the same for a mould to be shared. A
//! mould is held against what the engine writes for the first row that it is made for, and is not
//! used if there is a difference.

mod html;
mod parts;
mod plan;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tera::{Context, Tera};

pub(super) use self::html::{Cast, FoundHtml};
use self::html::{HtmlMould, NewHtml};
use self::parts::{Expression, Expressions, Names, Parts, Plain};
use self::plan::{Answers, Found, Plan};
use super::recorder::{Recorder, Values};
use super::skeleton::Pieces;
use super::tags::{locals, tags};
use super::values::View;
use crate::html::marks;

/// The moulds of all templates.
pub(super) struct Moulds {
    /// The templates taken apart, for text and for HTML.
    tera: Tera,
    html_tera: Tera,
    values: Vec<Value>,
    questions: Vec<Question>,
    texts: HashMap<String, Plan<Pieces>>,
    htmls: HashMap<String, Plan<HtmlMould>>,
}

/// How a value is found.
enum Value {
    Cell(usize),
    /// By the template of this name.
    Rendered(String),
}

/// How a condition is decided.
enum Question {
    Filled(usize),
    Equal(usize, String),
    NotEqual(usize, String),
    /// By the template of this name, which writes something if it is true.
    Rendered(String),
}

impl Moulds {
    /// Takes the templates of an engine apart: all of them, by name and text.
    pub(super) fn new(engine: &Tera, templates: &[(&str, &str)], header: &[String]) -> Self {
        let locals = templates
            .iter()
            .flat_map(|(_, text)| locals(text, &tags(text).unwrap_or_default()));
        let locals: BTreeSet<String> = locals.collect();
        let names = Names {
            header,
            locals: &locals,
        };
        let mut expressions = Expressions::default();
        let parts: BTreeMap<&str, Parts> = templates
            .iter()
            .filter_map(|(name, text)| {
                let parts = parts::take_apart(text, &names, &mut expressions)?;
                Some((*name, parts))
            })
            .collect();
        let mut moulds = Self {
            tera: engine.clone(),
            html_tera: Tera::default(),
            values: expressions
                .values
                .iter()
                .enumerate()
                .map(|(n, it)| Value::of(n, it, header))
                .collect(),
            questions: expressions
                .questions
                .iter()
                .enumerate()
                .map(|(n, it)| Question::of(n, it, header))
                .collect(),
            texts: HashMap::new(),
            htmls: HashMap::new(),
        };
        // Where the engine does not take what was made of its templates, there are no moulds.
        if moulds.add_templates(&parts, &expressions).is_ok() {
            moulds.html_tera = moulds.tera.clone();
            moulds.html_tera.autoescape_on([""]);
            moulds.texts = plans(&parts, header);
            moulds.htmls = plans(&parts, header);
        }
        moulds
    }

    fn add_templates(
        &mut self,
        parts: &BTreeMap<&str, Parts>,
        expressions: &Expressions,
    ) -> tera::TeraResult<()> {
        let apart = parts
            .iter()
            .map(|(name, parts)| ((*name).to_owned(), parts.template.clone()));
        let values = self.values.iter().zip(&expressions.values);
        let values = values.filter_map(|(value, expression)| match value {
            Value::Cell(_) => None,
            Value::Rendered(name) => Some((name.clone(), format!("{{{{ {} }}}}", expression.text))),
        });
        let questions = self.questions.iter().zip(&expressions.questions);
        let questions = questions.filter_map(|(question, expression)| match question {
            Question::Rendered(name) => {
                let template = format!("{{% if {} %}}1{{% endif %}}", expression.text);
                Some((name.clone(), template))
            }
            _ => None,
        });
        let all: Vec<_> = apart.chain(values).chain(questions).collect();
        self.tera.add_raw_templates(all)
    }

    /// What a template writes for a row; `render` has the engine write it.
    ///
    /// # Errors
    /// What `render` says.
    pub(super) fn text<E>(
        &self,
        name: &str,
        view: &View<'_>,
        render: impl FnOnce() -> Result<String, E>,
    ) -> Result<Arc<String>, E> {
        let own = || render().map(Arc::new);
        let Some(plan) = self.texts.get(name) else {
            return own();
        };
        let Some(answers) = self.ask(plan, view, |value, view, out| self.value(value, view, out))
        else {
            return own();
        };
        match plan.find(&answers.key) {
            Found::Mould(mould) => Ok(fill(&mould, &answers.values)),
            Found::Own => own(),
            Found::New => {
                let own = own()?;
                // One odd row is not to decide for all that answer alike.
                if marks::has_reserved(&own) {
                    return Ok(own);
                }
                let mould = self.text_mould(name, plan, view, &answers, &own);
                plan.keep(answers.key, mould.map(|it| (it, own.len() * 2)));
                Ok(own)
            }
        }
    }

    fn text_mould(
        &self,
        name: &str,
        plan: &Plan<Pieces>,
        view: &View<'_>,
        answers: &Answers,
        own: &str,
    ) -> Option<Pieces> {
        let context = marked_context(plan, view, answers);
        let marked = self.tera.render(name, &context).ok()?;
        let mould = Pieces::split(&marked)?;
        (mould.fits(answers.values.len()) && *fill(&mould, &answers.values) == own).then_some(mould)
    }

    /// What is known of the HTML that a template writes for a row.
    pub(super) fn html<'a>(&'a self, name: &'a str, view: &View<'_>) -> FoundHtml<'a> {
        let Some(plan) = self.htmls.get(name) else {
            return FoundHtml::Own;
        };
        let ask =
            |value: &Value, view: &View<'_>, out: &mut Answers| self.html_value(value, view, out);
        let Some(answers) = self.ask(plan, view, ask) else {
            return FoundHtml::Own;
        };
        match plan.find(&answers.key) {
            Found::Mould(mould) => FoundHtml::Cast(mould.cast(answers)),
            Found::Own => FoundHtml::Own,
            Found::New => FoundHtml::New(NewHtml::new(self, plan, name, answers)),
        }
    }

    /// Asks a row what a plan asks. Nothing where it can't be answered for each by itself.
    fn ask<M>(
        &self,
        plan: &Plan<M>,
        view: &View<'_>,
        value: impl Fn(&Value, &View<'_>, &mut Answers) -> Option<()>,
    ) -> Option<Answers> {
        let mut answers = Answers::of(plan);
        for number in &plan.questions {
            let truth = self.truth(&self.questions[*number], view)?;
            answers.truth(truth);
        }
        for number in &plan.values {
            value(&self.values[*number], view, &mut answers)?;
        }
        for cell in &plan.whole {
            answers.whole(view.cell(*cell));
        }
        Some(answers)
    }

    fn truth(&self, question: &Question, view: &View<'_>) -> Option<bool> {
        Some(match question {
            Question::Filled(cell) => !view.cell(*cell).is_empty(),
            Question::Equal(cell, value) => view.cell(*cell) == value,
            Question::NotEqual(cell, value) => view.cell(*cell) != value,
            Question::Rendered(name) => !self.tera.render(name, view.context()).ok()?.is_empty(),
        })
    }

    fn value(&self, value: &Value, view: &View<'_>, out: &mut Answers) -> Option<()> {
        match value {
            Value::Cell(cell) => out.value(view.cell(*cell)),
            Value::Rendered(name) => out.value(&self.tera.render(name, view.context()).ok()?),
        }
        Some(())
    }

    /// A value as it stands in HTML. Nothing if it is not escaped, and could be markup.
    fn html_value(&self, value: &Value, view: &View<'_>, out: &mut Answers) -> Option<()> {
        let name = match value {
            Value::Cell(cell) => return out.escaped_value(view.cell(*cell)),
            Value::Rendered(name) => name,
        };
        let mut recorder = Recorder::default();
        let rendered = self
            .html_tera
            .render_to(name, view.context(), &mut recorder);
        rendered.ok()?;
        let rendered = recorder.finish().ok()?;
        let html = rendered.html();
        let is_escaped = rendered.values().iter().eq([html]);
        let is_harmless = !html.contains(['<', '>', '&', '"', '\'']);
        (is_escaped || is_harmless).then(|| out.value(html))
    }
}

impl Value {
    fn of(number: usize, expression: &Expression, header: &[String]) -> Self {
        match &expression.plain {
            Some(Plain::Column(name)) => cell(header, name).map(Self::Cell),
            _ => None,
        }
        .unwrap_or_else(|| Self::Rendered(format!("[value] {number}")))
    }
}

impl Question {
    fn of(number: usize, expression: &Expression, header: &[String]) -> Self {
        let plain = expression.plain.as_ref().and_then(|plain| match plain {
            Plain::Column(name) => Some(Self::Filled(cell(header, name)?)),
            Plain::Equal(name, value) => Some(Self::Equal(cell(header, name)?, value.clone())),
            Plain::NotEqual(name, value) => {
                Some(Self::NotEqual(cell(header, name)?, value.clone()))
            }
        });
        plain.unwrap_or_else(|| Self::Rendered(format!("[question] {number}")))
    }
}

/// The place of a column; the last one has the name.
fn cell(header: &[String], name: &str) -> Option<usize> {
    header.iter().rposition(|column| column == name)
}

/// The plans of the templates that were taken apart, with all that they are made of.
fn plans<M>(parts: &BTreeMap<&str, Parts>, header: &[String]) -> HashMap<String, Plan<M>> {
    let plan = |name: &str| {
        let mut values = BTreeSet::new();
        let mut questions = BTreeSet::new();
        let mut whole = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if !seen.insert(name) {
                continue;
            }
            let parts = parts.get(name)?;
            values.extend(&parts.values);
            questions.extend(&parts.questions);
            whole.extend(parts.columns.iter().filter_map(|name| cell(header, name)));
            open.extend(parts.others.iter().map(String::as_str));
        }
        let list = |set: BTreeSet<usize>| set.into_iter().collect();
        Some(Plan::new(list(values), list(questions), list(whole)))
    };
    let names = parts.keys();
    names
        .filter_map(|name| Some(((*name).to_owned(), plan(name)?)))
        .collect()
}

/// What the templates that were taken apart see: a row, with marks in the place of its values.
fn marked_context<M>(plan: &Plan<M>, view: &View<'_>, answers: &Answers) -> Context {
    let mut context = view.context().clone();
    for (number, truth) in plan.questions.iter().zip(&answers.truths) {
        context.insert(parts::question_name(*number), truth);
    }
    for (place, (number, value)) in plan.values.iter().zip(answers.values.iter()).enumerate() {
        let is_blank = value.trim().is_empty();
        let value = if is_blank {
            value.to_owned()
        } else {
            marks::mark(place)
        };
        context.insert(parts::value_name(*number), &value);
    }
    context
}

fn fill(mould: &Pieces, values: &Values) -> Arc<String> {
    mould.fill(|number, out| out.push_str(values.get(number)))
}
