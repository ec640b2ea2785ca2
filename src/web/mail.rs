//! A message, taken apart to be shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders};
use serde::Serialize;

use crate::clock::Clock;
use crate::frame;

/// A message that has been read.
pub(crate) struct Mail<'a>(Message<'a>);

/// A header.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    /// As it stands, in one line.
    pub(crate) value: String,
    /// The same with its encoded words decoded, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decoded: Option<String>,
}

/// A part of the message that is a file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    /// Its name, if it has one. It is a text and no path.
    pub(crate) name: Option<String>,
    pub(crate) mime: String,
    pub(crate) size: usize,
    pub(crate) inline: bool,
    pub(crate) content_id: Option<String>,
}

impl<'a> Mail<'a> {
    /// Reads a message; nothing if it is none.
    pub(crate) fn read(raw: &'a [u8]) -> Option<Self> {
        MessageParser::default().parse(raw).map(Self)
    }

    /// The HTML, if it has any.
    pub(crate) fn html(&self) -> Option<&str> {
        self.body("html", self.0.html_bodies())
    }

    /// The plain text, if it has any.
    pub(crate) fn text(&self) -> Option<&str> {
        self.body("plain", self.0.text_bodies())
    }

    /// The first body that is of this kind: the parser gives one for the other.
    fn body<'b>(
        &self,
        kind: &str,
        mut bodies: impl Iterator<Item = &'b MessagePart<'b>>,
    ) -> Option<&'b str> {
        let is_kind = |part: &&MessagePart<'_>| match part.content_type() {
            Some(of) => of.ctype() == "text" && of.subtype() == Some(kind),
            None => kind == "plain",
        };
        bodies.find(is_kind)?.text_contents()
    }

    /// The HTML as a page for the frame, with the inline images in it.
    pub(crate) fn page(&self, clock: &Clock) -> Option<String> {
        let image = |id: &str| self.image(id);
        Some(frame::page(self.html()?, &image, clock))
    }

    /// The image that `cid:ID` means, as a `data:` URL.
    fn image(&self, id: &str) -> Option<String> {
        let wanted = unescaped(id);
        let part = self.0.attachments().find(|part| {
            let id = part.content_id();
            id.is_some_and(|id| unescaped(id) == wanted)
        })?;
        let mime = mime(part);
        let fits = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
        if !mime.starts_with("image/") || !mime.chars().all(fits) {
            return None;
        }
        Some(format!(
            "data:{mime};base64,{}",
            STANDARD.encode(part.contents())
        ))
    }

    /// The files that go with it, in their order.
    pub(crate) fn files(&self) -> Vec<File> {
        let file = |part: &MessagePart<'_>| File {
            name: part.attachment_name().map(str::to_owned),
            mime: mime(part),
            size: part.contents().len(),
            inline: part
                .content_disposition()
                .is_some_and(mail_parser::ContentType::is_inline),
            content_id: part.content_id().map(str::to_owned),
        };
        self.0.attachments().map(file).collect()
    }

    /// A file's name and its bytes.
    pub(crate) fn file(&self, number: u32) -> Option<(Option<&str>, &[u8])> {
        let part = self.0.attachment(number)?;
        Some((part.attachment_name(), part.contents()))
    }

    /// All headers, in their order.
    pub(crate) fn headers(&self) -> Vec<Header> {
        headers(&self.0)
    }

    /// The parser's own view of it.
    pub(crate) fn message(&self) -> &Message<'a> {
        &self.0
    }
}

fn mime(part: &MessagePart<'_>) -> String {
    let Some(kind) = part.content_type() else {
        return "text/plain".to_owned();
    };
    let subtype = kind.subtype().unwrap_or_default();
    format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
}

fn unescaped(id: &str) -> String {
    percent_encoding::percent_decode_str(id)
        .decode_utf8_lossy()
        .into_owned()
}

impl Header {
    /// The value for people.
    pub(crate) fn text(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.value)
    }
}

fn headers(message: &Message<'_>) -> Vec<Header> {
    let texts = MessageParser::new()
        .header_text(HeaderName::Subject)
        .default_header_text()
        .parse_headers(message.raw_message());
    let decoded = |at: usize| {
        let header = texts.as_ref()?.headers().get(at)?;
        header.value().as_text().map(str::to_owned)
    };
    let header = |(at, (name, raw)): (usize, (&str, &str))| {
        let value = one_line(raw);
        let decoded = decoded(at).filter(|_| value.contains("=?"));
        let decoded = decoded.filter(|decoded| *decoded != value);
        Header {
            name: name.to_owned(),
            value,
            decoded,
        }
    };
    message.headers_raw().enumerate().map(header).collect()
}

/// A folded header's value in one line.
fn one_line(raw: &str) -> String {
    let lines = raw.trim().lines().map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "X-Mailrun-Tag: =?utf-8?B?xYHDs2TFug==?=\r\nX-Mailrun-Tag: two\r\n\
        Subject: =?utf-8?q?J=C3=B3zef?=\r\n and co\r\nContent-Type: multipart/related; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<img src=\"cid:a b.png\">\r\n\
        --b\r\nContent-Type: image/png; name=\"../a b.png\"\r\nContent-ID: <a%20b.png>\r\n\
        Content-Disposition: inline; filename=\"../a b.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n\
        --b--\r\n";

    #[test]
    fn shows_inline_images_and_names_files() {
        let mail = Mail::read(MESSAGE.as_bytes()).expect("a message");
        let page = mail.page(&Clock::system()).expect("HTML");
        assert!(
            page.contains("<img src=\"data:image/png;base64,iVBORw==\">"),
            "{page}"
        );
        assert_eq!(mail.text(), None);
        let files = mail.files();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].name.as_deref(), Some("../a b.png"));
        assert!(files[0].inline);
        assert_eq!(mail.file(0).map(|file| file.1), Some(&b"\x89PNG"[..]));
        assert_eq!(mail.file(1), None);
    }

    #[test]
    fn headers_are_shown_raw_and_decoded() {
        let mail = Mail::read(MESSAGE.as_bytes()).expect("a message");
        let headers = mail.headers();
        assert_eq!((headers[0].text(), headers[1].text()), ("Łódź", "two"));
        let subject = &headers[2];
        assert_eq!(subject.value, "=?utf-8?q?J=C3=B3zef?= and co");
        assert_eq!(subject.decoded.as_deref(), Some("Józef and co"));
        assert_eq!(headers[1].decoded, None);
    }
}
