//! A template taken apart: what of it is each row's own, and the same template with names for that.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::campaign::is_identifier;
use crate::render::tags::{Kind, Tag, Token, TokenKind, literal, tags};
use crate::render::values::ROW;

/// What begins the names that stand for what is a row's own.
pub(super) const PREFIX: &str = "mailrun_";

/// The name that stands for a value.
pub(super) fn value_name(number: usize) -> String {
    format!("{PREFIX}value_{number}")
}

/// The name that stands for what a condition comes to.
pub(super) fn question_name(number: usize) -> String {
    format!("{PREFIX}question_{number}")
}

/// The expressions of all templates, each once.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    /// Those that are written.
    pub(super) values: Vec<Expression>,
    /// Those that are asked whether they are true.
    pub(super) questions: Vec<Expression>,
}

/// An expression that a row's columns have a say in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    /// As it stands in the template.
    pub(super) text: String,
    /// What it is, if that is plain.
    pub(super) plain: Option<Plain>,
}

/// An expression that needs no engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plain {
    /// The column of this name.
    Column(String),
    /// Whether a column has this value.
    Equal(String, String),
    /// Whether it has not.
    NotEqual(String, String),
}

/// A template taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// The template with names in the place of the expressions.
    pub(super) template: String,
    /// The numbers of the values in it.
    pub(super) values: BTreeSet<usize>,
    /// The numbers of the conditions in it.
    pub(super) questions: BTreeSet<usize>,
    /// The columns that it uses otherwise, in ways that are not told.
    pub(super) columns: BTreeSet<String>,
    /// The templates that it includes or extends.
    pub(super) others: BTreeSet<String>,
}

/// What is known of the names in templates.
pub(super) struct Names<'a> {
    /// The columns.
    pub(super) header: &'a [String],
    /// Those that templates give to values themselves.
    pub(super) locals: &'a BTreeSet<String>,
}

/// Takes a template apart. Nothing if what is in it can't be told, or depends on what is around it.
pub(super) fn take_apart(
    template: &str,
    names: &Names<'_>,
    expressions: &mut Expressions,
) -> Option<Parts> {
    let mut taking = Taking {
        text: template,
        names,
        expressions,
        parts: Parts {
            template: String::with_capacity(template.len()),
            values: BTreeSet::new(),
            questions: BTreeSet::new(),
            columns: BTreeSet::new(),
            others: BTreeSet::new(),
        },
        copied: 0,
    };
    for tag in tags(template)? {
        taking.tag(&tag)?;
    }
    taking.parts.template.push_str(&template[taking.copied..]);
    Some(taking.parts)
}

struct Taking<'a> {
    text: &'a str,
    names: &'a Names<'a>,
    expressions: &'a mut Expressions,
    parts: Parts,
    /// How much of the text has been copied.
    copied: usize,
}

