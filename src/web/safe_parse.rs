//! Parses messages that anybody may have written.
//!
//! `mail_parser` represents a message in a message by a value in a value. Some of its functions, and the
//! compiler's code that drops such a value, call themselves for each level, so a message with very many levels
//! would overflow the stack. Each part also takes much more memory than its bytes.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use memchr::memmem;

/// The most boundaries of a message whose parts are parsed. Each may begin a part.
const MAX_BOUNDARIES: usize = 50_000;
/// The most messages in a message whose parts are parsed.
const MAX_MESSAGES: usize = 5_000;
/// Words without which no part is a message (RFC 2046 5.2.1, 5.1.5, RFC 6532 3.7).
const MESSAGE_WORDS: [&[u8]; 3] = [b"rfc822", b"global", b"digest"];

/// Parses a message. If it has too many parts, only its headers are parsed.
pub(super) fn parse(raw: &[u8]) -> Option<Message<'_>> {
    if memmem::find_iter(raw, b"--").count() > MAX_BOUNDARIES {
        return MessageParser::default().parse_headers(raw);
    }
    match message_words(raw) {
        0 => MessageParser::default().parse(raw),
        1..=MAX_MESSAGES => parse_with_messages(raw),
        _ => MessageParser::default().parse_headers(raw),
    }
}

/// Drops a message level by level.
pub(super) fn dismantle(message: Message<'_>) {
    let mut messages = vec![message];
    while let Some(message) = messages.pop() {
        for part in message.parts {
            if let PartType::Message(inner) = part.body {
                messages.push(inner);
            }
        }
    }
}

fn message_words(raw: &[u8]) -> usize {
    let starts = memchr::memchr3_iter(b'r', b'g', b'd', raw)
        .chain(memchr::memchr3_iter(b'R', b'G', b'D', raw));
    let is_word = |at: &usize| {
        let word = raw.get(*at..at + 6);
        word.is_some_and(|word| {
            MESSAGE_WORDS
                .iter()
                .any(|other| word.eq_ignore_ascii_case(other))
        })
    };
    starts.filter(is_word).count()
}

/// Parses a message that may contain messages. Only encoded ones make the parser call itself, so it gets to
/// know no encodings. The parts of the outer message are decoded afterwards.
fn parse_with_messages(raw: &[u8]) -> Option<Message<'_>> {
    let parser = MessageParser::new()
        .with_mime_headers()
        .with_date_headers()
        .with_address_headers()
        .with_message_ids()
        .header_text(HeaderName::Subject)
        .ignore_header(HeaderName::ContentTransferEncoding);
    let mut message = parser.parse(raw)?;
    for part in &mut message.parts {
        decode(part, raw);
    }
    Some(message)
}

fn decode<'a>(part: &mut MessagePart<'a>, raw: &'a [u8]) {
    let mut headers = part.headers.iter();
    let Some(header) = headers.find(|header| header.name == HeaderName::ContentTransferEncoding)
    else {
        return;
    };
    let encoding = raw.get(header.offset_start as usize..header.offset_end as usize);
    let encoded = raw.get(part.offset_body as usize..part.offset_end as usize);
    let (Some(encoding), Some(encoded)) = (encoding, encoded) else {
        return;
    };
    let encoding = encoding.trim_ascii();
    let decoded = if encoding.eq_ignore_ascii_case(b"base64") {
        base64_decode(encoded)
    } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
        quoted_printable_decode(encoded)
    } else {
        return;
    };
    let Some(decoded) = decoded else {
        part.is_encoding_problem = true;
        return;
    };
    let charset = part
        .content_type()
        .and_then(|mime| mime.attribute("charset"))
        .and_then(|charset| charset_decoder(charset.as_bytes()));
    let text = |decoded: Vec<u8>| -> Cow<'a, str> {
        match charset {
            Some(decode) => decode(&decoded).into(),
            None => String::from_utf8_lossy(&decoded).into_owned().into(),
        }
    };
    match &mut part.body {
        PartType::Text(body) | PartType::Html(body) => *body = text(decoded),
        PartType::Binary(body) | PartType::InlineBinary(body) => *body = decoded.into(),
        // An encoded message stays as it is.
        PartType::Message(_) | PartType::Multipart(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::web::Mail;

    #[test]
    fn a_message_with_a_forwarded_one_is_parsed_like_others() {
        let source = "From: Jan <a@x.example>\r\nSubject: =?utf-8?q?=C5=BB?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=iso-8859-2\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=BF=F3=B3w=\r\n!\r\n\
            --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: BASE64\r\n\r\nPHA+SGk8L3A+\r\n\
            --b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nforwarded\r\n--b--\r\n";
        let mail = Mail::parse(source.as_bytes()).expect("a message");
        assert_eq!(mail.text(), Some("żółw!"));
        assert_eq!(mail.html(), Some("<p>Hi</p>"));
        assert_eq!(mail.message().subject(), Some("Ż"));
        let from = mail.message().from().and_then(|from| from.first());
        assert_eq!(from.and_then(|from| from.name()), Some("Jan"));
        let files = mail.files();
        let mimes: Vec<_> = files.iter().map(|file| &*file.mime).collect();
        assert_eq!(mimes, ["image/png", "message/rfc822"]);
        assert_eq!(mail.file(0).map(|file| file.1), Some(&b"\x89PNG"[..]));
    }

    #[test]
    fn many_levels_and_many_parts_are_no_problem() {
        let nested = |header: &str, count: usize| {
            format!(
                "Subject: S\r\n{}end\r\n",
                format!("{header}\r\n\r\n").repeat(count)
            )
        };
        let levels = nested("Content-Type: message/rfc822", 4_999);
        let mail = Mail::parse(levels.as_bytes()).expect("a message");
        assert_eq!(mail.files().len(), 1);
        let too_many = nested("Content-Type: message/rfc822", 50_000);
        let mail = Mail::parse(too_many.as_bytes()).expect("a message");
        assert_eq!(
            (mail.message().subject(), mail.files().len()),
            (Some("S"), 0)
        );
        let parts = format!(
            "Subject: S\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
            "--b\r\n\r\nx\r\n".repeat(100_000)
        );
        let mail = Mail::parse(parts.as_bytes()).expect("a message");
        assert_eq!(
            (mail.message().subject(), mail.files().len()),
            (Some("S"), 0)
        );
    }

    #[test]
    fn levels_in_an_encoded_message_are_not_parsed() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;

        let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(50_000);
        for encoding in ["base64", "=?utf-8?q?base64?="] {
            let source = format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{}\r\n",
                STANDARD.encode(&inner)
            );
            assert!(Mail::parse(source.as_bytes()).is_some());
        }
    }
}
