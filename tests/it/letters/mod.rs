//! Letters that are not written in HTML.

mod markdown;
mod mjml;

use crate::support::campaign::Campaign;
use crate::support::mail::{Mail, outbox};
use crate::support::run::Run;

/// The messages of all rows in the order of their addresses, sent to a local outbox.
#[track_caller]
fn sent(campaign: &Campaign) -> Vec<Mail> {
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    let mut mails = outbox(ran.code(0).run_dir().join("outbox"));
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    mails
}
