//! The replies of the server (RFC 5321 4.2), with enhanced status codes (RFC 2034).

use std::borrow::Cow;

/// The longest text of a reply, in bytes: a line has at most 512.
const MAX_TEXT: usize = 480;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The enhanced status code, such as `5.7.0`; empty if the reply has none.
    status: &'static str,
    text: Cow<'static, str>,
}

impl Reply {
    pub(super) fn new(code: u16, status: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status,
            text: text.into(),
        }
    }

    /// A reply without an enhanced status code: a greeting, or a reply that asks for more.
    pub(super) fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, "", text)
    }

    pub(super) fn stopping() -> Self {
        Self::new(421, "4.3.2", "The gateway is stopping")
    }

    pub(super) fn too_slow() -> Self {
        Self::new(421, "4.4.2", "Nothing arrived for too long")
    }

    pub(super) fn message_too_large(limit: usize) -> Self {
        let text = format!("The message is too large; the limit is {limit} bytes");
        Self::new(552, "5.3.4", text)
    }

    /// Appends the line or, for a text of several lines, all lines.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            out.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if !self.status.is_empty() {
                out.extend_from_slice(self.status.as_bytes());
                out.push(b' ');
            }
            // Other characters are not allowed, and some texts quote the client or the system.
            let characters = line.chars().map(|c| match c {
                ' '..='~' => c as u8,
                _ => b'?',
            });
            out.extend(characters.take(MAX_TEXT));
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn every_line_has_the_code() {
        assert_eq!(written(&Reply::new(250, "2.0.0", "OK")), "250 2.0.0 OK\r\n");
        let lines = Reply::plain(250, "host\nPIPELINING\nSIZE 1");
        assert_eq!(
            written(&lines),
            "250-host\r\n250-PIPELINING\r\n250 SIZE 1\r\n"
        );
    }

    #[test]
    fn a_text_cannot_add_lines_or_be_long() {
        let reply = Reply::new(550, "5.1.1", "a\rb ż");
        assert_eq!(written(&reply), "550 5.1.1 a?b ?\r\n");
        let long = written(&Reply::new(550, "5.1.1", "x".repeat(1000)));
        assert!(long.len() <= 512);
    }
}