impl Taking<'_> {
    fn tag(&mut self, tag: &Tag) -> Option<()> {
        let texts: Vec<&str> = tag.tokens.iter().map(|it| it.text(self.text)).collect();
        let first = *texts.first()?;
        // A map has names that are no variables.
        if texts.contains(&"{") {
            return None;
        }
        if tag.kind == Kind::Print {
            // A component may write markup, and does so elsewhere.
            return match texts.contains(&"<") {
                true => None,
                false => self.expression(tag.kind, &tag.tokens),
            };
        }
        match first {
            "if" | "elif" => self.expression(tag.kind, &tag.tokens[1..]),
            "else" | "endif" | "for" | "endfor" | "break" | "continue" => self.other(&tag.tokens),
            "block" | "endblock" => Some(()),
            "set" | "set_global" if texts.contains(&"=") => self.other(&tag.tokens),
            "include" | "extends" if texts.len() == 2 => {
                let name = literal(texts[1])?;
                self.parts.others.insert(name.to_owned());
                Some(())
            }
            // What is written inside is worked on before it is written.
            _ => None,
        }
    }

    /// Puts a name in the place of an expression that is the row's own.
    fn expression(&mut self, kind: Kind, tokens: &[Token]) -> Option<()> {
        if !self.is_own(tokens)? {
            return self.other(tokens);
        }
        let expression = Expression {
            text: self.text[span(tokens)].to_owned(),
            plain: self.plain(tokens),
        };
        let (parts, all) = (&mut self.parts, &mut *self.expressions);
        let name = match kind {
            Kind::Print => value_name(number(&mut all.values, &mut parts.values, expression)),
            Kind::Statement => {
                question_name(number(&mut all.questions, &mut parts.questions, expression))
            }
        };
        self.put(&span(tokens), &name);
        Some(())
    }

    /// Whether an expression is a row's own and means the same anywhere in the templates.
    fn is_own(&self, tokens: &[Token]) -> Option<bool> {
        let mut own = false;
        for name in self.names_in(tokens) {
            if is_of_the_engine(name) {
                return None;
            }
            if self.names.locals.contains(name) || name == "super" {
                return Some(false);
            }
            own |= name == ROW || self.is_column(name);
        }
        Some(own)
    }

    /// The columns of a part that stays as it is have whole a say in what is written.
    fn other(&mut self, tokens: &[Token]) -> Option<()> {
        let names = || self.names_in(tokens);
        if names().any(|name| name == ROW || is_of_the_engine(name)) {
            return None;
        }
        let columns = names().filter(|name| self.is_column(name));
        let columns: Vec<String> = columns.map(str::to_owned).collect();
        self.parts.columns.extend(columns);
        Some(())
    }

    fn names_in<'a>(&'a self, tokens: &'a [Token]) -> impl Iterator<Item = &'a str> {
        let names = tokens.iter().filter(|it| it.kind == TokenKind::Name);
        names.map(|token| token.text(self.text))
    }

    fn is_column(&self, name: &str) -> bool {
        is_identifier(name) && self.names.header.iter().any(|column| column == name)
    }

    fn put(&mut self, span: &Range<usize>, name: &str) {
        let before = &self.text[self.copied..span.start];
        self.parts.template.push_str(before);
        self.parts.template.push_str(name);
        self.copied = span.end;
    }

    fn plain(&self, tokens: &[Token]) -> Option<Plain> {
        let texts: Vec<&str> = tokens.iter().map(|it| it.text(self.text)).collect();
        let (column, rest) = match *texts {
            [ROW, "[", name, "]", ..] => (literal(name)?, &texts[4..]),
            [name, ..] if self.is_column(name) => (name, &texts[1..]),
            _ => return None,
        };
        if column.is_empty() || !self.names.header.iter().any(|name| name == column) {
            return None;
        }
        let column = column.to_owned();
        match *rest {
            [] => Some(Plain::Column(column)),
            ["==", value] => Some(Plain::Equal(column, literal(value)?.to_owned())),
            ["!=", value] => Some(Plain::NotEqual(column, literal(value)?.to_owned())),
            _ => None,
        }
    }
}

/// Whether a name stands for all others, or is one of ours.
fn is_of_the_engine(name: &str) -> bool {
    name == "__tera_context" || name.starts_with(PREFIX)
}

/// Where tokens stand; there is at least one.
fn span(tokens: &[Token]) -> Range<usize> {
    let start = tokens.first().map_or(0, |token| token.span.start);
    let end = tokens.last().map_or(start, |token| token.span.end);
    start..end
}

