//! Which rows are sent: the expressions of `where` and of `send --where`.

use std::path::PathBuf;

use jiff::Timestamp;
use tera::{Kwargs, State, Tera, TeraResult, Value};

use super::context::{self, Cells, Columns, RECIPIENT, ROW};
use super::explain::Sources;
use super::filters::new_tera;
use super::limited_output;
use super::tags::tags;
use super::variables;
use crate::address::Mailbox;
use crate::campaign::{Campaign, Text, not_an_expression};
use crate::finding::Finding;
use crate::source::Source;

/// The name of the option in errors.
const OPTION: &str = "--where";
/// The template before and after the expression.
const BEFORE: &str = "{{ (";
const AFTER: &str = ") | mailrun_condition }}";
/// The output of an expression that is true.
const TRUE: &str = "1";

/// Selects rows. By default, all of them.
#[derive(Default)]
pub(crate) struct RowSelection(Vec<Condition>);

struct Condition {
    /// Where the user wrote it: `where`, or `--where`.
    name: &'static str,
    tera: Tera,
    sources: Sources,
    columns: Columns,
    /// The columns that are operands of `and`, `or` and `not` without a comparison.
    bare: Vec<usize>,
    /// The error if one of them is a text.
    bare_text: Option<Box<Finding>>,
}

impl RowSelection {
    /// Compiles the expressions for rows with the columns `header`. `started` is the time that `now()` returns.
    ///
    /// # Errors
    /// Syntax errors and unknown names.
    pub(crate) fn new(
        campaign: &Campaign,
        header: &[String],
        started: Timestamp,
    ) -> Result<Self, Vec<Finding>> {
        let mut conditions = Vec::new();
        let compile = |name, source: &Source, text: &Text| {
            Condition::new(name, source, text, campaign, header, started)
        };
        if let Some(text) = &campaign.recipients.selection {
            conditions.push(compile("where", &campaign.source, text)?);
        }
        if let Some(text) = &campaign.recipients.further_selection {
            let source = Source {
                path: PathBuf::from(OPTION),
                text: text.clone(),
            };
            if let Some(help) = not_an_expression(text) {
                let message = "`--where` must be an expression";
                let finding = source.error("bad-value", 0..text.len(), message);
                return Err(vec![finding.help(help)]);
            }
            let text = Text::new(0..text.len(), text.clone());
            conditions.push(compile(OPTION, &source, &text)?);
        }
        Ok(Self(conditions))
    }

    /// The name of the first expression that does not select the row. `json` are the indexes of cells that are JSON. `mailbox` is `None` if its address is
    /// invalid.
    ///
    /// # Errors
    /// An expression can't be computed for this row, or is neither true nor false.
    pub(crate) fn excludes<'a>(
        &self,
        cells: impl Iterator<Item = &'a str>,
        json: &[usize],
        mailbox: Option<&Mailbox>,
    ) -> Result<Option<&'static str>, Box<Finding>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let cells: Vec<String> = cells.map(str::to_owned).collect();
        for condition in &self.0 {
            let cells = Cells {
                cells: &cells,
                json,
            };
            if !condition.is_true(cells, mailbox)? {
                return Ok(Some(condition.name));
            }
        }
        Ok(None)
    }
}

impl Condition {
    fn new(
        name: &'static str,
        source: &Source,
        text: &Text,
        campaign: &Campaign,
        header: &[String],
        started: Timestamp,
    ) -> Result<Self, Vec<Finding>> {
        let mut sources = Sources::new(source, header, &campaign.vars);
        let mut tera = new_tera(started, None);
        tera.autoescape_on(Vec::<&str>::new());
        tera.register_filter("mailrun_condition", condition);
        // The engine of the message reports names that are also columns.
        context::insert_vars(&mut tera, campaign, header);
        let template = format!("{BEFORE}{}{AFTER}", text.get_ref());
        let written = BEFORE.len()..template.len() - AFTER.len();
        sources.add_expression(name, &template, written, text.span());
        tera.add_raw_template(name, &template)
            .map_err(|error| sources.explain_all(name, &error))?;
        let mut used = variables::used(&tera, &[name]);
        let own = [ROW, RECIPIENT];
        let expression = Expression::new(text.get_ref());
        if !expression.is_balanced() {
            let finding = source.error("bad-value", text.span(), "the parentheses don't match");
            return Err(vec![
                finding.help("each ( needs a ), and each ) a ( before it"),
            ]);
        }
        let bare = expression.bare_operands(header);
        let bare_text = bare.first().map(|first| {
            let column = &header[*first];
            let message = format!(
                "`{column}` is an operand of `and`, `or` or `not` without a comparison. It is text, and every text but an empty one is true, also “no”"
            );
            let help = format!("compare it: {column} == 'yes', or {column} != '' if any text will do");
            Box::new(source.error("template-error", text.span(), message).help(help))
        });
        let mut unknown = sources.unknown_arguments();
        unknown.extend(variables::unknown(&sources, &used, header, campaign, &own));
        if !unknown.is_empty() {
            return Err(unknown);
        }
        used.retain(|name| !campaign.vars.iter().any(|(var, _)| var.get_ref() == name));
        Ok(Self {
            name,
            columns: Columns::new(header, &campaign.recipients.settings, &used, None),
            tera,
            sources,
            bare,
            bare_text,
        })
    }

