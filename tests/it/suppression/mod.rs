//! Lists of suppressed addresses that mailrun keeps.

mod api;
mod campaign;
mod command;
mod follow;

use crate::home::{Home, both};
use crate::support::campaign::Campaign;
use crate::support::run::Run;

impl Home {
    /// The campaign with its lists there.
    fn place(&self, campaign: Campaign) -> Campaign {
        match &self.0 {
            Some(url) => campaign.set("ledger.url", url.as_str()),
            None => campaign,
        }
    }
}

/// `mailrun suppress COMMAND @acme --campaign CAMPAIGN`.
fn suppress(campaign: &Campaign, command: &str) -> Run {
    let run = Run::new("suppress").args([command, "@acme", "--campaign"]);
    run.arg(campaign.path()).keys()
}

/// The campaign with the list @acme in `suppress`.
fn with_list(campaign: Campaign) -> Campaign {
    campaign.set("recipients.suppress", vec!["@acme"])
}

/// The lines of the list as `email reason source note`, sorted.
fn entries(campaign: &Campaign) -> Vec<String> {
    let ran = suppress(campaign, "export").run();
    let mut reader = csv::Reader::from_reader(ran.code(0).stdout.as_bytes());
    let header: Vec<_> = reader.headers().expect("a header").iter().collect();
    assert_eq!(header, ["email", "reason", "source", "at", "note"]);
    let mut lines: Vec<_> = reader
        .records()
        .map(|line| {
            let line = line.expect("good CSV");
            assert!(line[3].ends_with('Z'), "{line:?}");
            format!("{} {} {} {}", &line[0], &line[1], &line[2], &line[4])
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.sort();
    lines
}