/// The number of an expression among those that are known, noted for the template that it is in.
fn number(
    known: &mut Vec<Expression>,
    here: &mut BTreeSet<usize>,
    expression: Expression,
) -> usize {
    let found = known.iter().position(|one| *one == expression);
    let number = found.unwrap_or(known.len());
    if found.is_none() {
        known.push(expression);
    }
    here.insert(number);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tags::locals;

    /// A template taken apart: what is left, its values, its conditions, and the columns in it.
    type Apart = (String, Vec<String>, Vec<String>, Vec<String>);

    fn apart(template: &str) -> Option<Apart> {
        let header = ["a", "b", "First name"].map(str::to_owned);
        let names = Names {
            header: &header,
            locals: &locals(template, &tags(template).unwrap_or_default()),
        };
        let mut expressions = Expressions::default();
        let parts = take_apart(template, &names, &mut expressions)?;
        let texts = |all: &[Expression]| all.iter().map(|it| it.text.clone()).collect();
        Some((
            parts.template,
            texts(&expressions.values),
            texts(&expressions.questions),
            parts.columns.into_iter().collect(),
        ))
    }

    fn is(template: &str, left: &str, values: &[&str], questions: &[&str], columns: &[&str]) {
        let list = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
        let parts = (
            left.to_owned(),
            list(values),
            list(questions),
            list(columns),
        );
        assert_eq!(apart(template), Some(parts), "{template}");
    }

    #[test]
    fn what_is_the_rows_own_gets_names() {
        is(
            "Hi {{- a -}}, {{ a | upper ~ c }}{{ c }}{{ row[\"First name\"] }} {{a}}",
            "Hi {{- mailrun_value_0 -}}, {{ mailrun_value_1 }}{{ c }}{{ mailrun_value_2 }} {{mailrun_value_0}}",
            &["a", "a | upper ~ c", "row[\"First name\"]"],
            &[],
            &[],
        );
        is(
            "{% if a and c %}x{%- elif not b == 'y' %}{% elif c %}{% else %}{% endif %}{# {{ a }} #}",
            "{% if mailrun_question_0 %}x{%- elif mailrun_question_1 %}{% elif c %}{% else %}{% endif %}{# {{ a }} #}",
            &[],
            &["a and c", "not b == 'y'"],
            &[],
        );
    }

    #[test]
    fn what_depends_on_its_place_stays_and_its_columns_are_told() {
        let loops = "{% for x in a | split(pat=',') %}{{ x ~ b }}{% if x == b %}{{ loop.index }}{% endif %}{% endfor %}";
        is(loops, loops, &[], &[], &["a", "b"]);
        let sets = "{% set x = a | upper %}{{ x }}{% set b = 1 %}{{ b }}";
        is(sets, sets, &[], &[], &["a", "b"]);
        let comprehension = "{{ [x for x in c if x == a] }}";
        is(comprehension, comprehension, &[], &[], &["a"]);
    }

    #[test]
    fn what_cannot_be_told_is_left_alone() {
        for template in [
            "{% filter upper %}{{ a }}{% endfilter %}",
            "{% raw %}{{ a }}{% endraw %}",
            "{% if {'a': 1} %}{% endif %}",
            "{% set x %}{{ a }}{% endset %}{{ x }}",
            "{% component x() %}{{ a }}{% endcomponent x %}",
            "{{ <x y={a} /> }}",
            "{{ __tera_context }}",
            "{{ mailrun_value_0 }}{{ a }}",
            "{% for x in row %}{{ x }}{% endfor %}",
            "{{ {'a': a}.a }}",
        ] {
            assert_eq!(apart(template), None, "{template}");
        }
    }

    #[test]
    fn plain_expressions_are_known() {
        let plain = |template: &str| {
            let header = ["a", "First name"].map(str::to_owned);
            let names = Names {
                header: &header,
                locals: &BTreeSet::new(),
            };
            let mut expressions = Expressions::default();
            take_apart(template, &names, &mut expressions).expect("parts");
            let mut all = expressions.values.into_iter().chain(expressions.questions);
            all.next().and_then(|it| it.plain)
        };
        let column = |name: &str| Some(Plain::Column(name.to_owned()));
        assert_eq!(plain("{{ a }}"), column("a"));
        assert_eq!(plain("{{ row['First name'] }}"), column("First name"));
        assert_eq!(
            plain("{% if a == 'x' %}{% endif %}"),
            Some(Plain::Equal("a".to_owned(), "x".to_owned()))
        );
        assert_eq!(
            plain("{% if row[`First name`] != \"x\" %}{% endif %}"),
            Some(Plain::NotEqual("First name".to_owned(), "x".to_owned()))
        );
        for template in [
            "{{ a.b }}",
            "{{ row['b'] }}",
            "{{ row[a] }}",
            "{% if a == 'x' and c %}{% endif %}",
            "{% if a == '\\n' %}{% endif %}",
            "{% if a == 1 %}{% endif %}",
            "{% if not a %}{% endif %}",
        ] {
            assert_eq!(plain(template), None, "{template}");
        }
    }
}
