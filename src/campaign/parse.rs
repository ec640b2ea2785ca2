//! From the text of `campaign.toml` to [`File`], or to where and why not.

use super::Source;
use super::file::File;
use crate::finding::{Finding, Place, nearest};

pub(super) fn parse(source: &Source) -> Result<File, Box<Finding>> {
    toml::from_str(&source.text).map_err(|error| Box::new(explain(source, &error)))
}

fn explain(source: &Source, error: &toml::de::Error) -> Finding {
    let message = error.message();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (code, message, help) = match quoted.split_first() {
        Some((name, known)) if message.starts_with("unknown field") => (
            "unknown-key",
            format!("unknown key `{name}`"),
            unknown_key_help(name, known),
        ),
        Some((name, _)) if message.starts_with("missing field") => {
            ("missing-key", format!("the key `{name}` is missing"), None)
        }
        Some((name, known)) if message.starts_with("unknown variant") => {
            let choices = known
                .iter()
                .map(|name| format!("\"{name}\""))
                .collect::<Vec<_>>();
            (
                "bad-value",
                format!("“{name}” is not possible here"),
                Some(format!("write {}", choices.join(" or "))),
            )
        }
        _ => ("bad-toml", message.to_owned(), None),
    };
    let mut finding = match error.span() {
        Some(span) => source.error(code, span, message),
        None => Finding::error(code, Place::file(&source.path), message),
    };
    finding.help = help;
    finding
}

fn unknown_key_help(name: &str, known: &[&str]) -> Option<String> {
    match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("the keys here are: {}", known.join(", "))),
    }
}
