//! Images that come with the message: attached with `inline = true`, shown by `cid:` and the name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::campaign_file;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, nearest};
use crate::html::DynamicAttribute;
use crate::html::image_sources;
use crate::html::marks::{before_marks, fill, is_marked};
use crate::message::Message;

const MISSING: Rule = Rule::error("image-cid-missing")
    .finds("a `cid:` address for which there is no attachment with `inline = true`")
    .why("Readers see a broken image.")
    .fix("Attach the image in `[[message.attachments]]` with `inline = true`, or correct the name.")
    .source("RFC 2392 2")
    .example("`<img src=\"cid:logo.png\">` without that attachment");

const UNUSED: Rule = Rule::warning("image-cid-unused")
    .finds("an attachment with `inline = true` that the HTML does not show")
    .why("Mail programs show it as an ordinary file, or hide it.")
    .fix("Write `<img src=\"cid:NAME\">` where it belongs, or remove `inline`.")
    .source("RFC 2387 3.4")
    .example("`inline = true`, and no `cid:` with its name");

const HEAVY: Rule = Rule::warning("image-heavy")
    .finds("inline images that add up to more than 500 KB")
    .why("Every recipient downloads them with the message: at 3 Mbit/s this takes over a second.")
    .fix("Make the images smaller, or put them on the web.")
    .source("a measure: at 3 Mbit/s that is more than a second and a half")
    .example("`inline = true` for a photograph of 2 MB");

const RULES: &[Rule] = &[MISSING, UNUSED, HEAVY];

pub(in crate::check) struct InlineImages;

impl Family for InlineImages {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// The attachments that are the same for all rows, and the names that the HTML has for them.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let shared = context.shared;
        if shared.engine.has_own_attachments() {
            return;
        }
        for page in context.pages() {
            for (index, source) in image_sources(page) {
                let cid = cid(source.address).filter(|cid| !is_marked(cid));
                if let Some(finding) = cid.and_then(|cid| missing(cid, context.message)) {
                    sink.add(shared.locator.at_image(finding, page, index, &source));
                }
            }
        }
        let found = heavy(context.message);
        found.for_each(|finding| sink.add(in_campaign(shared, finding)));
        let Some(html) = context.html else { return };
        if !html.dynamic_attributes().iter().any(may_be_cid) {
            let found = unused(cids(html.marked()), context.message);
            found.for_each(|finding| sink.add(in_campaign(shared, finding)));
        }
    }

    /// The attachments that are a row's own, and the names that it has for those of all.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        if context.shared.engine.has_own_attachments() {
            let html = html.sent();
            let missing = cids(html).filter_map(|cid| missing(cid, context.message));
            let found = missing
                .chain(unused(cids(html), context.message))
                .chain(heavy(context.message));
            found.for_each(|finding| sink.add(finding));
            return;
        }
        let holes = html
            .dynamic_attributes()
            .iter()
            .filter(|hole| may_be_cid(hole));
        let filled: Vec<_> = holes
            .map(|hole| fill(&hole.value, context.values))
            .collect();
        if filled.is_empty() {
            return;
        }
        let own = || filled.iter().filter_map(|address| cid(address));
        let missing = own().filter_map(|cid| missing(cid, context.message));
        missing.for_each(|finding| sink.add(finding));
        if sink.wants(&UNUSED) {
            for finding in unused(cids(html.marked()).chain(own()), context.message) {
                sink.add(in_campaign(context.shared, finding));
            }
        }
    }
}

/// The most bytes of images that nobody minds.
const MOST: u64 = 500_000;

/// Whether an attribute may have a `cid:` address, with a name or all of it the row's own.
fn may_be_cid(hole: &DynamicAttribute) -> bool {
    let fixed = before_marks(&hole.value).trim_start();
    matches!(&*hole.attribute, "src" | "background") && (fixed.is_empty() || cid(fixed).is_some())
}

/// The name in a `cid:` address.
fn cid(address: &str) -> Option<&str> {
    let address = address.trim();
    let scheme = address.get(..4)?;
    scheme.eq_ignore_ascii_case("cid:").then(|| &address[4..])
}

