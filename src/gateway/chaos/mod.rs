//! Injects faults on demand (`--chaos`), so that people can rehearse failures: into a random share of
//! all requests, and into requests whose recipients have certain names. It also draws what becomes of messages.

mod scripted;
mod spec;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::metrics::Metrics;
use super::protocol::Protocol;
use super::request::{RequestContext, read_body};
use super::response::Refusal;
use super::simulation::SimulatedOutcome;
use crate::web::{Disconnect, Stopping};

pub(super) use self::scripted::{ScriptedOutcome, scripted_outcome};
pub use self::spec::{Spec, SpecError};

/// How many addresses are remembered that have failed once.
const MAX_FAILED_ONCE: usize = 10_000;

/// A fault of a whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InjectedFault {
    /// Nothing is accepted, and the response has this status.
    Status(StatusCode),
    /// Nothing is accepted, and the connection is reset.
    Reset,
    /// Nothing is accepted, and there is no response.
    Hang,
    /// The request is accepted, and the connection is closed before the response.
    Drop,
    /// The request is accepted late.
    Slow,
}

/// Injects faults.
pub struct Chaos {
    spec: Spec,
    /// Determines, with an address, what becomes of its messages.
    outcome_key: u64,
    random: Mutex<Box<dyn Rng + Send>>,
    /// The addresses that have failed once. They are accepted the next time.
    failed_once: Mutex<HashSet<String>>,
}

impl Chaos {
    /// The longest time that a request hangs.
    pub(super) const HANG: Duration = Duration::from_secs(600);
    /// The delay of a request to `slow@…`.
    pub(super) const SLOW: Duration = Duration::from_secs(3);

    /// Injects the faults of `spec`, chosen by `random`.
    pub fn new(spec: Spec, mut random: Box<dyn Rng + Send>) -> Self {
        Self {
            outcome_key: spec.seed.unwrap_or_else(|| random.random()),
            spec,
            random: Mutex::new(random),
            failed_once: Mutex::default(),
        }
    }

    /// Runs a request, perhaps with a fault. Only requests to the API have faults.
    pub(super) async fn run(
        &self,
        context: &RequestContext,
        metrics: &Metrics,
        request: Request,
        next: Next,
    ) -> Response {
        let path = request.uri().path();
        if !path.starts_with("/api/") && !path.starts_with("/v2.1/") {
            return next.run(request).await;
        }
        let random = self.random_fault();
        if let Some(slow) = self.slow() {
            sleep(slow).await;
        }
        let (request, scripted) = match self.scripted_fault(context.protocol, request).await {
            Ok(read) => read,
            Err(refusal) => return context.refuse(refusal),
        };
        let Some(fault) = scripted.or(random) else {
            return next.run(request).await;
        };
        metrics.faults.inc();
        tracing::info!(req_id = context.req_id, ?fault, "injected a fault");
        fault.inject(context, request, next).await
    }

    /// The delay of all responses.
    pub(super) fn slow(&self) -> Option<Duration> {
        self.spec.slow
    }

    pub(super) fn random_fault(&self) -> Option<InjectedFault> {
        // A panic cannot leave a random source in an invalid state.
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&self.spec.faults, random.random_range(0.0..100.0))
    }

    /// What becomes of messages to a normalized address. It does not depend on the order of the messages.
    pub(super) fn random_outcome(&self, normalized: &str) -> Option<SimulatedOutcome> {
        if self.spec.outcomes.is_empty() {
            return None;
        }
        let hash = Sha256::new()
            .chain_update(self.outcome_key.to_le_bytes())
            .chain_update(normalized)
            .finalize();
        let (bytes, _) = hash.split_first_chunk()?;
        // 53 bits fit a float.
        let number = u64::from_le_bytes(*bytes) >> 11;
        draw(
            &self.spec.outcomes,
            number as f64 / (1_u64 << 53) as f64 * 100.0,
        )
    }

    /// The fault of the first recipient whose name asks for one. The body is read for it, and put back.
    async fn scripted_fault(
        &self,
        protocol: Protocol,
        request: Request,
    ) -> Result<(Request, Option<InjectedFault>), Refusal> {
        if request.method() != Method::POST {
            return Ok((request, None));
        }
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let bytes = read_body(whole).await?.into_bytes();
        let mut addresses = scripted::recipients(protocol, &bytes).into_iter();
        let fault = addresses.find_map(|address| match scripted_outcome(&address)? {
            ScriptedOutcome::FailRequest(fault) => Some(fault),
            ScriptedOutcome::FailRequestOnce(status) => self
                .fails_now(address)
                .then_some(InjectedFault::Status(status)),
            ScriptedOutcome::RejectRecipient(_) => None,
        });
        Ok((Request::from_parts(parts, Body::from(bytes)), fault))
    }

    /// Whether an address that fails once has not failed yet.
    pub(super) fn fails_now(&self, address: String) -> bool {
        let failed = self.failed_once.lock();
        let mut failed = failed.unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_FAILED_ONCE {
            failed.clear();
        }
        failed.insert(address)
    }
}

