//! A scripted SMTP server that records what it accepted. It reads the protocol strictly.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fake_api;

/// Where a script can intervene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection is open.
    Greeting,
    /// `EHLO`.
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The final dot has arrived.
    Dot,
    Quit,
}

/// The input of a script.
#[derive(Debug, Clone)]
pub struct Moment {
    pub stage: Stage,
    /// The number of the connection.
    pub connection: usize,
    /// How often this stage was reached before, on all connections.
    pub times: usize,
    /// The address of `MAIL` or `RCPT`; later the recipient.
    pub address: String,
}

/// The output of a script.
#[derive(Debug, Clone)]
pub enum Act {
    /// The normal reply.
    Go,
    /// Replies with one or more lines, without line ends.
    Say(&'static str),
    /// Replies and closes the connection.
    SayAndClose(&'static str),
    /// Closes the connection without a reply. At the dot, the message counts as accepted.
    Close,
    /// The normal reply; then reads this many bytes and closes the connection.
    CutAfter(usize),
    /// The normal reply, after this time.
    Late(Duration),
}

/// A message that the server accepted.
#[derive(Debug, Clone)]
pub struct Taken {
    pub connection: usize,
    pub from: String,
    pub to: Vec<String>,
    /// The data, without the dots added for transparency.
    pub data: Vec<u8>,
    /// Whether the client got the reply.
    pub answered: bool,
}

type Script = dyn Fn(&Moment) -> Act + Send + Sync;

struct State {
    script: Box<Script>,
    extensions: Vec<&'static str>,
    /// By a number in the order of arrival.
    taken: Mutex<BTreeMap<usize, Taken>>,
    next: AtomicUsize,
    /// The commands of all connections.
    commands: Mutex<Vec<(usize, String)>>,
    times: Mutex<Vec<Stage>>,
    open: Mutex<Vec<TcpStream>>,
}

/// It runs until the test ends.
pub struct FakeSmtp {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl FakeSmtp {
    /// A server that accepts everything.
    pub fn start() -> Self {
        Self::with(|_| Act::Go)
    }

    pub fn with(script: impl Fn(&Moment) -> Act + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0".parse().expect("an address"), script)
    }

    pub fn on(
        address: SocketAddr,
        script: impl Fn(&Moment) -> Act + Send + Sync + 'static,
    ) -> Self {
        let extensions = vec!["8BITMIME", "SIZE 50000000", "PIPELINING"];
        Self::serve(address, extensions, script)
    }

    /// A server that accepts everything, and offers no extension.
    pub fn without_extensions() -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        Self::serve(address, Vec::new(), |_| Act::Go)
    }

    /// A server that offers STARTTLS but has no TLS.
    pub fn with_starttls(script: impl Fn(&Moment) -> Act + Send + Sync + 'static) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        Self::serve(address, vec!["STARTTLS"], script)
    }

    /// A server that offers these extensions.
    pub fn offering(
        extensions: Vec<&'static str>,
        script: impl Fn(&Moment) -> Act + Send + Sync + 'static,
    ) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        Self::serve(address, extensions, script)
    }

    fn serve(
        address: SocketAddr,
        extensions: Vec<&'static str>,
        script: impl Fn(&Moment) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            script: Box::new(script),
            extensions,
            taken: Mutex::default(),
            next: AtomicUsize::new(0),
            commands: Mutex::default(),
            times: Mutex::default(),
            open: Mutex::default(),
        });
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let state = Arc::clone(&served);
                std::thread::spawn(move || {
                    state
                        .open
                        .lock()
                        .expect("a lock")
                        .push(stream.try_clone().expect("a stream"));
                    // The error is that the client has disconnected.
                    let _ = Session::new(stream, number, &state).serve();
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn taken(&self) -> Vec<Taken> {
        let taken = self.state.taken.lock().expect("a lock");
        taken.values().cloned().collect()
    }

    /// How often a stage was reached.
    pub fn count(&self, stage: Stage) -> usize {
        let times = self.state.times.lock().expect("a lock");
        times.iter().filter(|other| **other == stage).count()
    }

    /// The commands so far, each with the number of its connection.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.state.commands.lock().expect("a lock").clone()
    }

    /// Waits until this many messages were accepted, and returns them.
    #[track_caller]
    pub fn wait_for(&self, messages: usize) -> Vec<Taken> {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            // Count and return the same list: a message rejected at the dot is removed again.
            let taken = self.taken();
            if taken.len() >= messages {
                return taken;
            }
            assert!(
                Instant::now() < limit,
                "{} of {messages} messages came; commands: {:?}",
                taken.len(),
                self.commands()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Session<'a> {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    number: usize,
    state: &'a State,
    from: String,
    to: Vec<String>,
}

/// The connection has ended.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, number: usize, state: &'a State) -> Self {
        Self {
            reader: BufReader::new(stream.try_clone().expect("a stream")),
            writer: stream,
            number,
            state,
            from: String::new(),
            to: Vec::new(),
        }
    }

    fn serve(mut self) -> Result<(), Over> {
        self.act(Stage::Greeting, "", "220 fake.example ESMTP")?;
        loop {
            let line = self.line()?;
            self.state
                .commands
                .lock()
                .expect("a lock")
                .push((self.number, line.clone()));
            let upper = line.to_ascii_uppercase();
            if upper.starts_with("EHLO ") {
                let mut lines = vec!["fake.example".to_owned()];
                lines.extend(self.state.extensions.iter().map(ToString::to_string));
                let last = lines.len() - 1;
                let lines = lines.iter().enumerate().map(|(at, text)| {
                    let dash = if at == last { ' ' } else { '-' };
                    format!("250{dash}{text}")
                });
                let lines = lines.collect::<Vec<_>>().join("\n");
                self.act(Stage::Ehlo, "", &lines)?;
            } else if upper.starts_with("HELO ") {
                self.say("250 fake.example")?;
            } else if upper == "STARTTLS" {
                self.act(Stage::StartTls, "", "220 2.0.0 go ahead")?;
            } else if upper.starts_with("AUTH ") {
                self.act(Stage::Auth, "", "235 2.7.0 welcome")?;
            } else if let Some(address) = address(&line, "MAIL FROM:") {
                if self.act(Stage::Mail, &address, "250 2.1.0 Ok")? {
                    self.from = address;
                }
            } else if let Some(address) = address(&line, "RCPT TO:") {
                if self.act(Stage::Rcpt, &address, "250 2.1.5 Ok")? {
                    self.to.push(address);
                }
            } else if upper == "DATA" {
                self.data()?;
            } else if upper == "RSET" {
                self.to.clear();
                self.say("250 2.0.0 Ok")?;
            } else if upper == "NOOP" {
                self.say("250 2.0.0 Ok")?;
            } else if upper == "QUIT" {
                self.act(Stage::Quit, "", "221 2.0.0 Bye")?;
                return Ok(());
            } else {
                self.say("500 5.5.2 what?")?;
            }
        }
    }

    fn data(&mut self) -> Result<(), Over> {
        if self.to.is_empty() {
            return self.say("503 5.5.1 no recipients");
        }
        let recipient = self.to[0].clone();
        if !self.act(Stage::Data, &recipient, "354 go on")? {
            return Ok(());
        }
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                return Err(Over);
            }
            assert!(line.ends_with(b"\r\n"), "a bare LF");
            if line == b".\r\n" {
                break;
            }
            assert!(line.len() <= 1000, "a line of {} bytes", line.len());
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let taken = Taken {
            connection: self.number,
            from: self.from.clone(),
            to: std::mem::take(&mut self.to),
            data,
            answered: false,
        };
        let id = self.state.next.fetch_add(1, Ordering::Relaxed);
        self.state.taken.lock().expect("a lock").insert(id, taken);
        // A message that is rejected at the dot is removed again.
        match self.act(Stage::Dot, &recipient, "250 2.0.0 taken") {
            Ok(true) => {
                let mut all = self.state.taken.lock().expect("a lock");
                all.get_mut(&id).expect("what was taken").answered = true;
                Ok(())
            }
            Ok(false) => {
                self.state.taken.lock().expect("a lock").remove(&id);
                Ok(())
            }
            Err(Over) => Err(Over),
        }
    }

