//! A message as text: its line in an inbox, its headers, its body, and its findings.

use console::{Style, measure_text_width, pad_str, truncate_str};

use super::body;
use super::finding_summary::FindingSummary;
use super::output_style::{OutputStyle, wrapped};
use super::preheader::preheader;
use crate::address::Mailbox;
use crate::message::Message;
use crate::render::Prepared;
use crate::report::grouped;
use crate::terminal_text::{printable, printable_line};

/// The most columns of the inbox line.
const MAX_INBOX_WIDTH: usize = 76;
/// Columns for header names; `WIDE_NAMES` from 80 columns on.
const NAMES: usize = 12;
const WIDE_NAMES: usize = 21;

/// A message as text, with its findings if given. Control characters are replaced.
pub(crate) fn message_text(
    prepared: &Prepared,
    findings: Option<&FindingSummary>,
    output: &OutputStyle,
) -> String {
    let mut lines = Vec::new();
    if output.terminal {
        lines.extend(inbox_line(prepared, output));
    }
    lines.extend(headers(prepared, output));
    lines.push(String::new());
    match (&prepared.message.html, output.terminal) {
        (Some(html), true) => lines.extend(body::html(html, output)),
        _ => {
            let body = prepared.message.text().unwrap_or_default();
            lines.push(printable(body).trim_end().to_owned());
        }
    }
    lines.push(String::new());
    let mut counts = String::new();
    if let Some(findings) = findings.filter(|findings| !findings.text.is_empty()) {
        lines.extend(findings.text.iter().map(|text| output.finding_text(text)));
        lines.push(String::new());
        counts = format!(" · {}", findings.counts);
    }
    lines.push(format!("-- {}{counts}", sizes(&prepared.message)));
    lines.join("\n")
}

/// A row that gets no message, with the reason.
pub(crate) fn no_message_text(
    row: u32,
    findings: &FindingSummary,
    output: &OutputStyle,
) -> Vec<String> {
    let mut lines = labelled("row", &row.to_string(), output);
    lines.push(output.paint(&Style::new().bold(), "This row gets no message."));
    lines.push(String::new());
    lines.extend(finding_lines(findings, output));
    lines
}

pub(super) fn finding_lines<'a>(
    findings: &'a FindingSummary,
    output: &'a OutputStyle,
) -> impl Iterator<Item = String> + 'a {
    let texts = findings.text.iter().map(|text| output.finding_text(text));
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// The sender, the subject and the preheader in a box, as an inbox shows them.
pub(super) fn inbox_line(prepared: &Prepared, output: &OutputStyle) -> Vec<String> {
    let message = &prepared.message;
    let width = output.width.min(MAX_INBOX_WIDTH);
    if width < 10 {
        return Vec::new();
    }
    let sender = message
        .from
        .name
        .as_deref()
        .unwrap_or(message.from.address.as_str());
    let mut words = preheader(message);
    if words.is_empty() {
        words.push_str("(no text)");
    }
    let line = |style: &Style, text: &str| {
        let text = printable_line(text);
        let text = truncate_str(&text, width - 4, "…");
        let text = pad_str(&text, width - 4, console::Alignment::Left, None);
        format!(
            "{} {} {}",
            output.dim("│"),
            output.paint(style, &text),
            output.dim("│")
        )
    };
    vec![
        output.dim(&format!("╭{}╮", "─".repeat(width - 2))),
        line(&Style::new(), sender),
        line(&Style::new().bold(), &message.subject),
        line(&Style::new().dim(), &words),
        output.dim(&format!("╰{}╯", "─".repeat(width - 2))),
    ]
}

/// The headers; wrapped on a terminal.
pub(super) fn headers(prepared: &Prepared, output: &OutputStyle) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in values(prepared) {
        lines.extend(labelled(&name, &value, output));
    }
    lines
}

/// `name: value`; wrapped on a terminal.
pub(super) fn labelled(name: &str, value: &str, output: &OutputStyle) -> Vec<String> {
    let value = printable(value).replace('\n', "␊");
    let names = match output.terminal && output.width >= 80 {
        true => WIDE_NAMES,
        false => NAMES,
    };
    let name = format!("{:>names$}:", printable_line(name));
    if !output.terminal {
        return vec![format!("{name} {value}")];
    }
    let indent = measure_text_width(&name) + 1;
    let mut lines = wrapped(&value, output.width.saturating_sub(indent).max(10)).into_iter();
    let first = format!("{} {}", output.dim(&name), lines.next().unwrap_or_default());
    let rest = lines.map(|line| format!("{:indent$}{line}", ""));
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
    let bcc = message.bcc.iter();
    values.extend(bcc.map(|bcc| ("Bcc".to_owned(), mailbox(bcc))));
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

/// `Name <address>`, or the address.
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
        grouped(size(message.html())),
        grouped(size(message.text())),
        grouped(message.attachments.base64_len() as u64)
    )
}

/// The size that counts against the API's limit, such as `12 KB`.
pub(super) fn size(message: &Message) -> String {
    let part = |part: Option<&str>| part.map_or(0, str::len);
    let bodies = part(message.html()) + part(message.text());
    let bytes = bodies + message.attachments.base64_len();
    match bytes as u64 {
        bytes @ ..1000 => format!("{bytes} B"),
        bytes @ ..1_000_000 => format!("{} KB", (bytes + 500) / 1000),
        bytes => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
