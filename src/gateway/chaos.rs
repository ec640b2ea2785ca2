//! Faults on demand, so that people can rehearse trouble: a share of all requests by chance, and
//! recipients whose names say what is to happen.
//!
//! Only `--chaos` has them. A recipient who is really called `hang@…` surprises nobody otherwise.

mod magic;
mod spec;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::{Rng, RngExt};
use tokio::time::{sleep, timeout};

use super::answers::Refusal;
use super::metrics::Metrics;
use super::routes::{self, Asked};
use crate::web::{Cut, Stopping};

pub(super) use self::magic::{Fate, fate};
pub use self::spec::{Spec, SpecError};

/// How long a request that hangs is held at most.
const HANG: Duration = Duration::from_secs(600);
/// How long `slow@…` takes.
const SLOW: Duration = Duration::from_secs(3);
/// How many addresses are remembered that were put off once.
const MAX_PUT_OFF: usize = 10_000;

/// What goes wrong with a whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is refused with this status.
    Status(StatusCode),
    /// The connection is reset; nothing was taken.
    Reset,
    /// Nothing is ever answered; nothing was taken.
    Hang,
    /// It is taken, and the connection ends instead of the answer.
    Drop,
    /// It is taken, late.
    Slow,
}

/// Makes faults.
pub struct Chaos {
    spec: Spec,
    random: Mutex<Box<dyn Rng + Send>>,
    /// The addresses that were put off: they are taken the next time.
    put_off: Mutex<HashSet<String>>,
}

impl Chaos {
    /// Faults as `spec` says, by the chance of `random`.
    pub fn new(spec: Spec, random: Box<dyn Rng + Send>) -> Self {
        Self {
            spec,
            random: Mutex::new(random),
            put_off: Mutex::default(),
        }
    }

    /// Answers a request, or spoils it. All that is not the API is left in peace.
    pub(super) async fn pass(
        &self,
        asked: &Asked,
        metrics: &Metrics,
        request: Request,
        next: Next,
    ) -> Response {
        if !request.uri().path().starts_with("/api/") {
            return next.run(request).await;
        }
        let drawn = self.draw();
        if let Some(slow) = self.spec.slow {
            sleep(slow).await;
        }
        let (request, named) = match self.named(request).await {
            Ok(found) => found,
            Err(refusal) => return refusal.answer(&asked.req_id),
        };
        let Some(fault) = named.or(drawn) else {
            return next.run(request).await;
        };
        metrics.faults.add(1);
        tracing::info!(req_id = asked.req_id, ?fault, "spoilt on demand");
        fault.spoil(asked, request, next).await
    }

    /// The fault of the next request, by chance.
    fn draw(&self) -> Option<Fault> {
        // Whoever held it while panicking left no random source half changed.
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = random.random_range(0.0..100.0);
        let mut faults = self.spec.faults.iter();
        faults.find_map(|(fault, percent)| {
            left -= percent;
            (left < 0.0).then_some(*fault)
        })
    }

    /// The fault that a recipient's name asks for, of the first that has such a name.
    async fn named(&self, request: Request) -> Result<(Request, Option<Fault>), Refusal> {
        if request.method() != Method::POST {
            return Ok((request, None));
        }
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let bytes = routes::read(whole).await?.into_bytes();
        let addresses = magic::recipients(&bytes);
        let fault = addresses
            .into_iter()
            .find_map(|address| match fate(&address)? {
                Fate::Spoilt(fault) => Some(fault),
                Fate::PutOff(status) => self.put_off(address).then_some(Fault::Status(status)),
                Fate::Refused(_) | Fate::Event(..) => None,
            });
        Ok((Request::from_parts(parts, Body::from(bytes)), fault))
    }

    /// Whether an address is put off: the first time that it is met.
    fn put_off(&self, address: String) -> bool {
        let mut met = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        if met.len() >= MAX_PUT_OFF {
            met.clear();
        }
        met.insert(address)
    }
}

impl Fault {
    async fn spoil(self, asked: &Asked, request: Request, next: Next) -> Response {
        match self {
            Self::Status(status) => refusal(status, &asked.req_id),
            Self::Reset => cut(StatusCode::OK.into_response(), Cut::Reset),
            Self::Hang => {
                if let Some(stopping) = request.extensions().get::<Stopping>().cloned() {
                    // Whichever comes first.
                    let _ = timeout(HANG, stopping.wait()).await;
                }
                cut(StatusCode::OK.into_response(), Cut::Close)
            }
            Self::Drop => cut(next.run(request).await, Cut::Close),
            Self::Slow => {
                sleep(SLOW).await;
                next.run(request).await
            }
        }
    }
}

fn cut(mut response: Response, cut: Cut) -> Response {
    response.extensions_mut().insert(cut);
    response
}

/// A refusal as it is met in the wild: the API's own words, or a page of a proxy before it.
fn refusal(status: StatusCode, req_id: &str) -> Response {
    if [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(&status) {
        let page = format!("<html><body><h1>{status}</h1></body></html>\n");
        return (status, [(CONTENT_TYPE, "text/html")], page).into_response();
    }
    let refusal = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        status => Refusal::new(status, format!("{status}, as --chaos has it")),
    };
    let mut response = refusal.answer(req_id);
    if [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ]
    .contains(&status)
    {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn drawn(spec: &str, seed: u64, count: usize) -> Vec<Option<Fault>> {
        let spec = spec.parse().expect("a spec");
        let chaos = Chaos::new(spec, Box::new(StdRng::seed_from_u64(seed)));
        (0..count).map(|_| chaos.draw()).collect()
    }

    #[test]
    fn faults_come_as_often_as_they_should() {
        let drawn = drawn("429=5%,reset=1%,hang=0%,drop=50%", 7, 10_000);
        let count = |wanted| drawn.iter().filter(|fault| **fault == wanted).count();
        let limited = Fault::Status(StatusCode::TOO_MANY_REQUESTS);
        assert!((400..600).contains(&count(Some(limited))));
        assert!((60..140).contains(&count(Some(Fault::Reset))));
        assert!((4800..5200).contains(&count(Some(Fault::Drop))));
        assert_eq!(count(Some(Fault::Hang)), 0);
    }

    #[test]
    fn all_or_none_are_exact() {
        assert!(
            drawn("drop=100%", 1, 1000)
                .iter()
                .all(|fault| *fault == Some(Fault::Drop))
        );
        assert!(drawn("magic", 1, 1000).iter().all(Option::is_none));
    }

    #[test]
    fn the_same_seed_has_the_same_faults() {
        let spec = "429=20%,reset=20%";
        assert_eq!(drawn(spec, 3, 100), drawn(spec, 3, 100));
        assert_ne!(drawn(spec, 3, 100), drawn(spec, 4, 100));
    }

    #[test]
    fn an_address_is_put_off_once() {
        let spec = "magic".parse().expect("a spec");
        let chaos = Chaos::new(spec, Box::new(StdRng::seed_from_u64(1)));
        assert!(chaos.put_off("ratelimit@example.com".to_owned()));
        assert!(!chaos.put_off("ratelimit@example.com".to_owned()));
        assert!(chaos.put_off("ratelimit+2@example.com".to_owned()));
    }
}