    /// Follows the script; the normal reply is `usual`. Returns whether the reply was positive.
    fn act(&mut self, stage: Stage, address: &str, usual: &str) -> Result<bool, Over> {
        let times = {
            let mut times = self.state.times.lock().expect("a lock");
            times.push(stage);
            times.iter().filter(|other| **other == stage).count() - 1
        };
        let moment = Moment {
            stage,
            connection: self.number,
            times,
            address: address.to_owned(),
        };
        match (self.state.script)(&moment) {
            Act::Go => self.say(usual)?,
            Act::Late(time) => {
                std::thread::sleep(time);
                self.say(usual)?;
            }
            Act::Say(text) => {
                self.say(text)?;
                return Ok(text.starts_with('2') || text.starts_with("354"));
            }
            Act::SayAndClose(text) => {
                self.say(text)?;
                return self.close();
            }
            Act::Close => return self.close(),
            Act::CutAfter(bytes) => {
                self.say(usual)?;
                self.reader.read_exact(&mut vec![0; bytes])?;
                return self.close();
            }
        }
        Ok(true)
    }

    fn close(&mut self) -> Result<bool, Over> {
        self.writer.shutdown(Shutdown::Both)?;
        Err(Over)
    }

    fn say(&mut self, text: &str) -> Result<(), Over> {
        let text = text.replace('\n', "\r\n") + "\r\n";
        Ok(self.writer.write_all(text.as_bytes())?)
    }

    fn line(&mut self) -> Result<String, Over> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(Over);
        }
        let line = line.strip_suffix("\r\n").expect("CRLF ends a command");
        Ok(line.to_owned())
    }
}

impl Taken {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.data)
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        let mut lines = text.lines().take_while(|line| !line.is_empty());
        let start = format!("{name}: ");
        let value = lines.find_map(|line| line.strip_prefix(&start).map(str::to_owned));
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// The same as the fake API keeps it.
    pub fn as_api(&self) -> fake_api::Taken {
        fake_api::Taken {
            address: self.to[0].clone(),
            message_id: (self.header("Message-ID").trim_matches(['<', '>'])).to_owned(),
            request: 0,
        }
    }
}

/// The address in a command such as `MAIL FROM:<a@b>`.
fn address(line: &str, command: &str) -> Option<String> {
    let (start, rest) = line.split_at_checked(command.len())?;
    let rest = rest.strip_prefix('<')?;
    let (address, _) = rest.split_once('>')?;
    start
        .eq_ignore_ascii_case(command)
        .then(|| address.to_owned())
}