    fn is_true(&self, cells: Cells<'_>, mailbox: Option<&Mailbox>) -> Result<bool, Box<Finding>> {
        // A cell of a JSON file may be a boolean.
        if let Some(finding) = &self.bare_text
            && self.bare.iter().any(|index| !cells.is_json(*index))
        {
            return Err(finding.clone());
        }
        let context = self.columns.of_cells(cells, mailbox);
        let output = limited_output::render(&self.tera, self.name, &context);
        output
            .map(|output| output == TRUE)
            .map_err(|error| Box::new(self.sources.explain(self.name, &error)))
    }
}

/// The tokens of an expression.
struct Expression(Vec<String>);

impl Expression {
    fn new(text: &str) -> Self {
        let template = format!("{{{{ {text} }}}}");
        let tags = tags(&template).unwrap_or_default();
        let words = tags.iter().flat_map(|tag| tag.words(&template));
        Self(words.map(str::to_owned).collect())
    }

    fn is_balanced(&self) -> bool {
        let mut open = 0_usize;
        self.0.iter().all(|word| match word.as_str() {
            "(" => {
                open += 1;
                true
            }
            ")" => {
                let is_open = open > 0;
                open = open.saturating_sub(1);
                is_open
            }
            _ => true,
        }) && open == 0
    }

    /// The indexes of the columns that are operands of `and`, `or` and `not` as they are.
    fn bare_operands(&self, header: &[String]) -> Vec<usize> {
        let word = |at: usize| self.0.get(at).map(String::as_str);
        let mut found = Vec::new();
        for at in 0..self.0.len() {
            let Some(column) = header
                .iter()
                .position(|name| Some(name.as_str()) == word(at))
            else {
                continue;
            };
            let (mut before, mut after) = (at.checked_sub(1), at + 1);
            // The parentheses around it.
            while before.and_then(word) == Some("(") && word(after) == Some(")") {
                before = before.and_then(|before| before.checked_sub(1));
                after += 1;
            }
            let before = before.and_then(word);
            let is_right = matches!(before, Some("and" | "or" | "not"));
            let is_left = matches!(word(after), Some("and" | "or"))
                && matches!(before, None | Some("(" | "and" | "or" | "not"));
            let ends = matches!(word(after), None | Some(")" | "and" | "or" | "if" | "else"));
            if is_left || is_right && ends {
                found.push(column);
            }
        }
        found
    }
}

/// Prints [`TRUE`] for `true` and nothing for `false`. Anything else is a mistake: as a condition, the text `no` would be
/// true.
fn condition(value: &Value, _: Kwargs, _: &State) -> TeraResult<&'static str> {
    match value.as_bool() {
        Some(true) => Ok(TRUE),
        Some(false) => Ok(""),
        None => Err(tera::Error::message(format!(
            "`where` must be true or false, but here it is “{value}”: compare it, as in city == 'Gdańsk'"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::Expression;

    fn bare(text: &str) -> Vec<usize> {
        let header = ["send", "city", "n"].map(str::to_owned);
        Expression::new(text).bare_operands(&header)
    }

    #[test]
    fn columns_without_a_comparison_are_found() {
        assert_eq!(bare("send and city == 'X'"), [0]);
        assert_eq!(bare("city == 'X' and send"), [0]);
        assert_eq!(bare("not send"), [0]);
        assert_eq!(bare("(send) or ((city))"), [0, 1]);
        assert_eq!(bare("city == 'X' and (send or n == '1')"), [0]);
        assert_eq!(bare("not send and city == 'X'"), [0]);
        for fine in [
            "send == 'yes' and city == 'X'",
            "'yes' == send and city",
            "not send == 'yes'",
            "send is starting_with('y') or city in ['X']",
            "n | int > 5 and send != ''",
            "city == 'send and n'",
        ] {
            let expected: &[usize] = if fine.ends_with("and city") {
                &[1]
            } else {
                &[]
            };
            assert_eq!(bare(fine), expected, "{fine}");
        }
    }

    #[test]
    fn parentheses_must_match() {
        assert!(Expression::new("(send == 'a') or (city == ')')").is_balanced());
        assert!(!Expression::new("n | int) or (1 == 1").is_balanced());
        assert!(!Expression::new("(n == '1'").is_balanced());
    }
}
