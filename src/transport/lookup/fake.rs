//! A local DNS server and a local web server for tests.

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

use super::{Dns, Guard, WebClient};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The addresses and TXT records of each name.
pub(crate) type Zone = BTreeMap<&'static str, (Vec<Ipv4Addr>, Vec<String>)>;

/// A DNS server with these names. It does not answer for `silent.…`.
pub(crate) async fn dns(zone: Zone) -> Dns {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.expect("a port");
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
    let server = NameServerConfig::new(LOCALHOST, true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    builder.options_mut().timeout = std::time::Duration::from_millis(200);
    builder.options_mut().attempts = 0;
    Dns::with_resolver(builder.build().expect("a resolver"))
}

fn answer(zone: &Zone, question: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).expect("a question");
    let query = request.queries.first().expect("a query").clone();
    let name = query.name().to_ascii();
    let name = name.trim_end_matches('.').to_lowercase();
    if name.starts_with("silent.") {
        return None;
    }
    let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
    answer.queries = request.queries.clone();
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

/// A web server that records its requests.
pub(crate) struct Site {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// Serves what `reply` returns for each request and the server's port.
    pub(crate) async fn start(reply: fn(&Request, u16) -> Response<Body>) -> Self {
        let listener = TcpListener::bind((LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        let router = Router::new().fallback(move |request: Request| {
            let line = format!("{} {}", request.method(), request.uri());
            recorded.lock().expect("a test").push(line);
            let reply = reply(&request, port);
            async move { reply }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, requests }
    }

    /// The methods and paths of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("a test").clone()
    }

    /// A client that may connect to this site only.
    pub(crate) fn client(&self, dns: Dns) -> WebClient {
        WebClient::new(
            dns,
            Guard::only(|address| address == LOCALHOST, vec![self.port]),
        )
        .expect("a client")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", SocketAddr::new(LOCALHOST, self.port))
    }
}

/// A response without content.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(Body::empty()).expect("a reply")
}
