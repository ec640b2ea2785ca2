//! Columns and variables with the name of a variable that mailrun makes.

use crate::campaign::SameAddress;
use crate::check::context::CampaignContext;
use crate::check::rule::Rule;
use crate::check::rules::campaign_file::at_text;
use crate::check::sink::FindingSink;
use crate::finding::Place;
use crate::render::{RECIPIENT, ROWS, UNSUBSCRIBE_URL};

pub(super) const HIDDEN: Rule = Rule::note("variable-hidden")
    .finds("a column or a variable in `[vars]` with the name of a variable that mailrun makes: `recipient`, `unsubscribe_url` with `[feedback] url`, or `rows` with `same_address = \"group\"`")
    .why("Templates get the value of the column or of `[vars]`. With `unsubscribe_url`, that link may lead elsewhere than the one in `List-Unsubscribe`.")
    .fix("Rename the column or the variable if you want mailrun's.")
    .source("docs/campaign.md")
    .example("a column `unsubscribe_url`, and `[feedback] url`");

pub(super) fn check(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let campaign = shared.campaign;
    let made = [
        Some(RECIPIENT),
        campaign.feedback.url.is_some().then_some(UNSUBSCRIBE_URL),
        (campaign.recipients.same_address == SameAddress::Group).then_some(ROWS),
    ];
    for name in made.into_iter().flatten() {
        let message = |what| {
            format!("templates get {what} `{name}`, not the variable of mailrun with this name")
        };
        let help = "this is fine if you mean it; otherwise rename it";
        if shared.header.iter().any(|column| column == name) {
            let place = Place::file(shared.recipients);
            sink.add(HIDDEN.at(place, message("the column")).help(help));
        }
        let mut vars = campaign.vars.iter().map(|(var, _)| var);
        if let Some(var) = vars.find(|var| var.get_ref() == name) {
            let finding = HIDDEN.found(message("the variable in [vars]")).help(help);
            sink.add(at_text(shared, finding, var));
        }
    }
}