/// The item to whose share a number of percent belongs.
fn draw<T: Copy>(shares: &[(T, f64)], mut percent: f64) -> Option<T> {
    let mut shares = shares.iter();
    shares.find_map(|(item, share)| {
        percent -= share;
        (percent < 0.0).then_some(*item)
    })
}

impl InjectedFault {
    async fn inject(self, context: &RequestContext, request: Request, next: Next) -> Response {
        match self {
            Self::Status(status) => error_response(status, context),
            Self::Reset => cut(StatusCode::OK.into_response(), Disconnect::Reset),
            Self::Hang => {
                if let Some(stopping) = request.extensions().get::<Stopping>().cloned() {
                    // Both end the wait.
                    let _ = timeout(Chaos::HANG, stopping.wait()).await;
                }
                cut(StatusCode::OK.into_response(), Disconnect::Close)
            }
            Self::Drop => cut(next.run(request).await, Disconnect::Close),
            Self::Slow => {
                sleep(Chaos::SLOW).await;
                next.run(request).await
            }
        }
    }
}

fn cut(mut response: Response, cut: Disconnect) -> Response {
    response.extensions_mut().insert(cut);
    response
}

/// The API's JSON, or for 502 and 504 the HTML page of a proxy before it.
fn error_response(status: StatusCode, context: &RequestContext) -> Response {
    let refusal = match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            let page = format!("<html><body><h1>{status}</h1></body></html>\n");
            return (status, [(CONTENT_TYPE, "text/html")], page).into_response();
        }
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        status => Refusal::new(status, format!("{status}, because of --chaos")),
    };
    let refusal = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => refusal.retry(),
        _ => refusal,
    };
    context.refuse(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn faults(spec: &str, seed: u64, count: usize) -> Vec<Option<InjectedFault>> {
        let spec = spec.parse().expect("a spec");
        let chaos = Chaos::new(spec, Box::new(StdRng::seed_from_u64(seed)));
        (0..count).map(|_| chaos.random_fault()).collect()
    }

    #[test]
    fn faults_have_the_specified_frequency() {
        let drawn = faults("429=5%,reset=1%,hang=0%,drop=50%", 7, 10_000);
        let count = |expected| drawn.iter().filter(|fault| **fault == expected).count();
        let limited = InjectedFault::Status(StatusCode::TOO_MANY_REQUESTS);
        assert!((400..600).contains(&count(Some(limited))));
        assert!((60..140).contains(&count(Some(InjectedFault::Reset))));
        assert!((4800..5200).contains(&count(Some(InjectedFault::Drop))));
        assert_eq!(count(Some(InjectedFault::Hang)), 0);
    }

    #[test]
    fn a_share_of_all_or_none_is_exact() {
        assert!(
            faults("drop=100%", 1, 1000)
                .iter()
                .all(|fault| *fault == Some(InjectedFault::Drop))
        );
        assert!(faults("magic", 1, 1000).iter().all(Option::is_none));
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let spec = "429=20%,reset=20%";
        assert_eq!(faults(spec, 3, 100), faults(spec, 3, 100));
        assert_ne!(faults(spec, 3, 100), faults(spec, 4, 100));
    }

    #[test]
    fn outcomes_have_the_specified_frequency_and_depend_on_seed_and_address() {
        let outcomes = |spec: &str, seed| {
            let spec = spec.parse().expect("a spec");
            let chaos = Chaos::new(spec, Box::new(StdRng::seed_from_u64(seed)));
            let outcome = move |n| chaos.random_outcome(&format!("r{n}@x.example"));
            (0..10_000).map(outcome).collect::<Vec<_>>()
        };
        let spec = "hardbounce=1%,open=20%,429=90%,seed=7";
        let drawn = outcomes(spec, 1);
        let count = |expected| drawn.iter().filter(|outcome| **outcome == expected).count();
        assert!((60..140).contains(&count(Some(SimulatedOutcome::HardBounce))));
        assert!((1800..2200).contains(&count(Some(SimulatedOutcome::Open))));
        assert_eq!(drawn, outcomes(spec, 2));
        assert_ne!(drawn, outcomes(&spec.replace('7', "8"), 1));
        let all = outcomes("click=100%", 1);
        assert!(all.iter().all(|it| *it == Some(SimulatedOutcome::Click)));
        assert!(outcomes("magic", 1).iter().all(Option::is_none));
    }

    #[test]
    fn an_address_fails_once() {
        let spec = "magic".parse().expect("a spec");
        let chaos = Chaos::new(spec, Box::new(StdRng::seed_from_u64(1)));
        assert!(chaos.fails_now("ratelimit@example.com".to_owned()));
        assert!(!chaos.fails_now("ratelimit@example.com".to_owned()));
        assert!(chaos.fails_now("ratelimit+2@example.com".to_owned()));
    }
}
