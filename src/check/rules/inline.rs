//! Inline images: attached with `inline = true`, and shown by `cid:` and their name.

use percent_encoding::percent_decode_str;

use super::campaign_file;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, nearest};
use crate::html::marks::{before_marks, fill, is_marked};
use crate::html::{DynamicAttribute, image_sources};
use crate::message::{Attachment, Message, is_content_id};

const MISSING: Rule = Rule::error("image-cid-missing")
    .finds("a `cid:` address for which there is no attachment with `inline = true`")
    .why("Readers see a broken image.")
    .fix("Attach the image in `[[message.attachments]]` with `inline = true`, or correct the name.")
    .source("RFC 2392 2")
    .example("`<img src=\"cid:logo.png\">` without that attachment");

const UNUSED: Rule = Rule::warning("image-cid-unused")
    .finds("an attachment with `inline = true` that the HTML does not show")
    .why("Mail clients show it as an ordinary file, or hide it.")
    .fix("Write `<img src=\"cid:NAME\">` where it belongs, or remove `inline`.")
    .source("RFC 2387 3.4")
    .example("`inline = true`, and no `cid:` with its name");

const HEAVY: Rule = Rule::warning("image-heavy")
    .finds("inline images that add up to more than 500 KB")
    .why("Every recipient downloads them with the message: at 3 Mbit/s this takes over a second.")
    .fix("Make the images smaller, or put them on the web.")
    .source("a measure: at 3 Mbit/s that is more than a second and a half")
    .example("`inline = true` for a photograph of 2 MB");

const NAME: Rule = Rule::warning("image-cid-name")
    .finds("an inline image whose name has spaces, letters outside ASCII or other characters that URLs encode")
    .why("Some mail clients decode the `cid:` address before they look for the image, and others don't, so some readers may not see it.")
    .fix("Rename the file: letters from a to z, digits, `-`, `_` and `.` work everywhere.")
    .source("RFC 2392 2, erratum 454")
    .example("`path = \"logo small.png\"` and `<img src=\"cid:logo%20small.png\">`");

const RULES: &[Rule] = &[MISSING, UNUSED, HEAVY, NAME];

pub(in crate::check) struct InlineImages;

impl Family for InlineImages {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Checks the attachments that all rows share, and the names in the HTML that they share.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let shared = context.shared;
        if shared.engine.has_own_attachments() {
            return;
        }
        for page in context.pages() {
            for (index, source) in image_sources(page) {
                let name = cid_name(source.address).filter(|name| !is_marked(name));
                if let Some(finding) = name.and_then(|name| missing(name, context.message)) {
                    sink.add(shared.locator.at_image(finding, page, index, &source));
                }
            }
        }
        sink.extend(heavy(context.message).map(|finding| in_campaign(shared, finding)));
        sink.extend(unsafe_names(context.message).map(|finding| in_campaign(shared, finding)));
        let Some(html) = context.html else { return };
        if !html.dynamic_attributes().iter().any(may_be_cid) {
            let unused = unused(cid_names(html.marked()), context.message);
            sink.extend(unused.map(|finding| in_campaign(shared, finding)));
        }
    }

    /// Checks the attachments of the row, or the names in its own values.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        let message = context.message;
        if context.shared.engine.has_own_attachments() {
            let (html, marked) = (html.sent(), html.marked());
            let missing = cid_names(html).filter_map(|name| {
                let finding = missing(name, message)?;
                // A name that all rows have is a finding of its own.
                let is_of_row = !cid_names(marked).any(|shared| shared == name);
                Some(match is_of_row {
                    true => finding.kind("an image of the row is missing"),
                    false => finding,
                })
            });
            sink.extend(missing);
            let unused = unused(cid_names(html), message);
            sink.extend(unused.map(|finding| finding.kind("a file is not shown")));
            sink.extend(heavy(message));
            let names = unsafe_names(message);
            sink.extend(names.map(|finding| finding.kind("a name that URLs encode")));
            return;
        }
        let attributes = html.dynamic_attributes().iter().filter(|it| may_be_cid(it));
        let addresses: Vec<_> = attributes
            .map(|attribute| fill(&attribute.value, context.values))
            .collect();
        if addresses.is_empty() {
            return;
        }
        let names = || addresses.iter().filter_map(|address| cid_name(address));
        let missing = names().filter_map(|name| missing(name, message));
        sink.extend(missing.map(|finding| finding.kind("an image of the row is missing")));
        if sink.wants(&UNUSED) {
            let unused = unused(cid_names(html.marked()).chain(names()), message);
            sink.extend(unused.map(|finding| in_campaign(context.shared, finding)));
        }
    }
}

/// In bytes.
const HEAVY_FROM: u64 = 500_000;

