//! A message as it is shown: the line in the inbox, the headers that matter, the body, what is wrong
//! with it.

use std::fmt::Write as _;

use console::{Style, measure_text_width, pad_str, truncate_str};

use super::body;
use super::look::{Look, wrapped};
use super::preheader::preheader;
use super::told::Told;
use crate::address::Mailbox;
use crate::message::Message;
use crate::render::Prepared;
use crate::report::{grouped, printable, printable_line};

/// How wide the line of an inbox is at most.
const WIDEST_CARD: usize = 76;
/// How wide the names of headers are, and where there is room.
const NAMES: usize = 12;
const WIDE_NAMES: usize = 21;

/// A message, for a terminal or for whatever reads it. Nothing in it controls the terminal. `told` is
/// what is wrong with it, if that is to be shown too.
pub fn shown(prepared: &Prepared, told: Option<&Told>, look: &Look) -> String {
    let mut lines = Vec::new();
    if look.terminal {
        lines.extend(in_inbox(prepared, look));
    }
    lines.extend(headers(prepared, look));
    lines.push(String::new());
    match (&prepared.message.html, look.terminal) {
        (Some(html), true) => lines.extend(body::html(html, look)),
        _ => {
            let body = prepared.message.text().unwrap_or_default();
            lines.push(printable(body).trim_end().to_owned());
        }
    }
    lines.push(String::new());
    let mut counts = String::new();
    if let Some(told) = told.filter(|told| !told.text.is_empty()) {
        lines.extend(told.text.iter().map(|text| look.told(text)));
        lines.push(String::new());
        let _ = write!(counts, " · {}", told.counts);
    }
    lines.push(format!("-- {}{counts}", sizes(&prepared.message)));
    lines.join("\n")
}

/// A row that gets no message, with the reason.
pub fn not_shown(row: u32, told: &Told, look: &Look) -> Vec<String> {
    let mut lines = labelled("row", &row.to_string(), look);
    lines.push(look.paint(&Style::new().bold(), "This row gets no message."));
    lines.push(String::new());
    lines.extend(found(told, look));
    lines
}

/// What was found, line by line.
pub(super) fn found<'a>(told: &'a Told, look: &'a Look) -> impl Iterator<Item = String> + 'a {
    let texts = told.text.iter().map(|text| look.told(text));
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// The sender, the subject and the first words, as an inbox shows them.
pub(super) fn in_inbox(prepared: &Prepared, look: &Look) -> Vec<String> {
    let message = &prepared.message;
    let width = look.width.min(WIDEST_CARD);
    if width < 10 {
        return Vec::new();
    }
    let sender = message
        .from
        .name
        .as_deref()
        .unwrap_or(message.from.address.as_str());
    let words = preheader(message);
    let dim = Style::new().dim();
    let line = |style: &Style, text: &str| {
        let text = printable_line(text);
        let text = truncate_str(&text, width - 4, "…");
        let text = pad_str(&text, width - 4, console::Alignment::Left, None);
        format!(
            "{} {} {}",
            look.dim("│"),
            look.paint(style, &text),
            look.dim("│")
        )
    };
    vec![
        look.dim(&format!("╭{}╮", "─".repeat(width - 2))),
        line(&Style::new(), sender),
        line(&Style::new().bold(), &message.subject),
        line(
            &dim,
            if words.is_empty() {
                "(no text)"
            } else {
                &words
            },
        ),
        look.dim(&format!("╰{}╯", "─".repeat(width - 2))),
    ]
}

/// The headers, each with its name; where people look, long ones go on in lines of their own.
pub(super) fn headers(prepared: &Prepared, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in values(prepared) {
        lines.extend(labelled(&name, &value, look));
    }
    lines
}

/// A value with its name in front.
pub(super) fn labelled(name: &str, value: &str, look: &Look) -> Vec<String> {
    let value = printable(value).replace('\n', "␊");
    let names = match look.terminal && look.width >= 80 {
        true => WIDE_NAMES,
        false => NAMES,
    };
    let name = format!("{:>names$}:", printable_line(name));
    if !look.terminal {
        return vec![format!("{name} {value}")];
    }
    let indent = measure_text_width(&name) + 1;
    let mut pieces = wrapped(&value, look.width.saturating_sub(indent).max(10)).into_iter();
    let first = format!("{} {}", look.dim(&name), pieces.next().unwrap_or_default());
    let rest = pieces.map(|piece| format!("{:indent$}{piece}", ""));
    std::iter::once(first).chain(rest).collect()
}

fn values(prepared: &Prepared) -> Vec<(String, String)> {
    let message = &prepared.message;
    let mut values = vec![
        ("row".to_owned(), prepared.recipient.row.to_string()),
        ("From".to_owned(), mailbox(&message.from)),
        ("To".to_owned(), mailbox(&prepared.recipient.mailbox)),
    ];
    values.extend(message.cc.iter().map(|cc| ("Cc".to_owned(), mailbox(cc))));
    values.extend(
        message
            .bcc
            .iter()
            .map(|bcc| ("Bcc".to_owned(), mailbox(bcc))),
    );
    let reply_to = message.reply_to.iter();
    values.extend(reply_to.map(|to| ("Reply-To".to_owned(), to.to_string())));
    values.push(("Subject".to_owned(), message.subject.clone()));
    values.extend(message.headers.iter().cloned());
    if !message.tags.is_empty() {
        values.push(("tags".to_owned(), message.tags.join(", ")));
    }
    for file in &message.attachments.files {
        let kind = if file.inline { "inline" } else { "attachment" };
        let size = grouped(file.size);
        let value = format!("{} ({}, {size} bytes)", file.name, file.mime);
        values.push((kind.to_owned(), value));
    }
    values
}

/// A mailbox as it is read.
pub(super) fn mailbox(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.address),
        None => mailbox.address.to_string(),
    }
}

fn sizes(message: &Message) -> String {
    let size = |part: Option<&str>| part.map_or(0, str::len) as u64;
    format!(
        "html {} bytes, text {} bytes, attachments {} bytes in base64",
        grouped(size(message.html.as_deref())),
        grouped(size(message.text())),
        grouped(message.attachments.base64_len() as u64)
    )
}

/// How large a message is, for people: what counts against the API's limit.
pub(super) fn size(message: &Message) -> String {
    let part = |part: Option<&str>| part.map_or(0, str::len);
    let bodies = part(message.html.as_deref()) + part(message.text());
    let bytes = bodies + message.attachments.base64_len();
    match bytes as u64 {
        bytes @ ..1000 => format!("{bytes} B"),
        bytes @ ..1_000_000 => format!("{} KB", (bytes + 500) / 1000),
        bytes => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
