//! A parsed message: its headers, bodies and files, ready to be shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders};
use serde::Serialize;

use super::safe_parse;
use crate::clock::Clock;
use crate::frame;

pub(crate) struct Mail<'a>(Message<'a>);

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MailHeader {
    pub(crate) name: String,
    /// The raw value, unfolded.
    pub(crate) value: String,
    /// The value with its encoded words (RFC 2047) decoded, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decoded: Option<String>,
}

/// An attachment or an inline image.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MailFile {
    /// Untrusted text, not a path.
    pub(crate) name: Option<String>,
    pub(crate) mime: String,
    pub(crate) size: usize,
    pub(crate) inline: bool,
    pub(crate) content_id: Option<String>,
}

impl<'a> Mail<'a> {
    pub(crate) fn parse(raw: &'a [u8]) -> Option<Self> {
        safe_parse::parse(raw).map(Self)
    }

    pub(crate) fn html(&self) -> Option<&str> {
        self.body("html", self.0.html_bodies())
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.body("plain", self.0.text_bodies())
    }

    /// The first body of `text/SUBTYPE`. The parser also lists bodies that it would convert.
    fn body<'b>(
        &self,
        subtype: &str,
        mut bodies: impl Iterator<Item = &'b MessagePart<'b>>,
    ) -> Option<&'b str> {
        let matches = |part: &&MessagePart<'_>| match part.content_type() {
            Some(mime) => mime.ctype() == "text" && mime.subtype() == Some(subtype),
            None => subtype == "plain",
        };
        bodies.find(matches)?.text_contents()
    }

    /// The HTML as a document for the sandboxed frame, with the inline images embedded.
    pub(crate) fn page(&self, clock: &Clock) -> Option<String> {
        let image = |id: &str| self.image(id);
        Some(frame::page(self.html()?, &image, clock))
    }

    /// The image that `cid:ID` refers to, as a `data:` URL.
    fn image(&self, id: &str) -> Option<String> {
        let id = percent_decoded(id);
        let part = self.0.attachments().find(|part| {
            let content_id = part.content_id();
            content_id.is_some_and(|content_id| percent_decoded(content_id) == id)
        })?;
        let mime = mime(part);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
        if !mime.starts_with("image/") || !mime.chars().all(is_allowed) {
            return None;
        }
        let data = STANDARD.encode(part.contents());
        Some(format!("data:{mime};base64,{data}"))
    }

    pub(crate) fn files(&self) -> Vec<MailFile> {
        let file = |part: &MessagePart<'_>| MailFile {
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

    /// The untrusted name and the bytes of a file, by its index in [`Mail::files`].
    pub(crate) fn file(&self, number: u32) -> Option<(Option<&str>, &[u8])> {
        let part = self.0.attachment(number)?;
        Some((part.attachment_name(), part.contents()))
    }

    pub(crate) fn headers(&self) -> Vec<MailHeader> {
        let texts = MessageParser::new()
            .header_text(HeaderName::Subject)
            .default_header_text()
            .parse_headers(self.0.raw_message());
        let decoded = |index: usize| texts.as_ref()?.headers().get(index)?.value().as_text();
        let header = |(index, (name, raw)): (usize, (&str, &str))| {
            let lines: Vec<_> = raw.trim().lines().map(str::trim).collect();
            let value = lines.join(" ");
            let decoded = decoded(index).filter(|text| value.contains("=?") && *text != value);
            MailHeader {
                name: name.to_owned(),
                decoded: decoded.map(str::to_owned),
                value,
            }
        };
        self.0.headers_raw().enumerate().map(header).collect()
    }

    pub(crate) fn message(&self) -> &Message<'a> {
        &self.0
    }
}

impl Drop for Mail<'_> {
    fn drop(&mut self) {
        safe_parse::dismantle(std::mem::take(&mut self.0));
    }
}

fn mime(part: &MessagePart<'_>) -> String {
    let Some(mime) = part.content_type() else {
        return "text/plain".to_owned();
    };
    let subtype = mime.subtype().unwrap_or_default();
    format!("{}/{subtype}", mime.ctype()).to_ascii_lowercase()
}

fn percent_decoded(id: &str) -> String {
    percent_encoding::percent_decode_str(id)
        .decode_utf8_lossy()
        .into_owned()
}

impl MailHeader {
    /// The value as people read it.
    pub(crate) fn text(&self) -> &str {
        self.decoded.as_deref().unwrap_or(&self.value)
    }
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
    fn embeds_inline_images_and_lists_files() {
        let mail = Mail::parse(MESSAGE.as_bytes()).expect("a message");
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
    fn headers_have_a_raw_and_a_decoded_value() {
        let mail = Mail::parse(MESSAGE.as_bytes()).expect("a message");
        let headers = mail.headers();
        assert_eq!((headers[0].text(), headers[1].text()), ("Łódź", "two"));
        let subject = &headers[2];
        assert_eq!(subject.value, "=?utf-8?q?J=C3=B3zef?= and co");
        assert_eq!(subject.decoded.as_deref(), Some("Józef and co"));
        assert_eq!(headers[1].decoded, None);
    }
}
