//! Servers that can't be reached: they have taken nothing, and the run waits for them.

use std::any::Any;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{Authority, FakeApi, Flaw};
use crate::support::parallel::each;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::send::{newsletter, send};

/// A server that can't be reached.
struct Nowhere {
    name: &'static str,
    url: String,
    /// The error of the rows.
    words: &'static str,
    /// The proxy in between.
    proxy: Option<String>,
    /// Keeps the server as it is.
    _held: Box<dyn Any + Send + Sync>,
}

fn nowhere(
    name: &'static str,
    url: String,
    words: &'static str,
    held: impl Any + Send + Sync,
) -> Nowhere {
    Nowhere {
        name,
        url,
        words,
        proxy: None,
        _held: Box::new(held),
    }
}

/// Servers with invalid certificates.
fn untrusted(authority: &Authority) -> Vec<Nowhere> {
    [
        ("expired certificate", Flaw::Expired, "expired"),
        (
            "another server's certificate",
            Flaw::OtherName,
            "not valid for name",
        ),
        ("self-signed certificate", Flaw::SelfSigned, "UnknownIssuer"),
    ]
    .map(|(name, flaw, words)| {
        let api = FakeApi::start_tls(authority.server(flaw));
        nowhere(name, api.url(), words, api)
    })
    .into()
}

/// Servers that accept a connection and then do not speak TLS.
fn without_tls() -> Vec<Nowhere> {
    let https = |address: SocketAddr| format!("https://{address}/api/");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let mut all = vec![nowhere(
        "silence in the handshake",
        https(address),
        "",
        silent,
    )];
    for (name, first, reset) in [
        ("close in the handshake", "", false),
        ("reset in the handshake", "", true),
        (
            "HTTP instead of TLS",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            false,
        ),
    ] {
        let address = hangs_up(first, reset);
        all.push(nowhere(name, https(address), "", ()));
    }
    all
}

/// A server that sends `first` and ends every connection. It lives as long as the tests.
fn hangs_up(first: &'static str, reset: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(first.as_bytes());
            if reset {
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
            }
        }
    });
    address
}

/// A proxy that refuses. Its 502 is not an answer from the API.
fn behind_a_proxy() -> Nowhere {
    let proxy = hangs_up("HTTP/1.1 502 Bad Gateway\r\n\r\n", false);
    let url = "https://mailrun.invalid/api/".to_owned();
    Nowhere {
        proxy: Some(format!("http://{proxy}")),
        ..nowhere("proxy that refuses", url, "tunnel", ())
    }
}

/// A port that is reserved and on which nothing listens.
fn refusing() -> Nowhere {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let socket = socket.expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    rustix::net::bind(&socket, &any).expect("a port");
    let address = rustix::net::getsockname(&socket).expect("an address");
    let address = SocketAddr::try_from(address).expect("an address of the internet");
    nowhere(
        "refused",
        format!("http://{address}/api/"),
        "refused",
        socket,
    )
}

/// A server whose queue of connections is full: Linux does not answer connection requests.
#[cfg(target_os = "linux")]
fn black_hole() -> Nowhere {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let address = listener.local_addr().expect("an address");
    let wait = Duration::from_millis(200);
    let queue: Vec<_> =
        std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, wait).ok()).collect();
    nowhere(
        "black hole",
        format!("http://{address}/api/"),
        "",
        (listener, queue),
    )
}

#[test]
fn a_server_that_cannot_be_reached_has_taken_nothing() {
    let authority = Authority::new();
    let mut all = without_tls();
    all.push(refusing());
    all.push(behind_a_proxy());
    let unknown = "https://mailrun.invalid/api/".to_owned();
    all.push(nowhere("no such host", unknown, "", ()));
    #[cfg(target_os = "linux")]
    all.push(black_hole());
    each(
        &all,
        |nowhere| nowhere.name.to_owned(),
        |nowhere| cannot_be_reached(nowhere, &authority),
    );
}

/// The run waits, its rows stay `pending`, and an interrupt ends it cleanly.
fn cannot_be_reached(nowhere: &Nowhere, authority: &Authority) {
    let campaign = Campaign::new()
        .api(&nowhere.url)
        .set("api.timeout", "4s")
        .set("retry.max_delay", "2s")
        .file("authority.pem", authority.pem());
    let trusted = campaign.path().join("authority.pem");
    let proxy = nowhere.proxy.clone().unwrap_or_default();
    let command = send(&campaign).env("SSL_CERT_FILE", trusted);
    let running = command.env("HTTPS_PROXY", proxy).spawn();
    let run = running.first_line();
    running.wait_until("a failed attempt", |_| {
        let row = &Results::now(&run).rows[0];
        assert!(matches!(&*row["status"], "pending" | "sending"), "{row:?}");
        row["error"].contains("no connection: ")
    });
    running.signal(Signal::TERM);
    let ran = running.wait();
    let run = ran.code(130).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("pending", 3)].into());
    assert!(results.rows.iter().all(|row| row["attempts"] == "0"));
    let error = &results.rows[0]["error"];
    assert!(
        error.contains(nowhere.words),
        "{:?}: {error}",
        nowhere.words
    );
}

#[test]
fn a_server_with_an_untrusted_certificate_stops_the_run() {
    let authority = Authority::new();
    each(
        &untrusted(&authority),
        |nowhere| nowhere.name.to_owned(),
        |nowhere| {
            let campaign = Campaign::new()
                .api(&nowhere.url)
                .file("authority.pem", authority.pem());
            let trusted = campaign.path().join("authority.pem");
            let ran = send(&campaign).env("SSL_CERT_FILE", trusted).run();
            ran.code(5)
                .stderr_has("the server's TLS certificate is not trusted")
                .stderr_has(nowhere.words)
                .stderr_has("SSL_CERT_FILE");
            let results = Results::of(ran.run_dir());
            assert_eq!(results.counts(), [("pending", 3)].into());
        },
    );
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new();
    let api = FakeApi::start_tls(authority.server(Flaw::None));
    let campaign = newsletter(&api).file("authority.pem", authority.pem());
    let trusted = campaign.path().join("authority.pem");
    let ran = send(&campaign).env("SSL_CERT_FILE", trusted).run();
    let run = ran.code(0).run_dir();
    Promises::of("TLS", &campaign, &run, &api).hold();
}

#[test]
fn only_https_needs_root_certificates() {
    let api = FakeApi::taking_all();
    let without = |campaign: &Campaign| {
        let none = campaign.path().join("none.pem");
        send(campaign).env("SSL_CERT_FILE", none)
    };
    let campaign = newsletter(&api).file("none.pem", "");
    without(&campaign).arg("--local").run().code(0);
    without(&campaign).run().code(0);
    let campaign = Campaign::new()
        .api("https://127.0.0.1:9/")
        .file("none.pem", "");
    let ran = without(&campaign).run();
    ran.code(1)
        .stderr_has("No CA certificates were loaded")
        .stderr_has("install the root certificates")
        .stderr_has("SSL_CERT_FILE");
}
