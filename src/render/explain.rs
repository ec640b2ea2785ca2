//! Turns Tera's errors into findings with a place in the user's files.

mod arguments;
mod nesting;
mod uses;
mod wrong_type;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tera::{Error, ErrorKind};

use super::context::{ROWS, UNSUBSCRIBE_URL};
use super::filters::{help_for_unknown, split_help};
use super::hints::{hint, never_closed, row_lookup, unclosed_comment};
use super::limited_output::MAX_OUTPUT;
use super::mjml::{self, CompiledMjml, SourcePlace};
use super::tags::{Tag, elif_beyond, tags};
use crate::campaign::{TEMPLATES, Text, is_identifier};
use crate::finding::{Excerpt, Finding, Place, nearest};
use crate::source::Source;

/// The most `elif` in one condition.
const MAX_BRANCHES: usize = 200;

/// The texts of all templates, as the user wrote them.
pub(super) struct Sources {
    campaign: Source,
    columns: Vec<String>,
    vars: Vec<String>,
    templates: BTreeMap<String, Template>,
    /// The names of files in `templates/` that are not text.
    binary: Vec<String>,
}

struct Template {
    text: String,
    /// For MJML: the source that the text was compiled from.
    mjml: Option<Mjml>,
    tags: Vec<Tag>,
    /// Whether `row` is a name of its own here, for example in a loop.
    has_other_row: bool,
    /// The place in `campaign.toml` of a field of `[message]`.
    string: Option<Range<usize>>,
    /// The part of `text` that the user wrote there; all of it unless it is an expression.
    written: Range<usize>,
}

struct Mjml {
    /// As the user wrote it.
    source: String,
    compiled: CompiledMjml,
}

impl Template {
    /// The text, as the user wrote it.
    fn source(&self) -> &str {
        self.mjml.as_ref().map_or(&self.text, |it| &it.source)
    }
}

impl Sources {
    pub(super) fn new(campaign: &Source, columns: &[String], vars: &[(Text, toml::Value)]) -> Self {
        Self {
            campaign: campaign.clone(),
            columns: columns
                .iter()
                .filter(|name| !name.is_empty())
                .cloned()
                .collect(),
            vars: vars
                .iter()
                .map(|(name, _)| name.get_ref().clone())
                .collect(),
            templates: BTreeMap::new(),
            binary: Vec::new(),
        }
    }

