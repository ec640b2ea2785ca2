//! `mailrun init`: a campaign that can be tried at once.

use crate::support::campaign::Campaign;
use crate::support::findings::check_folder;
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;

#[test]
fn the_new_campaign_is_clean_and_can_be_sent() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("first");
    Run::new("init")
        .arg(&folder)
        .run()
        .code(0)
        .stdout_has("--local");
    check_folder(&folder).is_clean();
    let ran = Run::new("send").arg(&folder).arg("--local").run();
    ran.code(0);
    let results = Results::of(ran.run_dir());
    assert_eq!(results.count("accepted"), results.rows.len());
    assert_eq!(
        outbox(ran.run_dir().join("outbox")).len(),
        results.rows.len()
    );
    assert!(!results.rows.is_empty());
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let campaign = Campaign::new();
    let before = std::fs::read(campaign.path().join("campaign.toml")).expect("a file");
    let ran = Run::new("init").arg(campaign.path()).run();
    ran.code(1).stderr_has("not empty");
    let after = std::fs::read(campaign.path().join("campaign.toml")).expect("a file");
    assert_eq!(before, after);
    assert!(!campaign.path().join("unsubscribed.csv").exists());

    let empty = tempfile::tempdir().expect("a folder");
    Run::new("init").arg(empty.path()).run().code(0);
}
