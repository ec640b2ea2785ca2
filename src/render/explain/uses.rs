//! Finds where and how the templates use a name.

use std::ops::Range;

use super::Sources;
use crate::render::context::ROW;
use crate::render::tags::{Tag, TagKind, TokenKind, literal, local_names};

/// A name used as a variable: not as a field, as an argument's name or inside a string.
#[derive(Clone, Copy)]
struct Use<'a> {
    template: &'a str,
    text: &'a str,
    tag: &'a Tag,
    /// The index of its first token in the tag.
    first: usize,
    /// How many tokens it has: several if it is a column looked up in `row`.
    tokens: usize,
}

impl<'a> Use<'a> {
    fn token(&self, at: usize) -> &'a str {
        let token = self.tag.tokens.get(at);
        token.map_or("", |token| token.text(self.text))
    }

    /// The token before it, or "".
    fn before(&self) -> &'a str {
        let at = self.first.checked_sub(1);
        at.map_or("", |at| self.token(at))
    }

    /// A token after it, counted from 0, or "".
    fn after(&self, at: usize) -> &'a str {
        self.token(self.first + self.tokens + at)
    }

    fn is(&self, name: &str) -> bool {
        self.tag.tokens[self.first].kind == TokenKind::Name
            && self.token(self.first) == name
            && self.before() != "."
            && self.after(0) != "="
    }

    fn span(&self) -> Range<usize> {
        let tokens = &self.tag.tokens[self.first..self.first + self.tokens];
        let end = tokens.last().map_or(0, |token| token.span.end);
        tokens[0].span.start..end
    }

    /// Whether it stands in a condition, or is passed on to where it may.
    fn is_asked_for(&self) -> bool {
        let is_if = |at: usize| self.token(at) == "if";
        let in_condition = self.tag.kind == TagKind::Statement && self.token(0) == "elif"
            || (0..self.first).any(is_if);
        in_condition || self.after(0) == "or" || self.before() == "="
    }

    /// Whether the template handles that it is undefined.
    fn is_guarded(&self) -> bool {
        let next = [0, 1, 2].map(|at| self.after(at));
        matches!(
            next,
            ["is", "defined" | "undefined", _]
                | ["is", "not", "defined" | "undefined"]
                | ["|", "default", _]
        )
    }

    /// If this is `row`: the column that is looked up in it, and the use with all tokens of the lookup.
    fn lookup(&self) -> Option<(&'a str, Self)> {
        let name = self.first + 2;
        let (column, tokens) = match (self.after(0), self.after(2)) {
            ("[", "]") => (literal(self.token(name))?, 4),
            (".", _) => (self.token(name), 3),
            _ => return None,
        };
        Some((column, Self { tokens, ..*self }))
    }
}

/// Whether a template gives the name `row` to a value of its own, for example in a loop.
pub(super) fn has_other_row(text: &str, tags: &[Tag]) -> bool {
    let is_argument = |tag: &Tag| {
        let mut words = tag.words(text).into_iter();
        words.next() == Some("component") && words.any(|word| word == ROW)
    };
    local_names(text, tags).contains(ROW) || tags.iter().any(is_argument)
}

impl Sources {
    fn uses<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Use<'a>> + Clone + 'a {
        let tags = self
            .all()
            .flat_map(|(template, text, tags)| tags.iter().map(move |tag| (template, text, tag)));
        let all = tags.flat_map(|(template, text, tag)| {
            (0..tag.tokens.len()).map(move |first| Use {
                template,
                text,
                tag,
                first,
                tokens: 1,
            })
        });
        all.filter(move |it| it.is(name))
    }

    /// The columns that are looked up in `row`, except in templates that use this name for something else.
    fn lookups(&self) -> impl Iterator<Item = (&str, Use<'_>)> {
        let lookups = self.uses(ROW).filter_map(|it| it.lookup());
        lookups.filter(|(_, it)| !self.has_other_row(it.template))
    }

    fn has_other_row(&self, template: &str) -> bool {
        self.templates
            .get(template)
            .is_some_and(|template| template.has_other_row)
    }

    /// Whether a template sets the variable.
    pub(in crate::render) fn sets(&self, variable: &str) -> bool {
        self.templates.values().any(|template| {
            template.tags.iter().any(|tag| {
                let mut words = tag.words(&template.text).into_iter();
                let sets = matches!(words.next(), Some("set" | "set_global"));
                sets && words.next() == Some(variable)
            })
        })
    }

    /// The first use of a variable. `None` if some template handles that it is undefined.
    pub(in crate::render) fn place_of_unguarded(
        &self,
        variable: &str,
    ) -> Option<(String, Range<usize>)> {
        let mut uses = self.uses(variable);
        if uses.clone().any(|it| it.is_guarded()) {
            return None;
        }
        uses.next().map(|it| (it.template.to_owned(), it.span()))
    }

