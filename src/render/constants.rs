//! Renders the parts of templates that print the same for every row once, when the engine is made.
//!
//! A part is constant if no name in it is a column or depends on one. In the templates that render the
//! rows, each constant part is replaced by a variable that holds its output.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use super::context::{RECIPIENT, ROW, ROWS, UNSUBSCRIBE_URL};
use super::explain::Sources;
use super::limited_output;
use super::tags::{Tag, TagKind, Token, TokenKind, local_names};

/// The start of the names of the variables and the filter that are added to templates.
const PREFIX: &str = "mailrun_constant";

/// A copy of `tera` that renders the same, with constant parts rendered already. `escape` says whether its
/// templates escape what they print. `None` if Tera rejects the copy.
pub(super) fn fold_constants(
    tera: &Tera,
    sources: &Sources,
    names: &Names,
    escape: bool,
) -> Option<Tera> {
    let mut fold = Fold {
        tera,
        names,
        escape,
        constants: Vec::new(),
        numbers: HashMap::new(),
    };
    let templates: Vec<(&str, String)> = sources
        .all()
        .map(|(name, text, tags)| (name, fold.template(text, tags)))
        .collect();
    let mut folded = tera.clone();
    folded.register_filter(PREFIX, escaped_constant);
    for (number, constant) in fold.constants.iter().enumerate() {
        let constant = Value::safe_string(constant);
        folded
            .global_context()
            .insert_value(variable(number), constant);
    }
    folded.add_raw_templates(templates).ok()?;
    Some(folded)
}

fn variable(number: usize) -> String {
    format!("{PREFIX}_{number}")
}

/// Escapes a value that does not depend on the row. The result counts as fixed text, because Tera writes a
/// safe string without calling the escape function that records values.
fn escaped_constant(value: &Value, _: Kwargs, state: &State) -> TeraResult<Value> {
    let escaped = state.escape_if_needed(value)?;
    Ok(Value::safe_string(&escaped))
}

struct Fold<'a> {
    tera: &'a Tera,
    names: &'a Names,
    escape: bool,
    /// The output of the constant parts of all templates.
    constants: Vec<String>,
    /// The number of each constant part, by its text; `None` if it can't be rendered.
    numbers: HashMap<String, Option<usize>>,
}

impl Fold<'_> {
    fn template(&mut self, text: &str, tags: &[Tag]) -> String {
        let mut folded = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        while let Some(tag) = tags.get(at) {
            let constant = self.names.end_of_constants(text, tags, at);
            let constant = constant.and_then(|end| {
                let part = &text[tag.span.start..tags[end].span.end];
                Some((end, self.constant(part)?))
            });
            let (end, replacement) = match constant {
                Some(constant) => constant,
                None => match self.fixed_print(text, tag) {
                    Some(replacement) => (at, replacement),
                    None => {
                        at += 1;
                        continue;
                    }
                },
            };
            folded.push_str(&text[copied..tag.span.start]);
            folded.push_str(&replacement);
            copied = tags[end].span.end;
            at = end + 1;
        }
        folded.push_str(&text[copied..]);
        folded
    }

    /// The tag that prints what a constant part prints; it trims white space around it in the same way.
    fn constant(&mut self, part: &str) -> Option<String> {
        let number = match self.numbers.get(part) {
            Some(number) => *number,
            None => {
                let output =
                    limited_output::render_part(self.tera, part, &Context::new(), self.escape);
                let number = output.ok().map(|output| {
                    self.constants.push(output);
                    self.constants.len() - 1
                });
                self.numbers.insert(part.to_owned(), number);
                number
            }
        };
        let variable = variable(number?);
        let dash = |at: usize| if part.as_bytes()[at] == b'-' { "-" } else { "" };
        let (start, end) = (dash(2), dash(part.len() - 3));
        Some(format!("{{{{{start} {variable} {end}}}}}"))
    }

    /// The same tag, with its output as fixed text, if what it prints does not depend on the row. It may
    /// print something else each time, such as the items of a list.
    fn fixed_print(&self, text: &str, tag: &Tag) -> Option<String> {
        if !self.escape || tag.kind != TagKind::Print || !self.names.is_fixed(text, &tag.tokens) {
            return None;
        }
        let (start, end) = (tag.tokens.first()?.span.start, tag.tokens.last()?.span.end);
        let (before, after) = (&text[tag.span.start..start], &text[end..tag.span.end]);
        let expression = &text[start..end];
        Some(format!("{before}({expression}) | {PREFIX}{after}"))
    }
}

/// What the names in the templates depend on.
pub(super) struct Names {
    /// The columns, and names that stand for something with columns in it.
    columns: BTreeSet<String>,
    /// The names that templates give to values themselves.
    locals: BTreeSet<String>,
    /// The columns, and the locals whose value may depend on a column.
    dependent: BTreeSet<String>,
}

impl Names {
    /// `made` are variables that differ from row to row, besides the columns. `None` if templates may use names in ways
    /// that their text does not show.
    pub(super) fn new(sources: &Sources, header: &[String], made: &[&str]) -> Option<Self> {
        let is_ours = |name: &String| name.starts_with(PREFIX);
        if header.iter().any(is_ours) {
            return None;
        }
        let mut locals = BTreeSet::new();
        let mut bindings = Vec::new();
        for (_, text, tags) in sources.all() {
            if tags.iter().any(|tag| hides_names(text, tag)) {
                return None;
            }
            locals.extend(local_names(text, tags));
            bindings.extend(tags.iter().flat_map(|tag| bindings_in(text, &tag.tokens)));
        }
        let columns = header
            .iter()
            .map(String::as_str)
            .chain([ROW, ROWS, RECIPIENT, UNSUBSCRIBE_URL, "super"])
            .chain(made.iter().copied());
        let columns: BTreeSet<String> = columns.map(str::to_owned).collect();
        Some(Self {
            dependent: dependent(&columns, &bindings),
            columns,
            locals,
        })
    }

