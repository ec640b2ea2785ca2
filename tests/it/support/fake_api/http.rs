//! HTTP/1.1 as far as a client of the API needs it (RFC 9112).

use std::io::{self, BufRead, BufReader, Read, Write};

use super::wire::Wire;

/// The head of a request.
pub struct Head {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

/// Reads a head; none when the client closed the connection before the first byte.
pub fn read_head(stream: &mut BufReader<Wire>) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut bytes)? == 0 {
            return if bytes.is_empty() {
                Ok(None)
            } else {
                Err(broken("half a head"))
            };
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request
        .parse(&bytes)
        .map_err(|error| broken(&error.to_string()))?;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let field = |field: &httparse::Header<'_>| {
        (
            field.name.to_owned(),
            String::from_utf8_lossy(field.value).into_owned(),
        )
    };
    Ok(Some(Head {
        method: text(request.method),
        target: text(request.path),
        headers: request.headers.iter().map(field).collect(),
    }))
}

/// Reads the body that the head announces.
pub fn read_body(stream: &mut BufReader<Wire>, head: &Head) -> io::Result<Vec<u8>> {
    if head.has("expect", "100-continue") {
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if head.has("transfer-encoding", "chunked") {
        return read_chunks(stream);
    }
    let length = head
        .get("content-length")
        .map_or(Ok(0), str::parse::<usize>);
    let mut body = vec![0; length.map_err(|_| broken("Content-Length is not a number"))?];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(stream: &mut BufReader<Wire>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size =
            usize::from_str_radix(size, 16).map_err(|_| broken("not the size of a chunk"))?;
        if size == 0 {
            return skip_trailer(stream).map(|()| body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        stream.read_exact(&mut [0; 2])?;
    }
}

fn skip_trailer(stream: &mut BufReader<Wire>) -> io::Result<()> {
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(())
}

impl Head {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a field is there with this value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.get(name)
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}
