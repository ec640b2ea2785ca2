//! What templates see: the row's columns, `[vars]`, and functions that give the same on every attempt.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tera::value::Key;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use crate::campaign::{Campaign, is_identifier};
use crate::finding::Finding;

/// The variable with all of the row's cells by their column's name, whatever that name is.
pub(super) const ROW: &str = "row";

/// A template engine with the filters and functions of the project.
pub(super) fn new_tera(started: Timestamp) -> Tera {
    let mut tera = Tera::new();
    tera.set_escape_fn(super::recorder::escape);
    tera.register_filter("date", tera_contrib::dates::date);
    tera.register_filter("urlencode", tera_contrib::urlencode::urlencode);
    tera.register_filter(
        "urlencode_strict",
        tera_contrib::urlencode::urlencode_strict,
    );
    tera.register_filter("escape_json", escape_json);
    tera.register_test("before", tera_contrib::dates::is_before);
    tera.register_test("after", tera_contrib::dates::is_after);
    tera.register_function("now", move |kwargs: Kwargs, _: &State| {
        run_start(started, &kwargs)
    });
    tera
}

/// What a text is within the quotes of JSON (RFC 8259, 7), with nothing in it that HTML would escape or
/// that could end a script.
///
/// # Errors
/// When the value is not a text or a number.
fn escape_json(value: &Value, _: Kwargs, _: &State) -> TeraResult<String> {
    let text = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None if value.is_number() || value.is_bool() => Cow::Owned(value.to_string()),
        None => return Err(tera::Error::message("escape_json is for texts and numbers")),
    };
    let quoted = serde_json::Value::from(text.as_ref()).to_string();
    let mut escaped = quoted[1..quoted.len() - 1].to_owned();
    let within = [
        ("\\\"", "\\u0022"),
        ("&", "\\u0026"),
        ("'", "\\u0027"),
        ("<", "\\u003c"),
        (">", "\\u003e"),
    ];
    for (character, code) in within {
        if escaped.contains(character) {
            escaped = escaped.replace(character, code);
        }
    }
    Ok(escaped)
}

/// The run's start, so that a row renders the same on every attempt.
fn run_start(started: Timestamp, kwargs: &Kwargs) -> TeraResult<Value> {
    let name = kwargs.get::<&str>("timezone")?.unwrap_or("UTC");
    let zone = TimeZone::get(name)
        .map_err(|_| tera::Error::message(format!("Unknown timezone: {name}")))?;
    Ok(Value::from(started.to_zoned(zone).to_string()))
}

/// Puts `[vars]` where all templates see them; a column of the same name would hide one.
pub(super) fn insert_vars(tera: &mut Tera, campaign: &Campaign, header: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in &campaign.vars {
        if header.contains(name.get_ref()) {
            let message = format!(
                "`{0}` is both a variable and a column of the recipients",
                name.get_ref()
            );
            let finding = campaign.source.error("name-clash", name.span(), message);
            findings.push(finding.help(format!(
                "give the variable another name; the column is also `row[\"{}\"]`",
                name.get_ref()
            )));
        }
        tera.global_context()
            .insert_value(name.get_ref().clone(), to_value(value));
    }
    findings
}

fn to_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        toml::Value::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| (Key::from(key.clone()), to_value(value)));
            Value::from(entries.collect::<tera::Map>())
        }
    }
}

/// The columns that the templates use.
pub(super) struct Columns {
    /// Those that are variables: place and name.
    variables: Vec<(usize, String)>,
    /// The key of every named column, if `row` is used.
    row: Option<Vec<Option<Key<'static>>>>,
}

impl Columns {
    pub(super) fn new(header: &[String], used: &BTreeSet<String>) -> Self {
        let variables = header
            .iter()
            .enumerate()
            .filter(|(_, name)| is_identifier(name) && used.contains(*name));
        let keys = || {
            header
                .iter()
                .map(|name| (!name.is_empty()).then(|| Key::from(name.clone())))
                .collect()
        };
        Self {
            variables: variables
                .map(|(index, name)| (index, name.clone()))
                .collect(),
            row: used.contains(ROW).then(keys),
        }
    }

    /// What the templates see of a row.
    pub(super) fn view<'a>(&'a self, cells: &'a [String]) -> View<'a> {
        View {
            columns: self,
            cells,
            context: OnceCell::new(),
        }
    }

    /// A cell is text, never a number and never a template.
    fn context(&self, cells: &[String]) -> Context {
        let cell = |index: usize| Value::from(cells.get(index).map_or("", String::as_str));
        let mut context = Context::new();
        for (index, name) in &self.variables {
            context.insert_value(Cow::Owned(name.clone()), cell(*index));
        }
        if let Some(keys) = &self.row {
            let entries = keys
                .iter()
                .enumerate()
                .filter_map(|(index, key)| Some((key.clone()?, cell(index))));
            context.insert_value(ROW, Value::from(entries.collect::<tera::Map>()));
        }
        context
    }
}

/// What the templates see of a row.
pub(super) struct View<'a> {
    columns: &'a Columns,
    cells: &'a [String],
    context: OnceCell<Context>,
}

impl View<'_> {
    /// A cell, by the place of its column.
    pub(super) fn cell(&self, place: usize) -> &str {
        self.cells.get(place).map_or("", String::as_str)
    }

    /// All of it, as the engine needs it.
    pub(super) fn context(&self) -> &Context {
        self.context
            .get_or_init(|| self.columns.context(self.cells))
    }
}
