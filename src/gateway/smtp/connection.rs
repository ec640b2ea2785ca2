//! One connection: reads lines and messages in time, and writes replies.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::auth::Credentials;
use super::data::{DataError, DataReader};
use super::envelope::{Envelope, EnvelopeAddress};
use super::faults::{MessageFault, message_fault, recipient_refusal};
use super::receive::{IncomingMessage, NotStored};
use super::reply::Reply;
use super::session::{MAX_LINE, Session, Step};
use super::stream::Stream;
use super::{DEFAULT_ACCOUNT, SmtpServer};
use crate::gateway::chaos::Chaos;
use crate::web::{LoginError, Stopping, close_gracefully};

/// Each of these adds a second to the time limit of a message, as for request bodies.
const BYTES_PER_SECOND: usize = 64 * 1024;
/// The most bytes of replies that wait until the client has sent what it pipelines.
const MAX_OUTPUT: usize = 16 * 1024;
/// How long a client may take to read the last reply.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// After a last reply.
    Closed,
    /// The client disconnected, or reads nothing.
    Lost,
    /// By the server, without a reply.
    Silent,
    /// By a reset, without a reply.
    Reset,
}

pub(super) struct Connection {
    server: Arc<SmtpServer>,
    peer: SocketAddr,
    stopping: Stopping,
    session: Session,
    /// `None` only while TLS starts.
    stream: Option<Stream>,
    input: BytesMut,
    /// Replies that are not written yet.
    output: Vec<u8>,
    started: Instant,
    messages: u64,
}