    /// Whether a template prints the same for every row.
    pub(super) fn is_constant_template(&self, tera: &Tera, name: &str) -> bool {
        tera.get_template_variables(name)
            .is_ok_and(|used| !used.iter().any(|name| self.columns.contains(*name)))
    }

    /// Whether an expression has the same value wherever it stands; `scopes` are the locals around it.
    fn is_constant(&self, text: &str, tokens: &[Token], scopes: &[Vec<&str>]) -> bool {
        let in_scope = |name: &str| scopes.iter().flatten().any(|local| *local == name);
        let is_global = |name: &str| !self.columns.contains(name) && !self.locals.contains(name);
        variables(text, tokens).all(|name| in_scope(name) || is_global(name))
    }

    /// Whether the value of an expression does not depend on the row.
    fn is_fixed(&self, text: &str, tokens: &[Token]) -> bool {
        variables(text, tokens).all(|name| !self.dependent.contains(name))
    }

    /// The last tag of the constants that begin with a tag and have nothing but text between them.
    fn end_of_constants(&self, text: &str, tags: &[Tag], at: usize) -> Option<usize> {
        let mut end = self.end_of_constant(text, tags, at)?;
        while let Some(next) = self.end_of_constant(text, tags, end + 1) {
            end = next;
        }
        Some(end)
    }

    /// The last tag of the constant that begins with a tag: a print, a whole `if` or a whole loop.
    fn end_of_constant(&self, text: &str, tags: &[Tag], at: usize) -> Option<usize> {
        let mut scopes: Vec<Vec<&str>> = Vec::new();
        for (index, tag) in tags.iter().enumerate().skip(at) {
            let words = tag.words(text);
            let is_constant = |from| self.is_constant(text, &tag.tokens[from..], &scopes);
            match *words.first()? {
                _ if tag.kind == TagKind::Print => is_constant(0).then_some(())?,
                "if" => {
                    is_constant(1).then_some(())?;
                    scopes.push(Vec::new());
                }
                "for" => {
                    let of = words.iter().position(|word| *word == "in")?;
                    is_constant(of).then_some(())?;
                    scopes.push([&words[1..of], &["loop"]].concat());
                }
                "elif" if !scopes.is_empty() => is_constant(1).then_some(())?,
                // The `else` of a loop does not see its locals.
                "else" => scopes.last_mut()?.clear(),
                "break" | "continue" if !scopes.is_empty() => {}
                "endif" | "endfor" => {
                    scopes.pop()?;
                }
                _ => return None,
            }
            if scopes.is_empty() {
                return Some(index);
            }
        }
        None
    }
}

/// Whether a tag makes it possible to use variables without their names.
fn hides_names(text: &str, tag: &Tag) -> bool {
    let words = tag.words(text);
    // A component sees variables that its caller does not mention.
    let is_component = tag.kind == TagKind::Statement && words.first() == Some(&"component");
    let mut words = words.into_iter();
    is_component || words.any(|word| word == "__tera_context" || word.starts_with(PREFIX))
}

/// The names in an expression that may be variables.
fn variables<'a>(text: &'a str, tokens: &'a [Token]) -> impl Iterator<Item = &'a str> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text(text));
    let names = tokens.iter().enumerate();
    let names = names.filter(|(_, token)| token.kind == TokenKind::Name);
    let variables = names.filter(move |(at, _)| {
        let before = at.checked_sub(1).map_or("", word);
        // A field, a filter, an argument's name.
        !matches!(before, "." | "|") && word(at + 1) != "="
    });
    variables.map(|(_, token)| token.text(text))
}

/// Names that a tag gives to values, and the variables that these are made of. `None` if that is not known.
type Binding<'a> = (Vec<&'a str>, Option<Vec<&'a str>>);

fn bindings_in<'a>(text: &'a str, tokens: &'a [Token]) -> Vec<Binding<'a>> {
    let mut bindings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let after = &tokens[at + 1..];
        let words = || after.iter().map(|token| token.text(text));
        match token.text(text) {
            "for" => {
                let names = words().take_while(|word| *word != "in").chain(["loop"]);
                bindings.push((names.collect(), Some(variables(text, after).collect())));
            }
            "set" | "set_global" => {
                let mut words = words();
                let names = words.next().into_iter().collect();
                let is_expression = words.next() == Some("=");
                let from = is_expression.then(|| variables(text, after).collect());
                bindings.push((names, from));
            }
            _ => {}
        }
    }
    bindings
}

/// The columns, and all names whose value may depend on one.
fn dependent(columns: &BTreeSet<String>, bindings: &[Binding<'_>]) -> BTreeSet<String> {
    let mut dependent = columns.clone();
    loop {
        let known = dependent.len();
        for (names, from) in bindings {
            let depends = match from {
                Some(from) => from.iter().any(|name| dependent.contains(*name)),
                None => true,
            };
            if depends {
                dependent.extend(names.iter().map(|name| (*name).to_owned()));
            }
        }
        if dependent.len() == known {
            return dependent;
        }
    }
}
