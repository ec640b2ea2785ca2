//! A DNS server and a web server for tests, on this machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, TXT};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::{TcpListener, UdpSocket};

use super::{Dns, Guard, Web};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the DNS server knows: of each name its addresses and texts.
pub(crate) type Zone = BTreeMap<&'static str, (Vec<Ipv4Addr>, Vec<String>)>;

/// A DNS that knows these names alone; one that is called `silent.…` it never answers for.
pub(crate) async fn dns(zone: Zone) -> Dns {
    let socket = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let port = socket.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = answer(&zone, &buffer[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = port;
    let server = NameServerConfig::new(HERE, true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    builder.options_mut().timeout = std::time::Duration::from_millis(200);
    builder.options_mut().attempts = 0;
    Dns::of(builder.build().expect("a resolver"))
}

fn answer(zone: &Zone, question: &[u8]) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).expect("a question");
    let query = asked.queries.first().expect("a query").clone();
    let name = query.name().to_ascii();
    let name = name.trim_end_matches('.').to_lowercase();
    if name.starts_with("silent.") {
        return None;
    }
    let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
    answer.queries = asked.queries.clone();
    match zone.get(&*name) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some((addresses, texts)) => {
            let data: Vec<_> = match query.query_type() {
                RecordType::A => addresses.iter().map(|it| RData::A(A(*it))).collect(),
                RecordType::TXT => texts
                    .iter()
                    .map(|it| RData::TXT(TXT::from_bytes(it.as_bytes().chunks(255).collect())))
                    .collect(),
                _ => Vec::new(),
            };
            let records = data
                .into_iter()
                .map(|data| Record::from_rdata(query.name().clone(), 60, data));
            answer.add_answers(records);
        }
    }
    Some(answer.to_vec().expect("an answer"))
}

/// A web server, which notes what it was asked.
pub(crate) struct Site {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Serves what `reply` says of each request.
    pub(crate) async fn start(reply: fn(&Request, u16) -> Response<Body>) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request| {
            let line = format!("{} {}", request.method(), request.uri());
            noted.lock().expect("a test").push(line);
            let reply = reply(&request, port);
            async move { reply }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, asked }
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a test").clone()
    }

    /// The web behind a guard that lets through to this site alone.
    pub(crate) fn web(&self, dns: Dns) -> Web {
        Web::new(dns, Guard::only(|address| address == HERE, vec![self.port])).expect("a client")
    }

    /// A URL at this site.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", SocketAddr::new(HERE, self.port))
    }
}

/// An answer without content.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(Body::empty()).expect("a reply")
}
