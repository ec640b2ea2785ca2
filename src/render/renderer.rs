//! Runs templates for a row.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tera::{Context, Tera, TeraResult};

use super::constants::{Names, fold_constants};
use super::context::RowVariables;
use super::explain::Sources;
use super::layout::{Letter, without_letter};
use super::limited_output;
use super::markdown::{RenderedMarkdown, escaping_tera};
use super::value_spans::{RenderedHtml, ValueSpans};
use crate::finding::Finding;

pub(super) struct Renderer {
    /// For subjects, text parts and the like, which are not escaped.
    text: Templates,
    /// For HTML, in which all values are escaped.
    html: Templates,
    /// For Markdown, if the message has some.
    markdown: Option<Tera>,
    constant_texts: Constants<Arc<String>>,
}

/// The same templates twice.
struct Templates {
    folded: Tera,
    /// Errors in these have their place in the user's files.
    written: Tera,
}

/// What was made of each template that prints the same for every row.
pub(super) struct Constants<T>(HashMap<String, OnceLock<T>>);

impl Renderer {
    /// `tera` has all templates of `sources` and escapes nothing.
    pub(super) fn new(
        tera: &Tera,
        sources: &Sources,
        names: Option<&Names>,
        has_markdown: bool,
    ) -> Self {
        // Whether values are escaped depends on the part of the message, not on the name of the file.
        let mut html = tera.clone();
        html.autoescape_on([""]);
        let fold = |written: &Tera, escape| {
            let folded = names.and_then(|names| fold_constants(written, sources, names, escape));
            folded.unwrap_or_else(|| written.clone())
        };
        Self {
            text: Templates {
                folded: fold(tera, false),
                written: tera.clone(),
            },
            html: Templates {
                folded: fold(&html, true),
                written: html,
            },
            markdown: has_markdown.then(|| escaping_tera(tera)),
            constant_texts: Constants::new(tera, sources, names),
        }
    }

    /// Renders a template as text.
    pub(super) fn line(&self, name: &str, variables: &RowVariables<'_>) -> TeraResult<String> {
        let context = variables.context();
        let rendered = limited_output::render(&self.text.folded, name, context);
        rendered.or_else(|_| limited_output::render(&self.text.written, name, context))
    }

    /// Renders a text part.
    pub(super) fn text(&self, name: &str, variables: &RowVariables<'_>) -> TeraResult<Arc<String>> {
        self.constant_texts
            .get_or_make(name, || self.line(name, variables).map(Arc::new))
    }

    pub(super) fn html(
        &self,
        name: &str,
        variables: &RowVariables<'_>,
    ) -> TeraResult<RenderedHtml> {
        self.html_with(name, variables.context())
    }

    fn html_with(&self, name: &str, context: &Context) -> TeraResult<RenderedHtml> {
        let render = |tera: &Tera| {
            let mut spans = ValueSpans::default();
            tera.render_to(name, context, &mut spans)?;
            Ok(spans.finish()?)
        };
        render(&self.html.folded).or_else(|_: tera::Error| render(&self.html.written))
    }

    /// Renders a template that prints Markdown.
    pub(super) fn markdown(
        &self,
        name: &str,
        variables: &RowVariables<'_>,
    ) -> TeraResult<RenderedMarkdown> {
        // Constants are not folded, because they would not count as values.
        let tera = self.markdown.as_ref().unwrap_or(&self.html.written);
        RenderedMarkdown::new(tera, name, variables.context())
    }

    /// A finding for a layout that never prints the letter.
    pub(super) fn without_letter(&self, sources: &Sources, layout: &str) -> Option<Finding> {
        without_letter(&self.html.written, sources, layout)
    }

    /// Renders the template around a letter.
    pub(super) fn layout(
        &self,
        name: &str,
        letter: &Letter<'_>,
        variables: &RowVariables<'_>,
    ) -> TeraResult<RenderedHtml> {
        let context = letter.context(variables.context());
        let rendered = self.html_with(name, &context)?;
        Ok(rendered.with_content(letter.content))
    }
}

impl<T: Clone> Constants<T> {
    pub(super) fn new(tera: &Tera, sources: &Sources, names: Option<&Names>) -> Self {
        let is_constant =
            |name: &str| names.is_some_and(|names| names.is_constant_template(tera, name));
        let files = sources.files().filter(|(name, _)| is_constant(name));
        Self(
            files
                .map(|(name, _)| (name.to_owned(), OnceLock::new()))
                .collect(),
        )
    }

    pub(super) fn contain(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What was made of a template for an earlier row if it is constant, otherwise what `make` makes of it.
    pub(super) fn get_or_make<E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(made) = self.0.get(name) else {
            return make();
        };
        if let Some(made) = made.get() {
            return Ok(made.clone());
        }
        let new = make()?;
        Ok(made.get_or_init(|| new).clone())
    }
}
