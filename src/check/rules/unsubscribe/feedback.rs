//! The links to unsubscribe that mailrun makes, and the page that they lead to.

use crate::campaign::{Campaign, PageColour, is_loopback};
use crate::check::context::CampaignContext;
use crate::check::rule::Rule;
use crate::check::rules::campaign_file::{at_text, in_file};
use crate::check::sink::FindingSink;
use crate::html::Colour;
use crate::unsubscribe::is_link;

pub(super) const COPIES: Rule = Rule::warning("unsubscribe-copies")
    .finds("`cc` or `bcc` in a campaign with `[feedback] url`")
    .why("The copy has the link of the recipient: who unsubscribes with it unsubscribes somebody else.")
    .fix("Remove `cc` and `bcc`. To archive messages, use the gateway, or send the campaign to the archive as a row of its own.")
    .source("RFC 8058 3.1: the address identifies one recipient")
    .example("`bcc = \"archive@acme.example\"`");

pub(super) const LOCAL: Rule = Rule::warning("unsubscribe-local")
    .finds("a `[feedback] url` on this machine, in a campaign that goes to a server elsewhere")
    .why("The links to unsubscribe work on this machine only.")
    .fix("Write the public address of `mailrun feedback`.")
    .source("RFC 6761 6.3, RFC 1122 3.2.1.3")
    .example("`url = \"http://127.0.0.1:8026\"`");

pub(super) const CONTRAST: Rule = Rule::warning("unsubscribe-page-contrast")
    .finds("colours in `[feedback.page]` with too little contrast: less than 4.5:1 for text, or 3:1 for the button")
    .why("People with weak eyesight can't read the page, and report the message as spam instead.")
    .fix("Make `foreground` darker or `background` lighter, or the other way round.")
    .source("WCAG 2.2, 1.4.3 and 1.4.11")
    .example("`foreground = \"#999999\"` on white");

/// The contrast that text needs.
const TEXT: f32 = 4.5;
/// The contrast that the shape of a button needs.
const SHAPE: f32 = 3.0;

pub(super) fn check(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let campaign = shared.campaign;
    let Some(url) = &campaign.feedback.url else {
        return;
    };
    let message = &campaign.message;
    for (name, copy) in [("cc", &message.cc), ("bcc", &message.bcc)] {
        if let Some(copy) = copy.first() {
            let text = format!("who reads the copy in `{name}` can unsubscribe the recipient");
            let finding = COPIES.found(text);
            let help = format!("remove `{name}`");
            sink.add(at_text(shared, finding.help(help), copy));
        }
    }
    let stays_here = campaign.api().is_some_and(|api| is_loopback(&api.url));
    if is_loopback(url) && !stays_here {
        let finding =
            LOCAL.found("the links to unsubscribe lead to this machine, which readers can't reach");
        let help = "write the public address of `mailrun feedback` in [feedback]";
        sink.add(in_file(shared, finding.help(help)));
    }
    check_contrast(campaign, shared, sink);
}

fn check_contrast(campaign: &Campaign, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let page = &campaign.feedback.page;
    let colour = |set: &Option<PageColour>| set.as_ref().map(|set| set.colour);
    let background = colour(&page.background).unwrap_or(Colour::WHITE);
    let foreground = (
        &page.foreground,
        colour(&page.foreground).unwrap_or(Colour::BLACK),
        TEXT,
    );
    let accent = (
        &page.accent,
        colour(&page.accent).unwrap_or(background),
        SHAPE,
    );
    for (set, colour, required) in [foreground, accent] {
        let Some(place) = set.as_ref().or(page.background.as_ref()) else {
            continue;
        };
        let contrast = colour.contrast(background);
        if contrast < required && (set.is_some() || required == TEXT) {
            let message = format!(
                "{} on {} has a contrast of {contrast:.1}:1",
                colour.hex(),
                background.hex()
            );
            let help = format!("{required}:1 is enough");
            sink.add(at_text(
                shared,
                CONTRAST.found(message).help(help),
                &place.text,
            ));
        }
    }
}

/// Whether an address is that of a link to unsubscribe that mailrun makes.
pub(in crate::check::rules) fn is_made_by_mailrun(campaign: &Campaign, address: &str) -> bool {
    let url = campaign.feedback.url.as_ref();
    url.is_some_and(|url| is_link(url.as_str(), address))
}
