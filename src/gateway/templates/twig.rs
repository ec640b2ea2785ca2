//! The templates of the API v2.1: the part of [Twig](https://twig.symfony.com) that the vendor documents, which is
//! `{{ name }}` and `{% if … %}{% elseif … %}{% else %}{% endif %}`, with comments and a few filters.
//!
//! Clients write the templates, so that there is nothing with which a small template could take much time or memory:
//! no loops, no assignments, no concatenation, no includes.

use std::borrow::Cow;

use super::expression::{Expression, FillError, Steps, Tag, Tokens, Values};

/// The most tags of a template.
const MAX_TAGS: usize = 20_000;
/// The most levels of `{% if %}`.
const MAX_LEVELS: usize = 50;

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template<'a>(Vec<Node<'a>>);

#[derive(Debug)]
enum Node<'a> {
    Text(&'a str),
    Output(Expression<'a>),
    /// The branches; the condition of `else` is `None`.
    If(Vec<(Option<Expression<'a>>, Vec<Node<'a>>)>),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct TemplateError {
    line: usize,
    problem: String,
}

impl<'a> Template<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, TemplateError> {
        let mut parser = Parser {
            text,
            at: 0,
            tags: 0,
        };
        let (nodes, end) = parser.nodes(0).map_err(|error| parser.locate(error))?;
        match end {
            None => Ok(Self(nodes)),
            Some(end) => {
                let problem = format!("{{% {} %}} stands outside of {{% if %}}", end.name());
                Err(parser.locate(problem))
            }
        }
    }

    /// The text with these values. Variables without a value are empty. The output has at most `max` bytes.
    pub(super) fn fill(
        &self,
        values: &Values<'_>,
        max: usize,
        steps: &mut Steps,
    ) -> Result<Cow<'a, str>, FillError> {
        if let [] | [Node::Text(_)] = &*self.0 {
            let text = match self.0.first() {
                Some(Node::Text(text)) => text,
                _ => "",
            };
            return match text.len() <= max {
                true => Ok(Cow::Borrowed(text)),
                false => Err(FillError::TooLong),
            };
        }
        let mut output = Output {
            text: String::new(),
            max,
        };
        write(&self.0, values, &mut output, steps)?;
        Ok(Cow::Owned(output.text))
    }
}

struct Output {
    text: String,
    max: usize,
}