impl Connection {
    pub(super) fn new(
        server: Arc<SmtpServer>,
        stream: Stream,
        peer: SocketAddr,
        stopping: Stopping,
    ) -> Self {
        let is_loopback = peer.ip().to_canonical().is_loopback();
        Self {
            session: Session::new(Arc::clone(&server.rules), is_loopback),
            server,
            peer,
            stopping,
            stream: Some(stream),
            input: BytesMut::new(),
            output: Vec::new(),
            started: Instant::now(),
            messages: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let end = match self.converse().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        match (end, &mut self.stream) {
            (End::Closed, Some(_)) => {
                if self.flush().await.is_ok()
                    && let Some(stream) = &mut self.stream
                {
                    let _ = timeout(CLOSE_TIMEOUT, close_gracefully(stream)).await;
                }
            }
            (End::Reset, Some(stream)) => {
                // If this fails, the connection is closed without a reset.
                let _ = stream.reset_when_dropped();
            }
            _ => {}
        }
        self.log_session();
    }

    async fn converse(&mut self) -> Result<Infallible, End> {
        self.reply(&self.session.greeting());
        loop {
            let line = self.next_line().await?;
            let server = Arc::clone(&self.server);
            let step = self.session.line(&line, &|address| server.refusal(address));
            self.perform(step).await?;
        }
    }

    async fn perform(&mut self, step: Step) -> Result<(), End> {
        match step {
            Step::Reply(reply) => self.reply(&reply),
            Step::RefuseData(reply) if self.input.is_empty() => self.reply(&reply),
            Step::Close(reply) | Step::RefuseData(reply) => return Err(self.close(&reply)),
            Step::CheckLogin(credentials) => {
                let result = self.check_login(credentials).await;
                match self.session.login_checked(result) {
                    Step::Close(reply) => return Err(self.close(&reply)),
                    Step::Reply(reply) => self.reply(&reply),
                    _ => {}
                }
            }
            Step::StartTls(reply) => self.start_tls(&reply).await?,
            Step::ReadMessage(envelope, reply) => {
                self.reply(&reply);
                self.flush().await?;
                self.message(envelope).await?;
            }
        }
        if self.output.len() > MAX_OUTPUT {
            self.flush().await?;
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }

    fn close(&mut self, reply: &Reply) -> End {
        self.reply(reply);
        End::Closed
    }

    async fn flush(&mut self) -> Result<(), End> {
        let stream = self.stream.as_mut().ok_or(End::Lost)?;
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(self.server.limits.body, async {
            stream.write_all(&self.output).await?;
            stream.flush().await
        });
        match written.await {
            Ok(Ok(())) => {
                self.output.clear();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(End::Lost),
        }
    }

    /// Reads more bytes until `deadline`. `None` if there are none until then.
    async fn read(&mut self, deadline: Instant) -> Result<Option<()>, End> {
        let stream = self.stream.as_mut().ok_or(End::Lost)?;
        match timeout_at(deadline, stream.read_buf(&mut self.input)).await {
            Err(_) => Ok(None),
            Ok(Ok(1..)) => Ok(Some(())),
            Ok(Ok(0) | Err(_)) => Err(End::Lost),
        }
    }

    /// The next line with its end. A line that is too long has no end.
    async fn next_line(&mut self) -> Result<BytesMut, End> {
        let mut scanned = 0;
        let mut begun = None;
        loop {
            if let Some(end) = memchr(b'\n', &self.input[scanned..]) {
                return Ok(self.input.split_to(scanned + end + 1));
            }
            scanned = self.input.len();
            if scanned > MAX_LINE {
                return Ok(self.input.split());
            }
            self.flush().await?;
            let limits = &self.server.limits;
            let deadline = if scanned == 0 {
                Instant::now() + limits.idle
            } else {
                *begun.get_or_insert_with(Instant::now) + limits.head
            };
            let stopping = self.stopping.clone();
            let read = tokio::select! {
                biased;
                read = self.read(deadline) => read?,
                () = stopping.wait() => return Err(self.close(&Reply::stopping())),
            };
            if read.is_none() {
                return Err(self.close(&Reply::too_slow()));
            }
        }
    }

    /// The name of the client's user.
    async fn check_login(&mut self, credentials: Credentials) -> Result<String, LoginError> {
        match self.server.gateway.guard.login() {
            None => Ok(credentials.user),
            Some(login) => {
                let credentials = credentials.joined();
                login
                    .check_credentials(&credentials, self.peer.ip())
                    .await
                    .map(|()| login.app_key().to_owned())
            }
        }
    }

    async fn start_tls(&mut self, reply: &Reply) -> Result<(), End> {
        // Commands that somebody else put behind STARTTLS must not count as sent over TLS.
        if !self.input.is_empty() {
            let text = "Nothing may follow STARTTLS before TLS starts";
            return Err(self.close(&Reply::new(501, "5.5.2", text)));
        }
        self.reply(reply);
        self.flush().await?;
        let (Some(stream), Some(certificate)) = (self.stream.take(), &self.server.certificate)
        else {
            return Err(End::Lost);
        };
        let handshake = stream.start_tls(&certificate.0);
        match timeout(self.server.limits.head, handshake).await {
            Ok(Ok(stream)) => self.stream = Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return Err(End::Lost);
            }
            Err(_) => return Err(End::Lost),
        }
        self.session.tls_started();
        Ok(())
    }

    /// Reads a message, stores it and replies.
    async fn message(&mut self, envelope: Envelope) -> Result<(), End> {
        let started = Instant::now();
        let gateway = Arc::clone(&self.server.gateway);
        let mut entry = MessageEntry {
            req_id: gateway.composer.random_id(),
            account: String::new(),
            recipients: envelope.to.len(),
            bytes: 0,
            started,
        };
        let mut reader = DataReader::new(self.server.rules.max_message, gateway.memory.clone());
        let read = self.read_text(&mut reader, started).await;
        entry.bytes = reader.size();
        if let Err(refused) = read {
            let end = match refused {
                Ok(reply) => {
                    self.record(&entry, reply.code, 0);
                    self.close(&reply)
                }
                Err(end) => {
                    self.record(&entry, NO_REPLY, 0);
                    end
                }
            };
            return Err(end);
        }
        let chaos = gateway.chaos.as_ref();
        let to = envelope.to.iter().map(EnvelopeAddress::as_str);
        let fault = chaos.and_then(|chaos| message_fault(chaos, to));
        if let Some(fault) = &fault {
            gateway.access_log.metrics.faults.inc();
            tracing::info!(req_id = entry.req_id, ?fault, "injected a fault");
        }
        if let Some(slow) = chaos.and_then(Chaos::slow) {
            sleep(slow).await;
        }
        let is_dropped = match fault {
            None => false,
            Some(MessageFault::Drop) => true,
            Some(MessageFault::Slow(time)) => {
                sleep(time).await;
                false
            }
            Some(MessageFault::Refuse(reply)) => {
                self.record(&entry, reply.code, 0);
                self.reply(&reply);
                return Ok(());
            }
            Some(MessageFault::Close(reply)) => {
                self.record(&entry, reply.code, 0);
                return Err(self.close(&reply));
            }
            Some(MessageFault::Reset) => {
                self.record(&entry, NO_REPLY, 0);
                return Err(End::Reset);
            }
            Some(MessageFault::Hang) => {
                // Both end the wait.
                let _ = timeout(Chaos::HANG, self.stopping.clone().wait()).await;
                self.record(&entry, NO_REPLY, 0);
                return Err(End::Silent);
            }
        };
        let message = IncomingMessage {
            account: self.account(),
            envelope,
            longest_line: reader.longest_line(),
            data: reader.finish(),
            peer: self.peer,
            req_id: entry.req_id.clone(),
        };
        match message.store(&gateway, self.server.rules.max_message).await {
            Ok(account) => {
                self.messages += 1;
                entry.account = account;
                let accepted = entry.recipients;
                if is_dropped {
                    self.record(&entry, NO_REPLY, accepted);
                    return Err(End::Silent);
                }
                self.record(&entry, 250, accepted);
                let text = format!("Stored as {}", entry.req_id);
                self.reply(&Reply::new(250, "2.0.0", text));
                Ok(())
            }
            Err(NotStored::Refused(reply)) => {
                self.record(&entry, reply.code, 0);
                self.reply(&reply);
                Ok(())
            }
            Err(NotStored::Unknown) => {
                self.record(&entry, NO_REPLY, 0);
                Err(End::Silent)
            }
        }
    }

    /// Reads a text to its end. The error is the last reply, or that there is none.
    async fn read_text(
        &mut self,
        reader: &mut DataReader,
        started: Instant,
    ) -> Result<(), Result<Reply, End>> {
        loop {
            match reader.push(&self.input) {
                Ok(Some(end)) => {
                    self.input.advance(end);
                    return Ok(());
                }
                Ok(None) => self.input.clear(),
                Err(DataError::BareLineBreak) => {
                    let text = "The message has a CR without LF, or an LF without CR";
                    return Err(Ok(Reply::new(550, "5.6.0", text)));
                }
                Err(DataError::Endless) => {
                    let limit = self.server.rules.max_message;
                    return Err(Ok(Reply::message_too_large(limit)));
                }
            }
            let seconds = reader.size() / BYTES_PER_SECOND;
            let limit = self.server.limits.body + Duration::from_secs(seconds as u64);
            if self.read(started + limit).await.map_err(Err)?.is_none() {
                return Err(Ok(Reply::too_slow()));
            }
        }
    }

    /// The account of messages that name none.
    fn account(&self) -> String {
        let configured = self.server.account.as_deref();
        let account = configured.or_else(|| self.session.user());
        account.unwrap_or(DEFAULT_ACCOUNT).to_owned()
    }

    fn record(&self, entry: &MessageEntry, code: u16, accepted: usize) {
        let log = &self.server.gateway.access_log;
        let took = entry.started.elapsed();
        log.metrics.count_response("smtp", code, took);
        log.metrics.messages.inc_by(accepted as u64);
        log.metrics.request_bytes.inc_by(entry.bytes as u64);
        // Both levels share one set of fields.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    status = code,
                    req_id = entry.req_id,
                    account = entry.account,
                    recipients = entry.recipients,
                    bytes = entry.bytes,
                    ms = milliseconds(took),
                    "SMTP message"
                )
            };
        }
        if log.at_info {
            line!(info);
        } else {
            line!(debug);
        }
    }

    fn log_session(&self) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    messages = self.messages,
                    tls = self.session.is_encrypted(),
                    login = self.session.user().is_some(),
                    ms = milliseconds(self.started.elapsed()),
                    "SMTP session ended"
                )
            };
        }
        if self.server.gateway.access_log.at_info {
            line!(info);
        } else {
            line!(debug);
        }
    }
}

/// The logged status of a message without a reply, as for requests.
const NO_REPLY: u16 = 444;

/// What the log says about a message.
struct MessageEntry {
    req_id: String,
    account: String,
    recipients: usize,
    bytes: usize,
    started: Instant,
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl SmtpServer {
    /// The reply to a recipient that is refused by its name.
    fn refusal(&self, address: &str) -> Option<Reply> {
        let reply = recipient_refusal(self.gateway.chaos.as_ref()?, address)?;
        self.gateway.access_log.metrics.faults.inc();
        Some(reply)
    }
}

/// Turns a connection away.
pub(super) async fn reject(mut stream: Stream) -> io::Result<()> {
    let mut output = Vec::new();
    Reply::new(421, "4.3.2", "Too many connections").write(&mut output);
    stream.write_all(&output).await?;
    close_gracefully(&mut stream).await
}
