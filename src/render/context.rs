//! The variables that templates see: the row's columns and `[vars]`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use tera::value::Key;
use tera::{Context, Tera, Value};

use super::json_value::json_value;
use super::row::{OtherRow, Row};
use crate::address::Mailbox;
use crate::campaign::{Campaign, is_identifier};
use crate::finding::Finding;
use crate::recipients::{ReadSettings, address_column, trimmed};
use crate::unsubscribe::UnsubscribeLinks;

/// The variable that holds all cells of the row by the name of their column.
pub(super) const ROW: &str = "row";
/// The variable that holds the address, the display name and the address cell, unless a column or a
/// variable in `[vars]` has this name.
pub(crate) const RECIPIENT: &str = "recipient";
/// The variable with all rows of the group, if the campaign groups rows, and unless a column or a variable in `[vars]` has
/// this name.
pub(crate) const ROWS: &str = "rows";
/// The variable with the row's link to unsubscribe, if the campaign has `[feedback] url`, and unless a column or a variable
/// in `[vars]` has this name.
pub(crate) const UNSUBSCRIBE_URL: &str = "unsubscribe_url";

/// Makes `[vars]` visible to all templates. Returns a finding for each variable that a column would hide.
pub(super) fn insert_vars(tera: &mut Tera, campaign: &Campaign, header: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in &campaign.vars {
        if header.contains(name.get_ref()) {
            let message = format!(
                "`{}` is both a variable in [vars] and a column of the recipients",
                name.get_ref()
            );
            let finding = campaign.source.error("name-clash", name.span(), message);
            findings.push(finding.help(format!(
                "rename the variable; the column is also available as `row[\"{}\"]`",
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
        toml::Value::Boolean(boolean) => Value::from(*boolean),
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

/// Whether templates use the rows of a group. A column of this name comes first.
pub(super) fn uses_rows(used: &BTreeSet<String>, header: &[String]) -> bool {
    used.contains(ROWS) && !header.iter().any(|column| column == ROWS)
}

/// The cells of a row, and the indexes of those that are JSON, in order.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub(super) cells: &'a [String],
    pub(super) json: &'a [usize],
}

impl Cells<'_> {
    pub(super) fn is_json(self, index: usize) -> bool {
        self.json.binary_search(&index).is_ok()
    }
}

/// The columns that the templates use.
pub(super) struct Columns {
    /// The index and the name of each column that is used as a variable.
    variables: Vec<(usize, String)>,
    /// If templates use `row` or `rows`: the key of each column, `None` for columns without a name.
    keys: Vec<Option<Key<'static>>>,
    /// Whether templates use `row`.
    row: bool,
    /// Whether templates use `rows`.
    rows: bool,
    /// Whether templates use `recipient`.
    recipient: bool,
    /// `None` if the campaign has no `[feedback] url`.
    links: Option<UnsubscribeLinks>,
    /// Whether templates use `unsubscribe_url`.
    unsubscribe_url: bool,
    /// The index of the address column.
    email: Option<usize>,
    keep_padding: bool,
}

impl Columns {
    /// `settings` are those that the header was read with.
    pub(super) fn new(
        header: &[String],
        settings: &ReadSettings,
        used: &BTreeSet<String>,
        links: Option<UnsubscribeLinks>,
    ) -> Self {
        let variables = header
            .iter()
            .enumerate()
            .filter(|(_, name)| is_identifier(name) && used.contains(*name));
        let rows = uses_rows(used, header);
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
            keys: match used.contains(ROW) || rows {
                true => keys(),
                false => Vec::new(),
            },
            row: used.contains(ROW),
            rows,
            recipient: used.contains(RECIPIENT),
            unsubscribe_url: used.contains(UNSUBSCRIBE_URL),
            links,
            email: address_column(header, settings),
            keep_padding: settings.keep_padding,
        }
    }

    /// The variables of a row whose address may be invalid.
    pub(super) fn of_cells(&self, cells: Cells<'_>, mailbox: Option<&Mailbox>) -> Context {
        self.context(cells, &[], mailbox, None)
    }

    pub(super) fn of_row<'a>(&'a self, row: &'a Row) -> RowVariables<'a> {
        RowVariables {
            columns: self,
            row,
            context: OnceCell::new(),
            link: OnceCell::new(),
        }
    }

    /// A cell is a string, never a number and never a template, unless it comes from a JSON file. The cell of the
    /// address column is the address alone, as it is sent to.
    fn context(
        &self,
        first: Cells<'_>,
        others: &[OtherRow],
        mailbox: Option<&Mailbox>,
        link: Option<&str>,
    ) -> Context {
        let raw = |index: usize| first.cells.get(index).map_or("", String::as_str);
        let address = mailbox.map(|mailbox| mailbox.address.as_str());
        let cell_of = |row: Cells<'_>, index: usize| {
            let cell = row.cells.get(index).map_or("", String::as_str);
            match address {
                Some(address) if self.email == Some(index) => Value::from(address),
                _ if row.is_json(index) => json_value(cell),
                _ if self.keep_padding => Value::from(cell),
                _ => Value::from(trimmed(cell)),
            }
        };
        let cell = |index: usize| cell_of(first, index);
        let row = |cells: Cells<'_>| {
            let keys = self.keys.iter().enumerate();
            let entries =
                keys.filter_map(|(index, key)| Some((key.clone()?, cell_of(cells, index))));
            Value::from(entries.collect::<tera::Map>())
        };
        let mut context = Context::new();
        if self.recipient {
            let name = mailbox.and_then(|mailbox| mailbox.name.as_deref());
            let entries = [
                ("address", address.unwrap_or_default()),
                ("name", name.unwrap_or_default()),
                ("cell", self.email.map_or("", raw)),
            ];
            let entries = entries.map(|(key, value)| (Key::from(key), Value::from(value)));
            context.insert_value(
                RECIPIENT,
                Value::from(entries.into_iter().collect::<tera::Map>()),
            );
        }
        if let Some(link) = link {
            context.insert_value(UNSUBSCRIBE_URL, Value::from(link));
        }
        if self.rows {
            let others = others
                .iter()
                .map(|OtherRow { cells, json }| Cells { cells, json });
            let all = std::iter::once(first).chain(others).map(row);
            context.insert_value(ROWS, Value::from(all.collect::<Vec<_>>()));
        }
        for (index, name) in &self.variables {
            context.insert_value(Cow::Owned(name.clone()), cell(*index));
        }
        if self.row {
            context.insert_value(ROW, row(first));
        }
        context
    }
}

/// A row's cells as variables, made when the first template needs them.
pub(super) struct RowVariables<'a> {
    columns: &'a Columns,
    row: &'a Row,
    context: OnceCell<Context>,
    link: OnceCell<Option<String>>,
}

impl RowVariables<'_> {
    pub(super) fn context(&self) -> &Context {
        self.context.get_or_init(|| {
            let used = self.columns.unsubscribe_url;
            let link = used.then(|| self.unsubscribe_url()).flatten();
            let Row {
                cells,
                json,
                others,
                mailbox,
                ..
            } = self.row;
            let first = Cells { cells, json };
            self.columns.context(first, others, Some(mailbox), link)
        })
    }

    /// The row's link to unsubscribe, if the campaign has `[feedback] url`.
    pub(super) fn unsubscribe_url(&self) -> Option<&str> {
        let link = self.link.get_or_init(|| {
            let links = self.columns.links.as_ref()?;
            Some(links.of_row(self.row.number, &self.row.mailbox.address))
        });
        link.as_deref()
    }
}
