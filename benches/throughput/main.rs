//! `cargo bench --bench throughput [-- [PART…] [--scale X]]`: compares `mailrun send` with the ceiling, which
//! is the same HTTP client posting one ready body over and over, without a ledger. Sender and server share
//! this machine. The parts are newsletter, dialects, postfix, attachment, same, preflight, million, report, latency,
//! pace, machines, machines-latency, machines-pace and start.
//! Ratios are measured in alternating rounds and reported as medians.

mod campaigns;
mod ceiling;
mod machines;
mod postfix;
mod preflight;
mod process;
mod report;
mod sink;
mod smtp_sink;
#[path = "../../tests/it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests use more of the shared set-up"
)]
mod support;

use std::time::Duration;

use campaigns::Campaign;
use ceiling::ceiling;
use process::{Sent, send};
use sink::Sink;
use smtp_sink::SmtpSink;

type Part = fn(f64);

/// How long the ceiling is measured.
const TIME: Duration = Duration::from_secs(4);
/// How many rounds a ratio is measured in.
const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let scale = args.iter().position(|arg| arg == "--scale");
    let scale = scale.map_or(1.0, |at| args[at + 1].parse().expect("a number"));
    let parts: [(&str, Part); 14] = [
        ("newsletter", newsletter),
        ("dialects", dialects),
        ("postfix", postfix_part),
        ("attachment", attachment),
        ("same", same),
        ("preflight", preflight_part),
        ("million", million),
        ("report", report::report),
        ("latency", latency),
        ("pace", pace),
        ("machines", machines::plan_and_send),
        ("machines-latency", machines::latency),
        ("machines-pace", machines::pace),
        ("start", start),
    ];
    let wanted = |name: &str| args.iter().any(|arg| arg == name);
    let all = !parts.iter().any(|(name, _)| wanted(name));
    for (name, part) in parts {
        if all || wanted(name) {
            println!("\n== {name}");
            part(scale);
        }
    }
}

fn scaled(rows: u64, scale: f64) -> u64 {
    ((rows as f64 * scale) as u64).max(1)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Sends a campaign and compares it with the ceiling for the body that it sent, in several rounds.
fn against_the_ceiling(rows: u64, concurrency: u32, campaign: impl Fn(&Sink) -> Campaign) {
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let sink = Sink::start(Duration::ZERO);
        let campaign = campaign(&sink);
        let sent = send(campaign.path());
        assert_eq!(sink.taken(), rows, "the sink took all");
        let body = sink.first();
        if round == 0 {
            let bytes = body.len();
            println!("{rows} rows, bodies of {bytes} bytes, concurrency {concurrency}");
        }
        show(&sent, rows);
        let ceiling = ceiling(&sink.url, body, concurrency, TIME);
        let reached = rows as f64 / sent.sent.as_secs_f64();
        println!("ceiling {ceiling:.0}/s: {:.2} of it", reached / ceiling);
        rates.push(reached);
        ratios.push(reached / ceiling);
    }
    println!(
        "median of {ROUNDS}: {:.0}/s, {:.2} of the ceiling",
        median(rates),
        median(ratios)
    );
}

fn show(sent: &Sent, rows: u64) {
    let rate = |time: Duration| rows as f64 / time.as_secs_f64();
    println!(
        "prepared in {:.2} s: {:.0} rows/s, {:.2} CPU s",
        sent.prepared.as_secs_f64(),
        rate(sent.prepared),
        sent.cpu_prepared,
    );
    let stages: Vec<String> = sent
        .cpu
        .iter()
        .map(|(name, seconds)| format!("{name} {seconds:.2}"))
        .collect();
    println!(
        "sent in {:.2} s: {:.0} recipients/s, {:.2} CPU s ({})",
        sent.sent.as_secs_f64(),
        rate(sent.sent),
        sent.cpu_sent(),
        stages.join(", "),
    );
    println!("peak memory {} MiB", sent.peak_kib / 1024);
}

fn newsletter(scale: f64) {
    let rows = scaled(100_000, scale);
    for concurrency in [64, 256] {
        against_the_ceiling(rows, concurrency, |sink| {
            Campaign::newsletter(&sink.url, rows, concurrency)
        });
    }
}

/// The same newsletter in the form dialect, in v2 and by SMTP, in alternating rounds.
fn dialects(scale: f64) {
    const CONNECTIONS: u32 = 64;
    let rows = scaled(50_000, scale);
    let sink = Sink::start(Duration::ZERO);
    let smtp = SmtpSink::start();
    let (mut v2, mut by_smtp) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let newsletter = || Campaign::newsletter(&sink.url, rows, CONNECTIONS);
        let rate = |name: &str, campaign: Campaign| {
            println!("{name}:");
            let sent = send(campaign.path());
            show(&sent, rows);
            rows as f64 / sent.sent.as_secs_f64()
        };
        let form = rate("sendmail", newsletter());
        v2.push(rate("v2", newsletter().dialect("v2")) / form);
        by_smtp.push(rate("smtp", newsletter().smtp(&smtp.url)) / form);
    }
    assert_eq!(sink.taken(), 2 * rows * ROUNDS as u64, "the sink took all");
    assert_eq!(smtp.taken(), rows * ROUNDS as u64, "the sink took all");
    println!(
        "medians of {ROUNDS}: v2 {:.2} and smtp {:.2} of sendmail",
        median(v2),
        median(by_smtp)
    );
}

fn postfix_part(scale: f64) {
    postfix::against_smtplib(scaled(10_000, scale));
}