impl Output {
    fn push(&mut self, text: &str) -> Result<(), FillError> {
        if self.text.len() + text.len() > self.max {
            return Err(FillError::TooLong);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// The levels are limited, so that this does not recurse deeply.
fn write(
    nodes: &[Node<'_>],
    values: &Values<'_>,
    output: &mut Output,
    steps: &mut Steps,
) -> Result<(), FillError> {
    for node in nodes {
        match node {
            Node::Text(text) => output.push(text)?,
            Node::Output(expression) => output.push(&expression.value(values, steps)?.text())?,
            Node::If(branches) => {
                for (condition, nodes) in branches {
                    let holds = match condition {
                        Some(condition) => condition.value(values, steps)?.is_true(),
                        None => true,
                    };
                    if holds {
                        write(nodes, values, output, steps)?;
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A tag that ends the nodes of a branch.
enum End<'a> {
    Elseif(Expression<'a>),
    Else,
    Endif,
}

impl End<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Elseif(_) => "elseif",
            Self::Else => "else",
            Self::Endif => "endif",
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    tags: usize,
}

impl<'a> Parser<'a> {
    fn locate(&self, problem: String) -> TemplateError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        TemplateError {
            line: before.matches('\n').count() + 1,
            problem,
        }
    }

    /// The nodes up to the end of the text, or up to a tag that ends a branch.
    fn nodes(&mut self, level: usize) -> Result<(Vec<Node<'a>>, Option<End<'a>>), String> {
        let mut nodes = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let Some((start, kind)) = next_tag(rest) else {
                push_text(&mut nodes, rest);
                self.at = self.text.len();
                return Ok((nodes, None));
            };
            let inside = &rest[start + 2..];
            let trims = inside.starts_with(['-', '~']);
            let before = &rest[..start];
            push_text(&mut nodes, if trims { before.trim_end() } else { before });
            self.at += start;
            self.tags += 1;
            if self.tags > MAX_TAGS {
                return Err(format!("there are more than {MAX_TAGS} tags"));
            }
            let inside = &inside[usize::from(trims)..];
            let inside_at = self.at + 2 + usize::from(trims);
            match kind {
                Tag::Comment => {
                    let end = inside
                        .find("#}")
                        .ok_or("a comment {# is not closed by #}")?;
                    self.after(inside_at + end, kind);
                }
                Tag::Output => {
                    let mut tokens = Tokens::new(inside, Tag::Output);
                    let expression = Expression::parse(&mut tokens)?;
                    let end = tokens.end()?;
                    nodes.push(Node::Output(expression));
                    self.after(inside_at + end, kind);
                }
                Tag::Block => {
                    let mut tokens = Tokens::new(inside, Tag::Block);
                    let name = tokens.word().unwrap_or_default();
                    let end = match name {
                        "if" => {
                            let condition = Expression::parse(&mut tokens)?;
                            let end = tokens.end()?;
                            self.after(inside_at + end, kind);
                            nodes.push(self.branches(condition, level + 1)?);
                            continue;
                        }
                        "elseif" | "elif" => End::Elseif(Expression::parse(&mut tokens)?),
                        "else" => End::Else,
                        "endif" => End::Endif,
                        name => {
                            let name: String = name.chars().take(40).collect();
                            return Err(format!(
                                "the tag {{% {name} %}} is not supported: use if, elseif, else and endif"
                            ));
                        }
                    };
                    let close = tokens.end()?;
                    // Outside of an `if`, the error is about this tag.
                    if level > 0 {
                        self.after(inside_at + close, kind);
                    }
                    return Ok((nodes, Some(end)));
                }
            }
        }
    }

    /// The rest of an `{% if %}`.
    fn branches(&mut self, condition: Expression<'a>, level: usize) -> Result<Node<'a>, String> {
        if level > MAX_LEVELS {
            return Err(format!("{{% if %}} is nested more than {MAX_LEVELS} times"));
        }
        let mut branches = Vec::new();
        let mut condition = Some(condition);
        loop {
            let is_else = condition.is_none();
            let (nodes, end) = self.nodes(level)?;
            branches.push((condition.take(), nodes));
            match end {
                None => return Err("{% if %} is not closed by {% endif %}".to_owned()),
                Some(End::Endif) => return Ok(Node::If(branches)),
                Some(end) if is_else => {
                    return Err(format!("{{% {} %}} follows {{% else %}}", end.name()));
                }
                Some(End::Elseif(next)) => condition = Some(next),
                Some(End::Else) => {}
            }
        }
    }

    /// Continues after a tag with its closing braces at `close`. Like Twig, leaves out a line break after a block or a
    /// comment.
    fn after(&mut self, close: usize, kind: Tag) {
        let before = self.text[..close].chars().next_back();
        let rest = &self.text[close + 2..];
        let rest = match (before, kind) {
            (Some('-' | '~'), _) => rest.trim_start(),
            (_, Tag::Block | Tag::Comment) => rest
                .strip_prefix('\n')
                .or_else(|| rest.strip_prefix("\r\n"))
                .unwrap_or(rest),
            _ => rest,
        };
        self.at = self.text.len() - rest.len();
    }
}

fn push_text<'a>(nodes: &mut Vec<Node<'a>>, text: &'a str) {
    if !text.is_empty() {
        nodes.push(Node::Text(text));
    }
}

/// Where the next tag begins.
fn next_tag(text: &str) -> Option<(usize, Tag)> {
    let mut braces = text.match_indices('{');
    braces.find_map(|(at, _)| {
        let kind = match text.as_bytes().get(at + 1)? {
            b'{' => Tag::Output,
            b'%' => Tag::Block,
            b'#' => Tag::Comment,
            _ => return None,
        };
        Some((at, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::V2Vars;

    fn vars() -> V2Vars {
        let vars = serde_json::json!({
            "name": "Ann", "empty": "", "zero": 0, "count": 5, "price": 9.5, "five": "5", "yes": true, "no": false,
            "nothing": null, "html": "<b>&\"'",
        });
        serde_json::from_value(vars).expect("values")
    }

    fn fill_up_to(text: &str, max: usize) -> Result<String, FillError> {
        let (global, own) = (V2Vars::new(), vars());
        let values = Values {
            global: &global,
            own: &own,
        };
        let template = Template::parse(text).expect("a template");
        let filled = template.fill(&values, max, &mut Steps::new(100_000));
        filled.map(Cow::into_owned)
    }

    fn fill(text: &str) -> String {
        fill_up_to(text, 1000).expect("a text")
    }

    fn error(text: &str) -> String {
        Template::parse(text).expect_err("an error").to_string()
    }

    #[test]
    fn values_are_written_as_php_does() {
        for (template, expected) in [
            ("", ""),
            ("plain { } text", "plain { } text"),
            ("Hello {{ name }}!", "Hello Ann!"),
            ("{{name}}{{ other }}{{ nothing }}", "Ann"),
            ("{{ count }} {{ price }} {{ yes }}{{ no }}", "5 9.5 1"),
            ("{{ html }}", "<b>&\"'"),
            ("{{ html|e }}", "&lt;b&gt;&amp;&quot;&#039;"),
            ("{{ html | escape | raw }}", "&lt;b&gt;&amp;&quot;&#039;"),
            (
                "{{ other|default('you') }} {{ empty|default(name) }}",
                "you Ann",
            ),
            (
                "{{ name|upper }}{{ name|lower }}{{ ' x '|trim }}",
                "ANNannx",
            ),
            ("a {#- {{ name }} -#} b", "ab"),
            ("a {{- name -}} b", "aAnnb"),
            ("{{ '}}' }}{{ \"a\\\"b\" }}", "}}a\"b"),
        ] {
            assert_eq!(fill(template), expected, "{template}");
        }
    }

    #[test]
    fn the_first_branch_that_holds_is_written() {
        let text = "{% if count > 5 %}\nmany\n{% elseif count == 5 %}\nfive\n{% else %}\nfew\n{% endif %}\n.";
        assert_eq!(fill(text), "five\n.");
        let holds = |condition: &str| {
            fill(&format!(
                "{{% if {condition} %}}1{{% else %}}0{{% endif %}}"
            )) == "1"
        };
        for condition in [
            "name",
            "yes",
            "price",
            "name == 'Ann'",
            "count == 5",
            "five == 5",
            "5 == five",
            "count != 6",
            "count < 6",
            "count >= 5",
            "price <= 9.5",
            "not no",
            "not (no or zero)",
            "name and count",
            "no or name",
            "name is defined",
            "other is not defined",
            "empty is empty",
            "nothing is null",
            "name is not empty",
            "no == false",
            "yes == true",
            "other == ''",
            "no or not no and yes",
            "'a' < 'b'",
            "count > -1",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in [
            "no",
            "zero",
            "empty",
            "nothing",
            "other",
            "'0'",
            "name == 'ann'",
            "name != 'Ann'",
            "not name",
            "count > 5",
            "other is defined",
            "name is empty",
            "no and name",
            "0 is empty",
        ] {
            assert!(!holds(condition), "{condition}");
        }
        assert_eq!(
            fill("{%if yes%}{% if no %}a{%elif yes%}b{% endif %}{%- endif -%} c"),
            "bc"
        );
    }

    #[test]
    fn errors_have_a_line() {
        for (template, expected) in [
            ("\n\n{{ name", "line 3: "),
            ("{% if name %}", "not closed by {% endif %}"),
            ("a\n{% endif %}", "line 2: {% endif %} stands outside"),
            ("{% else %}", "stands outside"),
            (
                "{% if a %}{% else %}{% else %}{% endif %}",
                "follows {% else %}",
            ),
            (
                "{% for a in b %}{% endfor %}",
                "the tag {% for %} is not supported",
            ),
            (
                "{% include '/etc/passwd' %}",
                "the tag {% include %} is not supported",
            ),
            ("{% set a = 1 %}", "is not supported"),
            ("{{ a ~ b }}", "“~”"),
            ("{{ a|join }}", "the filter join"),
            ("{{ a|default }}", "default"),
            ("{% if a is odd %}{% endif %}", "the test odd"),
            ("{{ }}", "a value"),
            ("{{ 'a }}", "a text is not closed"),
            ("{# a", "not closed by #}"),
            ("{{ a b }}", "“b”"),
            ("{% endif a %}", "“a”"),
        ] {
            let error = error(template);
            assert!(error.contains(expected), "{template}: {error}");
        }
    }

    #[test]
    fn time_and_memory_are_limited() {
        assert_eq!(
            fill_up_to("{{ name }}{{ name }}", 5),
            Err(FillError::TooLong)
        );
        assert_eq!(fill_up_to("plain", 4), Err(FillError::TooLong));
        let many = "{{ name }}".repeat(MAX_TAGS + 1);
        assert!(error(&many).contains("20000 tags"));
        let nested = "{% if a %}".repeat(1000);
        assert!(error(&nested).contains("nested"));
        for deep in ["(".repeat(100_000), "not ".repeat(100_000)] {
            assert!(error(&format!("{{{{ {deep}")).contains("nested"));
        }
        let long = format!(
            "{{% if {} %}}{{% endif %}}",
            vec!["no"; 300_000].join(" or ")
        );
        assert!(error(&long).contains("too long"));
        let (global, own) = (V2Vars::new(), vars());
        let values = Values {
            global: &global,
            own: &own,
        };
        let template = Template::parse("{{ name }}{{ name }}{{ name }}").expect("a template");
        let filled = template.fill(&values, 1000, &mut Steps::new(2));
        assert_eq!(filled, Err(FillError::TooManySteps));
    }
}
