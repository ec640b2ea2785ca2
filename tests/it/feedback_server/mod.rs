//! Links to unsubscribe, and `mailrun feedback`.

mod ledger;
mod links;
mod page;
mod rehearsal;
mod server;
mod unsubscribe;
mod webhooks;

use crate::support::campaign::Campaign;
use crate::support::run::Run;

/// The key of the tests, and another one.
const KEY: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const OTHER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const LINK: &str = "https://news.sender.example/u/";

/// A campaign with a link to unsubscribe in its HTML.
fn with_link(campaign: Campaign) -> Campaign {
    campaign
        .kept_list("@acme")
        .set("feedback.url", "https://news.sender.example")
        .template(
            "newsletter.html",
            "<p>Hello {{ first_name }}. <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p>",
        )
}

fn with_key(run: Run) -> Run {
    run.env("MAILRUN_FEEDBACK_KEY", KEY)
}