fn attachment(scale: f64) {
    let rows = scaled(50_000, scale);
    for concurrency in [64, 256] {
        against_the_ceiling(rows, concurrency, |sink| {
            Campaign::newsletter(&sink.url, rows, concurrency).attachment()
        });
    }
}

fn same(scale: f64) {
    let rows = scaled(400_000, scale);
    let sink = Sink::start(Duration::ZERO);
    let rounds = (0..ROUNDS).map(|_| {
        let sent = send(
            Campaign::newsletter(&sink.url, rows, 64)
                .same_for_all()
                .path(),
        );
        show(&sent, rows);
        rows as f64 / sent.sent.as_secs_f64()
    });
    let rates = rounds.collect();
    assert_eq!(sink.taken(), rows * ROUNDS as u64, "the sink took all");
    println!("median of {ROUNDS}: {:.0} recipients/s", median(rates));
}

fn preflight_part(scale: f64) {
    let rows = scaled(200_000, scale);
    let campaign = Campaign::newsletter("http://127.0.0.1:9/api/", rows, 8);
    let (mut plans, mut ratios, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let took = preflight::measure(campaign.path(), rows);
        let rate = |time: Duration| rows as f64 / time.as_secs_f64();
        let (preflight, tera) = (rate(took.preflight), rate(took.tera));
        let check = rate(took.check);
        println!(
            "{rows} rows: planned {:.0}/s; preflight {preflight:.0}/s, check {check:.0}/s, Tera alone {tera:.0}/s: {:.2} and {:.2} of it",
            rate(took.plan),
            preflight / tera,
            check / tera,
        );
        plans.push(rate(took.plan));
        ratios.push(preflight / tera);
        checks.push(check / tera);
    }
    println!(
        "median of {ROUNDS}: planned {:.0} rows/s; preflight {:.2} of Tera alone, check {:.2}",
        median(plans),
        median(ratios),
        median(checks)
    );
}

fn million(scale: f64) {
    let sink = Sink::start(Duration::ZERO);
    let mut peaks = Vec::new();
    for rows in [10_000, scaled(1_000_000, scale)] {
        println!("{rows} rows");
        let sent = send(Campaign::newsletter(&sink.url, rows, 64).path());
        show(&sent, rows);
        peaks.push(sent.peak_kib as f64);
    }
    println!(
        "peak memory: {:.2} of that of 10000 rows",
        peaks[1] / peaks[0]
    );
}

fn latency(scale: f64) {
    let answers_after = Duration::from_millis(50);
    let sink = Sink::start(answers_after);
    for concurrency in [16, 64, 256, 1024] {
        let most = f64::from(concurrency) / answers_after.as_secs_f64();
        let rows = scaled((most * 5.0) as u64, scale);
        let sent = send(Campaign::newsletter(&sink.url, rows, concurrency).path());
        let reached = rows as f64 / sent.sent.as_secs_f64();
        println!(
            "concurrency {concurrency}: {reached:.0}/s of {most:.0}/s: {:.2}; {:.2} CPU s for {rows} rows; peak memory {} MiB",
            reached / most,
            sent.cpu_sent(),
            sent.peak_kib / 1024,
        );
    }
}

/// Limits, with the recipients per second that they allow together.
const PACES: [(&[&str], f64); 5] = [
    (&["1/s"], 1.0),
    (&["20/s"], 20.0),
    (&["300/s"], 300.0),
    (&["2000/s"], 2000.0),
    (&["2000/s", "18000/min", "500/s"], 300.0),
];
/// How much earlier than its exact time a request may be sent.
const BURST: Duration = Duration::from_millis(20);

fn pace(scale: f64) {
    for (rates, limit) in PACES {
        let sink = Sink::with_a_clock();
        let rows = scaled((limit * 8.0) as u64, scale).max(4);
        let campaign = Campaign::newsletter(&sink.url, rows, 64).rate(rates);
        let sent = send(campaign.path());
        let came = sink.arrivals();
        let took = came[came.len() - 1] - came[0];
        // A window of n gaps may be shorter by the burst. The machine delays the first request of some.
        let over = |gaps: usize| {
            let least = Duration::from_secs_f64(gaps as f64 / limit).saturating_sub(BURST);
            let windows = came.windows(gaps + 1);
            windows
                .map(|it| least.saturating_sub(it[gaps] - it[0]))
                .max()
        };
        let gaps = [1, 10, 100, 1000].into_iter();
        let over = gaps
            .filter(|gaps| *gaps < came.len())
            .filter_map(over)
            .max();
        println!(
            "{}: {rows} recipients at {:.1} % of {limit}/s; no window early by more than {:.1} ms beyond the burst; {:.2} CPU s while sending for {:.1} s",
            rates.join(" and "),
            (came.len() - 1) as f64 / took.as_secs_f64() / limit * 100.0,
            over.unwrap_or_default().as_secs_f64() * 1000.0,
            sent.cpu_sent(),
            took.as_secs_f64(),
        );
    }
}

fn start(_: f64) {
    let median =
        |times: Vec<Duration>| median(times.iter().map(|it| it.as_secs_f64() * 1000.0).collect());
    let first = || {
        let sink = Sink::start(Duration::ZERO);
        let campaign = Campaign::newsletter(&sink.url, 10, 8);
        process::until(campaign.path(), || sink.taken() > 0)
    };
    let first = median((0..11).map(|_| first()).collect());
    let version = median((0..21).map(|_| process::version()).collect());
    println!(
        "10 rows, start to first request: {first:.1} ms; `mailrun --version`: {version:.1} ms"
    );
}
