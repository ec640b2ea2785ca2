//! Where the templates use a name, and how.

use std::ops::Range;

use super::Sources;
use crate::render::tags::{Kind, Tag, TokenKind, literal, locals};
use crate::render::values::ROW;

/// A name where it stands for a value: no field, no argument's name, no part of a string.
#[derive(Clone, Copy)]
struct Use<'a> {
    template: &'a str,
    text: &'a str,
    tag: &'a Tag,
    /// Its first token in the tag.
    first: usize,
    /// How many it has: a column that is looked up in `row` has several.
    tokens: usize,
}

impl<'a> Use<'a> {
    fn token(&self, at: usize) -> &'a str {
        let token = self.tag.tokens.get(at);
        token.map_or("", |token| token.text(self.text))
    }

    /// The token before it, or nothing.
    fn before(&self) -> &'a str {
        let at = self.first.checked_sub(1);
        at.map_or("", |at| self.token(at))
    }

    /// The token so many after it, or nothing.
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

    /// Whether it is asked whether it is there, or handed on to where that may be asked.
    fn asks(&self) -> bool {
        let is_if = |at: usize| self.token(at) == "if";
        let in_condition = self.tag.kind == Kind::Statement && self.token(0) == "elif"
            || (0..self.first).any(is_if);
        in_condition || self.after(0) == "or" || self.before() == "="
    }

    /// Whether something is said of its being undefined.
    fn is_guarded(&self) -> bool {
        let rest = [0, 1, 2].map(|at| self.after(at));
        matches!(
            rest,
            ["is", "defined" | "undefined", _]
                | ["is", "not", "defined" | "undefined"]
                | ["|", "default", _]
        )
    }

    /// The column that this `row` is asked for, and all of its tokens.
    fn column(&self) -> Option<(&'a str, Self)> {
        let name = self.first + 2;
        let (column, tokens) = match (self.after(0), self.after(2)) {
            ("[", "]") => (literal(self.token(name))?, 4),
            (".", _) => (self.token(name), 3),
            _ => return None,
        };
        Some((column, Self { tokens, ..*self }))
    }
}

impl Sources {
    fn uses<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Use<'a>> + Clone + 'a {
        let tags = self
            .templates
            .iter()
            .flat_map(|(name, it)| it.tags.iter().map(move |tag| (name.as_str(), it, tag)));
        let all = tags.flat_map(|(template, it, tag)| {
            (0..tag.tokens.len()).map(move |first| Use {
                template,
                text: &it.text,
                tag,
                first,
                tokens: 1,
            })
        });
        all.filter(move |it| it.is(name))
    }

    /// Where a column is looked up in `row`; nowhere if the templates call something else that.
    fn lookups(&self) -> impl Iterator<Item = (&str, Use<'_>)> {
        let lookups = self.uses(ROW).filter_map(|it| it.column());
        lookups.filter(|(_, it)| !self.has_other_row(it.template))
    }

    /// Whether `row` is this template's own name for something, in a loop, say.
    fn has_other_row(&self, template: &str) -> bool {
        self.templates.get(template).is_some_and(|it| {
            let takes_it = |tag: &Tag| {
                let mut texts = tag.tokens.iter().map(|token| token.text(&it.text));
                texts.next() == Some("component") && texts.any(|text| text == ROW)
            };
            locals(&it.text, &it.tags).contains(ROW) || it.tags.iter().any(takes_it)
        })
    }

    /// Whether a template gives the variable a value of its own.
    pub(in crate::render) fn sets(&self, variable: &str) -> bool {
        self.templates.values().any(|template| {
            template.tags.iter().any(|tag| {
                let mut tokens = tag.tokens.iter().map(|token| token.text(&template.text));
                let sets = matches!(tokens.next(), Some("set" | "set_global"));
                sets && tokens.next() == Some(variable)
            })
        })
    }

    /// The first place where the variable is used, if nothing is said anywhere of its being undefined.
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

    /// Whether the templates reckon with a column that is empty: it stands in a condition, or before
    /// an `or`, somewhere.
    pub(in crate::render) fn asks_for(&self, column: &str) -> bool {
        let looked_up = self.lookups().filter(|(of, _)| *of == column);
        let mut uses = self.uses(column).chain(looked_up.map(|(_, it)| it));
        uses.any(|it| it.asks())
    }

    /// Whether some `row` of the templates is not asked for one column.
    pub(in crate::render) fn looks_up_any(&self) -> bool {
        let mut uses = self.uses(ROW);
        uses.any(|it| it.column().is_none() || self.has_other_row(it.template))
    }

    /// Whether something is said somewhere of a column's not being in `row`.
    pub(in crate::render) fn is_guarded(&self, column: &str) -> bool {
        let guarded = |it: &Use<'_>| it.is_guarded();
        let is_asked = |it: Use<'_>| {
            let before = |count| it.first.checked_sub(count).map_or("", |at| it.token(at));
            let name = match (before(2), before(1)) {
                ("not", "in") => before(3),
                (name, "in") => name,
                _ => "",
            };
            literal(name) == Some(column)
        };
        let mut lookups = self.lookups().filter(|(of, _)| *of == column);
        lookups.any(|(_, it)| guarded(&it)) || self.uses(ROW).any(is_asked)
    }

    /// Every column that is looked up in `row`: template, place, column.
    pub(in crate::render) fn row_lookups(&self) -> Vec<(String, Range<usize>, String)> {
        let lookups = self.lookups();
        lookups
            .map(|(column, it)| (it.template.to_owned(), it.span(), column.to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn sources(template: &str) -> Sources {
        let campaign = Source {
            path: "campaign.toml".into(),
            text: String::new(),
        };
        let mut sources = Sources::new(&campaign, &[], &[]);
        sources.add_file("a.html", template);
        sources
    }

    #[test]
    fn names_are_told_from_fields_strings_and_arguments() {
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
    fn what_is_asked_for_is_known() {
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
    fn columns_are_looked_up_by_name() {
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
    fn a_variable_may_be_the_templates_own() {
        assert!(sources("{% set a = 1 %}").sets("a"));
        assert!(sources("{%- set_global a %}1{% endset %}").sets("a"));
        assert!(!sources("{% set b = a %}{{ set }}").sets("a"));
    }
}