/// The names in the `cid:` addresses of HTML, wherever they stand.
fn cids(html: &str) -> impl Iterator<Item = &str> {
    let begins = html.match_indices("cid:").filter(|(at, _)| {
        let before = html[..*at].chars().next_back();
        before.is_some_and(|c| matches!(c, '"' | '\'' | '=' | '('))
    });
    begins.map(|(at, _)| {
        let name = &html[at + 4..];
        name.split(['"', '\'', ')', '>']).next().unwrap_or_default()
    })
}

/// Whether a `cid:` is for an attachment: by its name, percent-encoded or not.
fn is_for(cid: &str, name: &str) -> bool {
    cid == name || percent_decode_str(cid).decode_utf8_lossy() == name
}

fn inline(message: &Message) -> impl Iterator<Item = &crate::message::Attachment> {
    let files = message.attachments.files.iter();
    files.map(|file| &**file).filter(|file| file.inline)
}

fn missing(cid: &str, message: &Message) -> Option<Finding> {
    if inline(message).any(|file| is_for(cid, &file.name)) {
        return None;
    }
    let files = &message.attachments.files;
    let help = if files.iter().any(|file| is_for(cid, &file.name)) {
        "the attachment is there: give it `inline = true`".to_owned()
    } else {
        match nearest(cid, inline(message).map(|file| file.name.as_str())) {
            Some(near) => format!("did you mean cid:{near}?"),
            None => {
                "attach it: [[message.attachments]] with its path and `inline = true`".to_owned()
            }
        }
    };
    let message = format!("no attachment is named “{cid}”, so that the image is not there");
    Some(MISSING.found(message).help(help))
}

fn unused<'a>(
    cids: impl Iterator<Item = &'a str>,
    message: &'a Message,
) -> impl Iterator<Item = Finding> + 'a {
    // Names in the HTML may have entities in them.
    let shown: Vec<Cow<'_, str>> = match inline(message).next() {
        Some(_) => cids.map(entities).collect(),
        None => Vec::new(),
    };
    let unused =
        inline(message).filter(move |file| !shown.iter().any(|cid| is_for(cid, &file.name)));
    unused.map(|file| {
        let message = format!(
            "{} is attached with `inline = true`, but nothing shows it",
            file.name
        );
        UNUSED.found(message).help(format!(
            "write <img src=\"cid:{}\"> where it belongs, or take `inline` away",
            file.name
        ))
    })
}

fn entities(text: &str) -> Cow<'_, str> {
    if text.contains('&') {
        Cow::Owned(text.replace("&amp;", "&"))
    } else {
        Cow::Borrowed(text)
    }
}

fn heavy(message: &Message) -> impl Iterator<Item = Finding> {
    let bytes: u64 = inline(message).map(|file| file.size).sum();
    let heavy = (bytes > MOST).then(|| {
        let message = format!("the attached images are {} KB in all", bytes / 1000);
        HEAVY
            .found(message)
            .help("every recipient gets them: make them smaller, or put them on the web")
    });
    heavy.into_iter()
}

/// The place of the first inline attachment in the campaign.
fn in_campaign(shared: &CampaignContext<'_>, finding: Finding) -> Finding {
    let mut attachments = shared.campaign.message.attachments.iter();
    let is_named = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        finding.message.starts_with(name)
    };
    let first = attachments
        .clone()
        .find(|it| it.inline && is_named(it.path.get_ref()));
    match first.or_else(|| attachments.find(|it| it.inline)) {
        Some(attachment) => campaign_file::at_text(shared, finding, &attachment.path),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let html = "<img src='cid:a.png'><td style=\"background:url(cid:b.png)\"><p>cid:no</p><img src=cid:c.png>";
        assert_eq!(cids(html).collect::<Vec<_>>(), ["a.png", "b.png", "c.png"]);
        assert!(is_for("my%20logo.png", "my logo.png"));
        assert!(is_for("100%.png", "100%.png"));
        assert!(!is_for("Logo.png", "logo.png"));
        assert_eq!(cid(" CID:x"), Some("x"));
    }
}
