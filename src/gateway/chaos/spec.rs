//! `--chaos 429=5%,reset=1%,slow=200ms,seed=42` as it is written.

use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

use super::Fault;
use crate::source::parse_duration;

/// The words that stand before `=`, beside codes.
const WORDS: [&str; 5] = ["reset", "hang", "drop", "slow", "seed"];
/// Stands alone: recipients with magic names, and no chance.
const MAGIC: &str = "magic";

/// What is to go wrong, and how often.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// With what share of the requests, in percent.
    pub(super) faults: Vec<(Fault, f64)>,
    /// How long every answer is late.
    pub(super) slow: Option<Duration>,
    /// What chance begins with, if it is to be the same each time.
    pub seed: Option<u64>,
}

/// Why it can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A part that begins with no word that is known.
    #[error(
        "“{0}” is not known: write a code such as “429=5%”, “reset=1%”, “hang=1%”, “drop=2%”, \
         “slow=200ms”, “seed=42”, or “magic” alone; with commas between them"
    )]
    Unknown(String),
    /// A word that is nearly right.
    #[error("“{0}” is not known: did you mean “{1}”?")]
    Mistyped(String, &'static str),
    /// A code that is no refusal.
    #[error("“{0}” is not the code of a refusal: write one from 400 to 599")]
    Code(String),
    /// A share that is none.
    #[error("“{0}” is not a share: write “{1}=5%”, with 0 to 100")]
    Share(String, String),
    /// A time that is none.
    #[error("“{0}” is not a length of time: write “slow=200ms” or “slow=2s”")]
    Slow(String),
    /// A seed that is none.
    #[error("“{0}” is not a seed: write a whole number, such as “seed=42”")]
    Seed(String),
    /// Twice the same.
    #[error("“{0}” is there twice")]
    Twice(String),
    /// More requests than there are.
    #[error("the shares come to {0}%: together they can be 100% at most")]
    TooMuch(String),
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut spec = Self::default();
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (word, value) = part.split_once('=').unwrap_or((part, ""));
            let (word, value) = (word.trim(), value.trim());
            if seen.contains(&word) {
                return Err(SpecError::Twice(word.to_owned()));
            }
            seen.push(word);
            spec.add(part, word, value)?;
        }
        let sum: f64 = spec.faults.iter().map(|(_, percent)| percent).sum();
        // Shares that were written with decimals may come to a little more.
        if sum > 100.000_001 {
            return Err(SpecError::TooMuch(sum.to_string()));
        }
        Ok(spec)
    }
}

impl Spec {
    fn add(&mut self, part: &str, word: &str, value: &str) -> Result<(), SpecError> {
        let fault = match word {
            _ if part == MAGIC => return Ok(()),
            "slow" => {
                let slow = parse_duration(value);
                self.slow = Some(slow.ok_or_else(|| SpecError::Slow(value.to_owned()))?);
                return Ok(());
            }
            "seed" => {
                let seed = value.parse();
                self.seed = Some(seed.map_err(|_| SpecError::Seed(value.to_owned()))?);
                return Ok(());
            }
            "reset" => Fault::Reset,
            "hang" => Fault::Hang,
            "drop" => Fault::Drop,
            code if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Fault::Status(refusal(code)?)
            }
            word => return Err(unknown(word)),
        };
        let share =
            share(value).ok_or_else(|| SpecError::Share(value.to_owned(), word.to_owned()))?;
        self.faults.push((fault, share));
        Ok(())
    }
}

fn refusal(code: &str) -> Result<StatusCode, SpecError> {
    let status: Option<StatusCode> = code.parse().ok();
    status
        .filter(|status| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| SpecError::Code(code.to_owned()))
}

/// Percent, from `5%`.
fn share(value: &str) -> Option<f64> {
    let percent: f64 = value.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

fn unknown(word: &str) -> SpecError {
    let near = WORDS
        .into_iter()
        .chain([MAGIC])
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min();
    match near {
        Some((..=2, known)) if word.len() > 2 => SpecError::Mistyped(word.to_owned(), known),
        _ => SpecError::Unknown(word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> SpecError {
        text.parse::<Spec>().expect_err("it can't be read")
    }

    #[test]
    fn everything_together() {
        let spec: Spec = "429=5%, 500=0.5%,reset=1 %,hang=1%,drop=2%,slow=200ms,seed=42"
            .parse()
            .expect("a spec");
        let status = |code| Fault::Status(StatusCode::from_u16(code).expect("a code"));
        let expected = [
            (status(429), 5.0),
            (status(500), 0.5),
            (Fault::Reset, 1.0),
            (Fault::Hang, 1.0),
            (Fault::Drop, 2.0),
        ];
        assert_eq!(spec.faults, expected);
        assert_eq!(spec.slow, Some(Duration::from_millis(200)));
        assert_eq!(spec.seed, Some(42));
        assert_eq!("magic".parse(), Ok(Spec::default()));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        for (text, expected) in [
            ("", "“” is not known: write a code such as “429=5%”"),
            ("429=5%,,", "“” is not known"),
            ("rest=1%", "did you mean “reset”?"),
            ("sloow=1s", "did you mean “slow”?"),
            ("magic=1%", "did you mean “magic”?"),
            ("reset", "“” is not a share: write “reset=5%”"),
            ("429=5", "“5” is not a share: write “429=5%”"),
            ("429=101%", "“101%” is not a share"),
            ("429=-1%", "“-1%” is not a share"),
            ("429=NaN%", "“NaN%” is not a share"),
            ("200=5%", "“200” is not the code of a refusal"),
            ("99999=5%", "“99999” is not the code of a refusal"),
            ("slow=5", "“5” is not a length of time"),
            ("seed=x", "“x” is not a seed"),
            ("429=1%,429=2%", "“429” is there twice"),
            ("429=60%,reset=50%", "the shares come to 110%"),
        ] {
            let error = error(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn shares_may_come_to_all() {
        let spec: Spec = "429=33.3%,reset=33.3%,hang=33.4%".parse().expect("a spec");
        assert_eq!(spec.faults.len(), 3);
    }
}
