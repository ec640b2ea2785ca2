//! The ceiling: the rate of the same HTTP client when it posts one ready body over and over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mailrun::address::Address;
use mailrun::api::FormDialect;
use mailrun::clock::Clock;
use mailrun::outcome::PostOutcome;
use mailrun::transport::{HttpSettings, HttpTransport, PostRequest, RequestBody, Transport};
use url::Url;

/// Posts a body for at least `time` and returns the requests per second.
pub(crate) fn ceiling(url: &str, body: Vec<u8>, concurrency: u32, time: Duration) -> f64 {
    let transport = HttpTransport::new(&HttpSettings {
        url: &Url::parse(url).expect("a URL"),
        dialect: &FormDialect::Sendmail,
        smtp_account: "1.bench.smtp",
        app_key: &"key".into(),
        secret_key: &"secret".into(),
        timeout: Duration::from_secs(30),
        concurrency,
        clock: Clock::system(),
    });
    let transport = Arc::new(transport.expect("a client"));
    let request = PostRequest {
        to: Vec::new(),
        sender: Address::parse("a@bench.example").expect("an address"),
        copies: Vec::new(),
        body: RequestBody(vec![body.into()]),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let post = |requests: i64| {
        let left = Arc::new(AtomicI64::new(requests));
        let start = Instant::now();
        runtime.block_on(async {
            let one = |transport: Arc<HttpTransport>,
                       left: Arc<AtomicI64>,
                       request: PostRequest| async move {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let outcome = transport.post(&request).await;
                    assert!(matches!(outcome, PostOutcome::Settled(_)), "{outcome:?}");
                }
            };
            let tasks: Vec<_> = (0..concurrency)
                .map(|_| one(Arc::clone(&transport), Arc::clone(&left), request.clone()))
                .map(tokio::spawn)
                .collect();
            for task in tasks {
                task.await.expect("a task");
            }
        });
        requests as f64 / start.elapsed().as_secs_f64()
    };
    // The first round is a warm-up, and shows how many requests fill the time.
    let warm = post(i64::from(concurrency) * 20);
    post((warm * time.as_secs_f64()) as i64)
}