/// Whether an attribute may be a `cid:` address whose name contains values of the row.
fn may_be_cid(attribute: &DynamicAttribute) -> bool {
    let fixed = before_marks(&attribute.value).trim_start();
    matches!(&*attribute.attribute, "src" | "background")
        && (fixed.is_empty() || cid_name(fixed).is_some())
}

/// The name in a `cid:` address.
fn cid_name(address: &str) -> Option<&str> {
    let address = address.trim();
    let scheme = address.get(..4)?;
    scheme.eq_ignore_ascii_case("cid:").then(|| &address[4..])
}

/// The names in all `cid:` addresses of HTML.
fn cid_names(html: &str) -> impl Iterator<Item = &str> {
    html.match_indices("cid:").filter_map(|(at, scheme)| {
        let is_address = html[..at].ends_with(['"', '\'', '=', '(']);
        let name = html[at + scheme.len()..].split(['"', '\'', ')', '>']);
        name.into_iter().next().filter(|_| is_address)
    })
}

/// Whether a `cid:` name is that of an attachment, percent-encoded or not.
fn is_for(cid: &str, attachment: &str) -> bool {
    cid == attachment || percent_decode_str(cid).decode_utf8_lossy() == attachment
}

fn inline_files(message: &Message) -> impl Iterator<Item = &Attachment> {
    let files = message.attachments.files.iter();
    files.map(|file| &**file).filter(|file| file.inline)
}

fn missing(cid: &str, message: &Message) -> Option<Finding> {
    if inline_files(message).any(|file| is_for(cid, &file.name)) {
        return None;
    }
    let mut files = message.attachments.files.iter();
    let names = inline_files(message).map(|file| file.name.as_str());
    let help = if files.any(|file| is_for(cid, &file.name)) {
        "add `inline = true` to the attachment".to_owned()
    } else if let Some(near) = nearest(cid, names) {
        format!("did you mean cid:{near}?")
    } else {
        "attach it: [[message.attachments]] with its path and `inline = true`".to_owned()
    };
    let message = format!("an image cannot be shown: no inline attachment is named “{cid}”");
    Some(MISSING.found(message).help(help))
}

fn unused<'a>(
    cids: impl Iterator<Item = &'a str>,
    message: &'a Message,
) -> impl Iterator<Item = Finding> + 'a {
    // Names in HTML may contain character references.
    let shown: Vec<_> = match inline_files(message).next() {
        Some(_) => cids.map(|cid| cid.replace("&amp;", "&")).collect(),
        None => Vec::new(),
    };
    let unused =
        inline_files(message).filter(move |file| !shown.iter().any(|cid| is_for(cid, &file.name)));
    unused.map(|file| {
        let name = &file.name;
        let message = format!("{name} has `inline = true`, but the HTML does not show it");
        let help = format!("write <img src=\"cid:{name}\"> where it belongs, or remove `inline`");
        UNUSED.found(message).help(help)
    })
}

fn heavy(message: &Message) -> impl Iterator<Item = Finding> {
    let bytes: u64 = inline_files(message).map(|file| file.size).sum();
    let heavy = (bytes > HEAVY_FROM).then(|| {
        let message = format!("the inline images have {} KB in total", bytes / 1000);
        let help = "every recipient gets them; reduce their size, or publish them on the web";
        HEAVY.found(message).help(help)
    });
    heavy.into_iter()
}

fn unsafe_names(message: &Message) -> impl Iterator<Item = Finding> + '_ {
    let files = inline_files(message).filter(|file| !is_content_id(&file.name));
    files.map(|file| {
        let message = format!(
            "{} has characters in its name that URLs encode, so some mail clients may not show it",
            file.name
        );
        let help = "rename it: letters from a to z, digits, - and _ work everywhere";
        NAME.found(message).help(help)
    })
}

/// Places a finding at the inline attachment in the campaign file that it names, or at the first.
fn in_campaign(shared: &CampaignContext<'_>, finding: Finding) -> Finding {
    let attachments = shared.campaign.message.attachments.iter();
    let mut inline = attachments.filter(|it| it.inline);
    let is_named = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        finding.message.starts_with(name)
    };
    let named = inline.clone().find(|it| is_named(it.path.get_ref()));
    match named.or_else(|| inline.next()) {
        Some(attachment) => campaign_file::at_text(shared, finding, &attachment.path),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_everywhere() {
        let html = "<img src='cid:a.png'><td style=\"background:url(cid:b.png)\"><p>cid:no</p><img src=cid:c.png>";
        assert_eq!(
            cid_names(html).collect::<Vec<_>>(),
            ["a.png", "b.png", "c.png"]
        );
        assert!(is_for("my%20logo.png", "my logo.png"));
        assert!(is_for("100%.png", "100%.png"));
        assert!(!is_for("Logo.png", "logo.png"));
        assert_eq!(cid_name(" CID:x"), Some("x"));
    }
}