    /// The name and the text of the files in `templates/`.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let templates = self.templates.iter();
        let files = templates.filter(|(_, template)| template.string.is_none());
        files.map(|(name, template)| (name.as_str(), template.source()))
    }

    /// A compiled file with MJML.
    pub(super) fn compiled(&self, name: &str) -> Option<&CompiledMjml> {
        let mjml = self.templates.get(name)?.mjml.as_ref()?;
        Some(&mjml.compiled)
    }

    /// The name, the text and the tags of all templates: files and fields of `[message]`.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &[Tag])> + Clone {
        let templates = self.templates.iter();
        templates.map(|(name, it)| (name.as_str(), it.text.as_str(), it.tags.as_slice()))
    }

    pub(super) fn add_file(&mut self, name: &str, text: &str) {
        self.add(name, text, None, 0..text.len());
    }

    /// Compiles a file with MJML, which was added as it is written.
    pub(super) fn compile_mjml(&mut self, name: &str) -> Vec<Finding> {
        let read = |name: &str| self.templates.get(name).map(Template::source);
        let compiled = match mjml::compile(name, &read) {
            Ok(compiled) => compiled,
            Err(errors) => {
                let errors = errors.into_iter().map(|error| {
                    let SourcePlace { file, span } = error.place;
                    let finding = self.at("mjml", &file, span, &error.message);
                    match error.help {
                        Some(help) => finding.help(help),
                        None => finding,
                    }
                });
                return errors.collect();
            }
        };
        let html = compiled.html().to_owned();
        let source = read(name).unwrap_or_default().to_owned();
        self.add_file(name, &html);
        if let Some(template) = self.templates.get_mut(name) {
            template.mjml = Some(Mjml { source, compiled });
        }
        Vec::new()
    }

    /// The text of a template, compiled if it is MJML.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.templates.get(name).map(|it| it.text.as_str())
    }

    pub(super) fn add_binary(&mut self, names: Vec<String>) {
        self.binary = names;
    }

    pub(super) fn add_string(&mut self, name: &str, text: &Text) {
        let written = 0..text.get_ref().len();
        self.add(name, text.get_ref(), Some(text.span()), written);
    }

    /// Adds an expression, which is the part `written` of `template`. Its own place is `string`.
    pub(super) fn add_expression(
        &mut self,
        name: &str,
        template: &str,
        written: Range<usize>,
        string: Range<usize>,
    ) {
        self.add(name, template, Some(string), written);
    }

    fn add(&mut self, name: &str, text: &str, string: Option<Range<usize>>, written: Range<usize>) {
        let tags = tags(text).unwrap_or_default();
        let template = Template {
            text: text.to_owned(),
            mjml: None,
            has_other_row: uses::has_other_row(text, &tags),
            tags,
            string,
            written,
        };
        self.templates.insert(name.to_owned(), template);
    }

    /// A finding for a template with a condition that has too many branches: Tera recurses into each.
    pub(super) fn too_many_branches(&self, name: &str) -> Option<Finding> {
        let template = self.templates.get(name)?;
        let span = elif_beyond(&template.text, &template.tags, MAX_BRANCHES)?;
        let message = format!("a condition has more than {MAX_BRANCHES} {{% elif %}}");
        Some(self.at("template-error", name, span, &message))
    }

    /// A finding about a whole template or field.
    pub(super) fn finding(&self, name: &str, code: &'static str, message: String) -> Finding {
        match self
            .templates
            .get(name)
            .and_then(|template| template.string.clone())
        {
            Some(span) => self.campaign.error(code, span, message),
            None => Finding::error(code, Place::file(&self.campaign.path), message),
        }
    }

    /// A finding about a whole file in `templates/`.
    pub(super) fn at_file(&self, code: &'static str, template: &str, message: &str) -> Finding {
        Finding::error(code, Place::file(self.path(template)), message)
    }

    /// Explains an error from compiling the template `name`. Tera reports all unknown filters, tests and
    /// functions in one text, as `error: MESSAGE` and ` --> TEMPLATE:LINE:COLUMN`.
    pub(super) fn explain_all(&self, name: &str, error: &Error) -> Vec<Finding> {
        let text = match error.kind() {
            ErrorKind::Msg(text) => text.as_str(),
            _ => "",
        };
        let mut message = "";
        let mut findings = Vec::new();
        for line in text.lines() {
            if let Some(error) = line.strip_prefix("error: ") {
                message = error;
            } else if let Some((template, span)) = line
                .trim_start()
                .strip_prefix("--> ")
                .and_then(|place| self.span_of(place))
            {
                let finding = self.at("template-error", template, span, message);
                findings.push(match help_for_unknown(message) {
                    Some(help) => finding.help(help),
                    None => finding,
                });
            }
        }
        if findings.is_empty() {
            findings.push(self.explain(name, error));
        }
        findings
    }

    /// Parses `TEMPLATE:LINE:COLUMN` into a template and a span of one character.
    fn span_of<'a>(&self, place: &'a str) -> Option<(&'a str, Range<usize>)> {
        let mut parts = place.rsplitn(3, ':');
        let column: usize = parts.next()?.parse().ok()?;
        let line: usize = parts.next()?.parse().ok()?;
        let template = parts.next()?;
        let text = &self.templates.get(template)?.text;
        let mut lines = text.split_inclusive('\n');
        let before: usize = lines
            .by_ref()
            .take(line.checked_sub(1)?)
            .map(str::len)
            .sum();
        let (offset, character) = lines.next()?.char_indices().nth(column.checked_sub(1)?)?;
        let start = before + offset;
        Some((template, start..start + character.len_utf8()))
    }

    /// Explains an error from the template `name`.
    pub(super) fn explain(&self, name: &str, error: &Error) -> Finding {
        match error.kind() {
            ErrorKind::SyntaxError(report) => {
                self.syntax(report.filename(), &report.span().range, report.message())
            }
            ErrorKind::RenderingError(report) => {
                let message = report
                    .message()
                    .split(" Available variables:")
                    .next()
                    .unwrap_or_default();
                let span = report.span().range.clone();
                match message
                    .strip_prefix("Variable `")
                    .and_then(|rest| rest.split_once('`'))
                {
                    Some((variable, _)) if message.contains("not defined") => {
                        self.undefined(report.filename(), span, variable)
                    }
                    _ if message.contains("undefined") => self
                        .at("undefined-variable", report.filename(), span, message)
                        .help(self.names()),
                    _ => self.in_row(report.filename(), span, message),
                }
            }
            ErrorKind::TemplateNotFound(missing) if self.binary.contains(missing) => self
                .finding(
                    name,
                    "no-template",
                    format!("{TEMPLATES}/{missing} is not a text file"),
                )
                .help("name an HTML or text file; an image goes into [[message.attachments]]"),
            ErrorKind::TemplateNotFound(missing) => {
                let files: Vec<&str> = self
                    .templates
                    .keys()
                    .map(String::as_str)
                    .filter(|name| !name.starts_with('['))
                    .collect();
                self.finding(
                    name,
                    "no-template",
                    format!("there is no template “{missing}” in {TEMPLATES}/"),
                )
                .help(format!("{TEMPLATES}/ has: {}", files.join(", ")))
            }
            ErrorKind::CircularInclude { include_chain, .. } => {
                self.circle("include", include_chain)
            }
            ErrorKind::CircularExtend {
                tpl,
                inheritance_chain,
            } => {
                let chain = [tpl].into_iter().chain(inheritance_chain);
                self.circle("extends", &chain.cloned().collect::<Vec<_>>())
            }
            ErrorKind::Io(std::io::ErrorKind::FileTooLarge) => {
                let message =
                    format!("the output of the template has more than {MAX_OUTPUT} bytes");
                self.finding(name, "template-error", message)
                    .help("check the loops in the template; a message may have 15,000,000 bytes")
            }
            other => {
                let place = match self.templates.get(name) {
                    Some(template) if template.string.is_none() => Place::file(self.path(name)),
                    _ => Place::file(&self.campaign.path),
                };
                Finding::error("template-error", place, other.to_string())
            }
        }
    }

    /// A finding for an error of a filter or function, whose message may contain a value of the row.
    fn in_row(&self, template: &str, span: Range<usize>, message: &str) -> Finding {
        if let Some((message, help)) = wrong_type::explained(message) {
            let finding = self.at("template-error", template, span, &message);
            return finding.help(help);
        }
        let (message, Some(help)) = split_help(message) else {
            let finding = self.at("template-error", template, span, message);
            return finding.kind("an error at this tag");
        };
        let message = match self.filtered(template, span.start) {
            Some(value) => format!("`{value}`: {message}"),
            None => message.to_owned(),
        };
        let finding = self.at("template-error", template, span, &message);
        finding.kind(without_cell(&message)).help(help)
    }

    /// A finding for a syntax error, with a hint at what was probably meant.
    fn syntax(&self, template: &str, span: &Range<usize>, message: &str) -> Finding {
        const CODE: &str = "template-syntax";
        let text = self.templates.get(template).map_or("", |it| &it.text);
        if message == "Unexpected end of input"
            && let Some((open, message, help)) = never_closed(text)
        {
            return self.at(CODE, template, open, &message).help(help);
        }
        if message.contains("#}")
            && let Some((message, help)) = unclosed_comment(text, span)
        {
            return self.at(CODE, template, span.clone(), &message).help(help);
        }
        let finding = self.at(CODE, template, span.clone(), message);
        match hint(text, span, message, &self.columns) {
            Some(help) => finding.help(help),
            None => finding,
        }
    }

    /// A finding for a variable that is neither a column nor in `[vars]`.
    pub(super) fn undefined(&self, template: &str, span: Range<usize>, variable: &str) -> Finding {
        let names = self.columns.iter().chain(&self.vars).map(String::as_str);
        let text = self.templates.get(template).map_or("", |it| &it.text);
        let rest = text.get(span.start..).unwrap_or_default();
        let odd = self.columns.iter().filter(|name| !is_identifier(name));
        let mut written = odd.filter(|name| rest.starts_with(name.as_str()));
        let help = match (written.next(), nearest(variable, names)) {
            (Some(column), _) => row_lookup(column),
            _ if variable == UNSUBSCRIBE_URL => {
                "set [feedback] url, the public address of `mailrun feedback`".to_owned()
            }
            _ if variable == ROWS => {
                "set same_address = \"group\" in [recipients], to have all rows of an address in one message"
                    .to_owned()
            }
            (None, Some(near)) if !is_identifier(near) => {
                format!("did you mean row[{near:?}]? {}", self.names())
            }
            (None, Some(near)) => format!("did you mean `{near}`? {}", self.names()),
            (None, None) => self.names(),
        };
        self.at(
            "undefined-variable",
            template,
            span,
            &format!("there is no column or variable `{variable}`"),
        )
        .help(help)
    }

    /// The path of a template, with the campaign's folder as the user named it.
    fn path(&self, template: &str) -> PathBuf {
        let folder = self.campaign.path.parent().unwrap_or(Path::new(""));
        folder.join(TEMPLATES).join(template)
    }

    /// What templates can use.
    fn names(&self) -> String {
        let mut names = format!("the columns are: {}", self.columns.join(", "));
        if !self.vars.is_empty() {
            names.push_str(&format!("; [vars] has: {}", self.vars.join(", ")));
        }
        names
    }

    pub(super) fn at(
        &self,
        code: &'static str,
        template: &str,
        span: Range<usize>,
        message: &str,
    ) -> Finding {
        let Some(source) = self.templates.get(template) else {
            return Finding::error(code, Place::file(self.path(template)), message);
        };
        match &source.string {
            Some(string) => {
                self.campaign
                    .error(code, self.inside_string(string, source, &span), message)
            }
            None => {
                let mjml = source.mjml.as_ref();
                let place = mjml.and_then(|mjml| mjml.compiled.place(&span));
                let (template, span) = match &place {
                    Some(place) => (place.file.as_str(), place.span.clone()),
                    None if mjml.is_some() => (template, 0..0),
                    None => (template, span),
                };
                let text = self.templates.get(template).map_or("", Template::source);
                let file = self.path(template);
                let excerpt = Excerpt::new(&file.display().to_string(), text, span);
                Finding::error(code, Place::file(file), message).excerpt(excerpt)
            }
        }
    }

    /// Where a part of a field's value stands in `campaign.toml`: the whole string if it has escapes.
    fn inside_string(
        &self,
        string: &Range<usize>,
        template: &Template,
        part: &Range<usize>,
    ) -> Range<usize> {
        let written = &template.written;
        let value = &template.text[written.clone()];
        match self.campaign.text[string.clone()].find(value) {
            Some(offset) => {
                let start = string.start + offset;
                let inside =
                    |at: usize| start + at.clamp(written.start, written.end) - written.start;
                inside(part.start)..inside(part.end)
            }
            None => string.clone(),
        }
    }
}

/// The message of a filter without the parts that differ from row to row.
fn without_cell(message: &str) -> String {
    let mut kind = match (message.split_once('“'), message.rsplit_once('”')) {
        (Some((before, _)), Some((_, after))) => format!("{before}a cell{after}"),
        _ => message.to_owned(),
    };
    kind.retain(|c| !c.is_ascii_digit());
    match kind.split_once(" may be ") {
        Some((cell, _)) => format!("{cell} is ambiguous"),
        None => kind,
    }
}

/// A campaign with one template, `a.html`, for the tests of the parts.
#[cfg(test)]
fn test_sources(template: &str) -> Sources {
    let campaign = Source {
        path: "campaign.toml".into(),
        text: String::new(),
    };
    let mut sources = Sources::new(&campaign, &[], &[]);
    sources.add_file("a.html", template);
    sources
}
