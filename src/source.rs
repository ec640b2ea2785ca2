//! A TOML file that a user wrote. Errors in it are findings with a line and help.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::de::DeserializeOwned;

use crate::finding::{Excerpt, Finding, Place, nearest};

#[derive(Debug, Clone)]
pub struct Source {
    /// As the user names it.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// An error at the bytes `span` of the file.
    pub fn error(
        &self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Finding {
        Finding::error(code, Place::file(&self.path), message).excerpt(self.excerpt(span))
    }

    pub fn excerpt(&self, span: Range<usize>) -> Excerpt {
        Excerpt::new(&self.path.display().to_string(), &self.text, span)
    }

    /// # Errors
    /// Invalid TOML, and keys and values that `T` does not have.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Box<Finding>> {
        toml::from_str(&self.text).map_err(|error| Box::new(explain(self, &error)))
    }
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
                format!("`{name}` is not a valid value here"),
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

/// Parses a positive duration such as `30s`, `5m` or `30d`. A day has 24 hours.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_positive_and_has_a_unit() {
        assert_eq!(parse_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(
            parse_duration("30d"),
            Some(Duration::from_secs(30 * 86_400))
        );
        for text in ["", "30", "0s", "-5m", "soon"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
