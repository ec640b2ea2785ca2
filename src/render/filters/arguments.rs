//! Errors and the argument `locale` of the filters for numbers and dates.

use std::fmt::Display;

use tera::{Kwargs, TeraResult};

use crate::language::{Language, LanguageError};

/// Separates the message of an error from its help. Cells in messages are [`quoted`], so they never contain it.
const HELP: &str = "\nhelp: ";

/// An error with help.
pub(super) fn fault(message: impl Display, help: impl Display) -> tera::Error {
    tera::Error::message(format!("{message}{HELP}{help}"))
}

/// The message and the help of an error from a filter.
pub(in crate::render) fn split_help(message: &str) -> (&str, Option<&str>) {
    match message.split_once(HELP) {
        Some((message, help)) => (message, Some(help)),
        None => (message, None),
    }
}

/// The start of a cell, in one line.
pub(super) fn quoted(cell: &str) -> String {
    const LONGEST: usize = 60;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let start: String = cell.chars().take(LONGEST).map(clean).collect();
    let rest = if cell.chars().nth(LONGEST).is_some() {
        "…"
    } else {
        ""
    };
    format!("“{start}{rest}”")
}

pub(super) fn empty_cell() -> tera::Error {
    fault(
        "the cell is empty",
        "put {% if … %} around it, or give another value before the filter: `| default(value=0, boolean=true)`",
    )
}

/// The language in `locale`, or the campaign's.
pub(super) fn language(
    kwargs: &Kwargs,
    campaign: Option<&Language>,
) -> TeraResult<Option<Language>> {
    let Some(tag) = kwargs.get::<&str>("locale")? else {
        return Ok(campaign.cloned());
    };
    let language = Language::parse(tag).map_err(|error| {
        let help = match error {
            LanguageError::Empty => "name one for rows without a language: `locale=lang or \"en\"`",
            _ => LanguageError::HELP,
        };
        fault(format!("locale: {error}"), help)
    });
    language.map(Some)
}
