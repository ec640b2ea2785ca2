//! Parses `--chaos 429=5%,reset=1%,hardbounce=1%,slow=200ms,seed=42`.

use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

use super::InjectedFault;
use crate::finding::nearest;
use crate::gateway::simulation::SimulatedOutcome;
use crate::source::parse_duration;

/// The keys besides status codes and outcomes.
const KEYS: [&str; 6] = ["reset", "hang", "drop", "slow", "seed", MAGIC];
/// Has no value, and no effect: recipients whose names script an outcome are always enabled.
const MAGIC: &str = "magic";

/// Which faults are injected, and how often.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// Each fault with its share of all requests, in percent.
    pub(super) faults: Vec<(InjectedFault, f64)>,
    /// What becomes of messages, each with its share in percent.
    pub(super) outcomes: Vec<(SimulatedOutcome, f64)>,
    /// The delay of every request to the API.
    pub(super) slow: Option<Duration>,
    /// The seed of the random faults.
    pub seed: Option<u64>,
}

/// Why a specification is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error(
        "“{0}” is not a fault. Write, separated by commas: a status code such as “429=5%”, “reset=1%”, \
         “hang=1%”, “drop=2%”, “hardbounce=1%”, “open=20%”, “slow=200ms”, “seed=42”, or “magic” alone"
    )]
    UnknownKey(String),
    #[error("“{0}” is not a fault: did you mean “{1}”?")]
    MistypedKey(String, &'static str),
    #[error("“{0}” is not an error status. Use a status code from 400 to 599")]
    Status(String),
    #[error("“{0}” is not a share. Write “{1}=5%”, from 0% to 100%")]
    Share(String, String),
    #[error("“{0}” is not a duration. Write “slow=200ms” or “slow=2s”")]
    Slow(String),
    #[error("“{0}” is not a seed. Write a whole number, such as “seed=42”")]
    Seed(String),
    #[error("“{0}” is given twice. Remove one")]
    Duplicate(String),
    #[error("the shares add up to {0}%. Together they can be at most 100%")]
    MoreThanAll(String),
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut spec = Self::default();
        let mut keys = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim(), value.trim());
            if keys.contains(&key) {
                return Err(SpecError::Duplicate(key.to_owned()));
            }
            keys.push(key);
            spec.add(part, key, value)?;
        }
        let faults: f64 = spec.faults.iter().map(|(_, percent)| percent).sum();
        let outcomes: f64 = spec.outcomes.iter().map(|(_, percent)| percent).sum();
        for sum in [faults, outcomes] {
            // Rounding errors of decimal shares are accepted.
            if sum > 100.000_001 {
                return Err(SpecError::MoreThanAll(sum.to_string()));
            }
        }
        Ok(spec)
    }
}

impl Spec {
    fn add(&mut self, part: &str, key: &str, value: &str) -> Result<(), SpecError> {
        let percent =
            || share(value).ok_or_else(|| SpecError::Share(value.to_owned(), key.to_owned()));
        if let Some(outcome) = SimulatedOutcome::parse(key) {
            self.outcomes.push((outcome, percent()?));
            return Ok(());
        }
        let fault = match key {
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
            "reset" => InjectedFault::Reset,
            "hang" => InjectedFault::Hang,
            "drop" => InjectedFault::Drop,
            code if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                InjectedFault::Status(error_status(code)?)
            }
            key => return Err(unknown_key(key)),
        };
        self.faults.push((fault, percent()?));
        Ok(())
    }
}

fn error_status(code: &str) -> Result<StatusCode, SpecError> {
    let status: Option<StatusCode> = code.parse().ok();
    status
        .filter(|status| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| SpecError::Status(code.to_owned()))
}

/// The number in `5%`.
fn share(value: &str) -> Option<f64> {
    let percent: f64 = value.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

fn unknown_key(key: &str) -> SpecError {
    let outcomes = SimulatedOutcome::ALL.map(SimulatedOutcome::name);
    match nearest(key, KEYS.into_iter().chain(outcomes)) {
        Some(known) => SpecError::MistypedKey(key.to_owned(), known),
        None => SpecError::UnknownKey(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> SpecError {
        text.parse::<Spec>().expect_err("an error")
    }

    #[test]
    fn all_keys_are_parsed() {
        let spec: Spec = "429=5%, 500=0.5%,reset=1 %,hang=1%,drop=2%,slow=200ms,seed=42"
            .parse()
            .expect("a spec");
        let status = |code| InjectedFault::Status(StatusCode::from_u16(code).expect("a code"));
        let expected = [
            (status(429), 5.0),
            (status(500), 0.5),
            (InjectedFault::Reset, 1.0),
            (InjectedFault::Hang, 1.0),
            (InjectedFault::Drop, 2.0),
        ];
        assert_eq!(spec.faults, expected);
        assert_eq!(spec.slow, Some(Duration::from_millis(200)));
        assert_eq!(spec.seed, Some(42));
        assert_eq!("magic".parse(), Ok(Spec::default()));
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, expected) in [
            (
                "",
                "“” is not a fault. Write, separated by commas: a status code such as “429=5%”",
            ),
            ("429=5%,,", "“” is not a fault"),
            ("rest=1%", "did you mean “reset”?"),
            ("sloow=1s", "did you mean “slow”?"),
            ("hardbounse=1%", "did you mean “hardbounce”?"),
            ("click=2", "“2” is not a share. Write “click=5%”"),
            ("open=60%,click=50%", "the shares add up to 110%"),
            ("magic=1%", "did you mean “magic”?"),
            ("reset", "“” is not a share. Write “reset=5%”"),
            ("429=5", "“5” is not a share. Write “429=5%”"),
            ("429=101%", "“101%” is not a share"),
            ("429=-1%", "“-1%” is not a share"),
            ("429=NaN%", "“NaN%” is not a share"),
            ("200=5%", "“200” is not an error status"),
            ("99999=5%", "“99999” is not an error status"),
            ("slow=5", "“5” is not a duration"),
            ("seed=x", "“x” is not a seed"),
            ("429=1%,429=2%", "“429” is given twice"),
            ("429=60%,reset=50%", "the shares add up to 110%"),
        ] {
            let error = error(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn faults_of_requests_and_outcomes_of_messages_add_up_separately() {
        let spec: Spec = "429=60%,open=30.5%,hardbounce=60%".parse().expect("a spec");
        assert_eq!(spec.faults.len(), 1);
        let outcomes = [
            (SimulatedOutcome::Open, 30.5),
            (SimulatedOutcome::HardBounce, 60.0),
        ];
        assert_eq!(spec.outcomes, outcomes);
    }

    #[test]
    fn shares_may_add_up_to_all() {
        let spec: Spec = "429=33.3%,reset=33.3%,hang=33.4%".parse().expect("a spec");
        assert_eq!(spec.faults.len(), 3);
    }
}