    /// Whether some template handles that a column is empty: it stands in a condition or before `or`.
    pub(in crate::render) fn asks_for(&self, column: &str) -> bool {
        let lookups = self.lookups().filter(|(name, _)| *name == column);
        let mut uses = self.uses(column).chain(lookups.map(|(_, it)| it));
        uses.any(|it| it.is_asked_for())
    }

    /// Whether `row` is used in a way that may read any column.
    pub(in crate::render) fn looks_up_any(&self) -> bool {
        let mut uses = self.uses(ROW);
        uses.any(|it| it.lookup().is_none() || self.has_other_row(it.template))
    }

    /// Whether some template handles that `row` does not have a column.
    pub(in crate::render) fn is_guarded(&self, column: &str) -> bool {
        let is_in_row = |it: Use<'_>| {
            let before = |count| it.first.checked_sub(count).map_or("", |at| it.token(at));
            let name = match (before(2), before(1)) {
                ("not", "in") => before(3),
                (name, "in") => name,
                _ => "",
            };
            literal(name) == Some(column)
        };
        let mut lookups = self.lookups().filter(|(name, _)| *name == column);
        lookups.any(|(_, it)| it.is_guarded()) || self.uses(ROW).any(is_in_row)
    }

    /// The template, the place and the column of each lookup in `row`.
    pub(in crate::render) fn row_lookups(&self) -> Vec<(String, Range<usize>, String)> {
        let lookups = self.lookups();
        lookups
            .map(|(column, it)| (it.template.to_owned(), it.span(), column.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_sources as sources;

    #[test]
    fn fields_strings_and_arguments_are_not_variables() {
        for (template, at) in [
            ("{{ a }}", Some(3..4)),
            ("{{ \"it's\" ~ a }}", Some(12..13)),
            ("{{ f(a=1) }}{{ b.a }}{{ 'a' }}{# {{ a }} #} a", None),
            ("{{ {'b': a}.b }}", Some(9..10)),
            (
                "{% raw %}{{ a }}{% endraw %}{% if a %}{% endif %}",
                Some(34..35),
            ),
            ("{{ a }}{{ a | default(value='') }}", None),
            ("{% if a is not defined %}{% endif %}{{ a }}", None),
        ] {
            let place = sources(template).place_of_unguarded("a");
            assert_eq!(place.map(|(_, span)| span), at, "{template}");
        }
    }

    #[test]
    fn columns_in_conditions_are_asked_for() {
        for template in [
            "{% if b and a %}{% endif %}",
            "{% if b %}{% elif a %}{% endif %}",
            "{{ b if a else c }}",
            "{{ a or b }}",
            "{{ row['a'] or b }}",
            "{% if row.a %}{% endif %}",
            "{% set b = a %}",
            "{{ f(b=a) }}",
        ] {
            assert!(sources(template).asks_for("a"), "{template}");
        }
        for template in [
            "{{ a }}",
            "{% if b %}{{ a }}{% endif %}",
            "{{ a if b else c }}",
            "{{ row[a] }}",
            "{{ row.a }}",
            "{% for b in a %}{% endfor %}",
        ] {
            assert!(!sources(template).asks_for("a"), "{template}");
        }
    }

    #[test]
    fn columns_are_looked_up_in_row() {
        let template = "{{ row['a b'] }}{{ row.c }}{{ b.row['x'] }}";
        let lookups = sources(template).row_lookups();
        let names: Vec<_> = lookups
            .iter()
            .map(|(_, span, name)| (&template[span.clone()], name.as_str()))
            .collect();
        assert_eq!(names, [("row['a b']", "a b"), ("row.c", "c")]);
        assert!(!sources(template).looks_up_any());
        for template in [
            "{{ row[a] }}",
            "{{ row['a' ~ b] }}",
            "{{ f(x=row) }}",
            "{% for row in a %}{{ row.b }}{% endfor %}",
            "{% set row = a %}{{ row.b }}",
            "{% component x(row) %}{{ row.b }}{% endcomponent x %}",
        ] {
            assert!(sources(template).looks_up_any(), "{template}");
            assert!(sources(template).row_lookups().is_empty(), "{template}");
        }
    }

    #[test]
    fn a_column_that_may_be_missing_is_guarded() {
        for template in [
            "{% if row.a is defined %}{{ row.a }}{% endif %}",
            "{{ row['a'] | default(value='x') }}{{ row.a }}",
            "{% if 'a' in row %}{{ row.a }}{% endif %}",
            "{% if \"a\" not in row %}{% endif %}",
        ] {
            assert!(sources(template).is_guarded("a"), "{template}");
        }
        assert!(!sources("{{ row.a }}{% if 'b' in row %}{% endif %}").is_guarded("a"));
    }

    #[test]
    fn templates_set_variables() {
        assert!(sources("{% set a = 1 %}").sets("a"));
        assert!(sources("{%- set_global a %}1{% endset %}").sets("a"));
        assert!(!sources("{% set b = a %}{{ set }}").sets("a"));
    }
}
