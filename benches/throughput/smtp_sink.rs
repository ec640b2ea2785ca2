//! An SMTP server that accepts everything and does as little as possible.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub(crate) struct SmtpSink {
    pub(crate) url: String,
    taken: Arc<AtomicU64>,
}

impl SmtpSink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&shared);
                thread::Builder::new()
                    .stack_size(256 << 10)
                    .spawn(move || serve(stream, &taken))
                    .expect("a thread");
            }
        });
        Self {
            url: format!("smtp://{address}"),
            taken,
        }
    }

    /// The number of accepted messages so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, taken: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::with_capacity(64 << 10, stream.try_clone().ok()?);
    stream.write_all(b"220 sink\r\n").ok()?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let reply: &[u8] = match line.get(..4)? {
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 SIZE 50000000\r\n",
            b"DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                while line != b".\r\n" {
                    line.clear();
                    if reader.read_until(b'\n', &mut line).ok()? == 0 {
                        return None;
                    }
                }
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply).ok()?;
    }
}
