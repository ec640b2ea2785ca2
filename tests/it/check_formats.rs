//! `check --format sarif` and `--format github`, as the services read them.

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::support::campaign::Campaign;
use crate::support::run::Run;

/// A campaign with an error in a template and two invalid rows.
fn broken_campaign() -> Campaign {
    Campaign::good()
        .html_with("href=\"https://sender.example/u/{{ token }}\"", "href=\"\"")
        .recipients("email,first_name,token\nann@one.example,Ann,a\nbob,Bob,b\ncleo,Cleo,c\n")
}

/// Runs in the parent folder of the campaign.
fn beside(campaign: &Campaign, format: &str) -> Run {
    let name = campaign.path().file_name().expect("a name");
    Run::new("check")
        .cwd(campaign.path().parent().expect("a folder"))
        .arg(name)
        .args(["--format", format])
}

fn sarif(campaign: &Campaign) -> Value {
    let ran = beside(campaign, "sarif").run();
    let log: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    is_valid(&log);
    assert_eq!(log["runs"].as_array().map(Vec::len), Some(1));
    log
}

/// Validates a log against the schema of the standard.
#[track_caller]
fn is_valid(log: &Value) {
    let schema = include_str!("../fixtures/sarif/sarif-schema-2.1.0.json");
    let schema = serde_json::from_str(schema).expect("JSON");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler
        .add_resource("file:///sarif.json", schema)
        .expect("a schema");
    let schema = compiler
        .compile("file:///sarif.json", &mut schemas)
        .expect("a schema");
    let valid = schemas.validate(log, schema);
    assert!(valid.is_ok(), "{:#}", valid.expect_err("it is not valid"));
}

/// The results with this code.
fn results<'a>(log: &'a Value, code: &str) -> Vec<&'a Value> {
    let results = log["runs"][0]["results"].as_array().expect("results");
    let of = results.iter().filter(|result| result["ruleId"] == code);
    of.collect()
}

#[test]
#[should_panic(expected = "runs")]
fn the_schema_rejects_other_json() {
    is_valid(&serde_json::json!({"version": "2.1.0"}));
}

#[test]
fn sarif_is_valid() {
    for campaign in [
        broken_campaign(),
        Campaign::good(),
        Campaign::new().toml("name = 1"),
        Campaign::new().set("check.off.link-empty", "a test"),
    ] {
        sarif(&campaign);
    }
}

#[test]
fn sarif_describes_every_code_once() {
    let log = sarif(&broken_campaign());
    let rules = &log["runs"][0]["tool"]["driver"]["rules"];
    let rules = rules.as_array().expect("rules");
    let ids: BTreeSet<_> = rules.iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len());
    for rule in mailrun::check::rules() {
        assert!(ids.contains(&Some(rule.code)), "{}", rule.code);
    }
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert!(results.len() >= 2);
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}

#[test]
fn sarif_has_places_from_the_working_directory() {
    let campaign = broken_campaign();
    let name = campaign.path().file_name().expect("a name");
    let name = name.to_str().expect("UTF-8");
    let log = sarif(&campaign);
    let [link] = results(&log, "link-empty")[..] else {
        panic!("{log:#}")
    };
    assert_eq!(link["level"], "error");
    let place = &link["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"],
        format!("{name}/templates/newsletter.html")
    );
    assert_eq!(place["region"]["startLine"], 9);
    assert_eq!(place["region"]["startColumn"], 45);
    let addresses = results(&log, "bad-address");
    let place = &addresses[0]["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"],
        format!("{name}/recipients.csv")
    );
    assert_eq!(addresses[0]["level"], "warning");
}

#[test]
fn json_has_paths_that_can_be_opened_from_the_working_directory() {
    let invalid_rows = broken_campaign().set("recipients.suppress", vec!["left.csv"]);
    let invalid_rows = invalid_rows.file("left.csv", "email\nnobody\n");
    let broken = Campaign::good().html_with("{% endif %}", "{% end %}");
    let unread = Campaign::good().recipients("name\nAnn\n");
    let files: Vec<_> = [invalid_rows, broken, unread]
        .iter()
        .flat_map(opened)
        .collect();
    for file in ["newsletter.html", "recipients.csv", "left.csv"] {
        assert!(
            files.iter().any(|it| it.ends_with(file)),
            "{file}: {files:?}"
        );
    }
}

/// The files of the findings. All of them exist.
fn opened(campaign: &Campaign) -> Vec<String> {
    let ran = beside(campaign, "json").run();
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let files = findings
        .iter()
        .filter_map(|finding| finding["file"].as_str());
    let files: Vec<_> = files.map(str::to_owned).collect();
    let base = campaign.path().parent().expect("a folder");
    for file in &files {
        assert!(base.join(file).is_file(), "{file}");
    }
    files
}

#[test]
fn unreadable_recipients_have_one_place() {
    let campaign = Campaign::good().recipients("name\nAnn\n");
    let ran = beside(&campaign, "github").run();
    let name = campaign.path().file_name().expect("a name").display();
    ran.stdout_has(&format!(
        "::error file={name}/recipients.csv,line=1,title=recipients::there is no column “email”"
    ));
}

#[test]
fn a_repeated_finding_of_a_row_counts_once() {
    let links = "{% for n in [1, 2] %}<a href=\"#\">Offer {{ n }}</a>{% endfor %}";
    let campaign =
        Campaign::good().html_with("<p>The Sender team", &format!("<p>{links} The Sender team"));
    let report: Value =
        serde_json::from_str(&beside(&campaign, "json").run().stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|it| it["code"] == "link-placeholder");
    let found = found.expect("the link");
    assert_eq!(found["rows"], serde_json::json!([1, 2, 3]));
    assert_eq!(found["count"], 3);
}

#[test]
fn sarif_recognizes_a_finding_whose_line_has_moved() {
    let campaign = broken_campaign();
    let prints = |log: &Value| -> Vec<String> {
        let results = log["runs"][0]["results"].as_array().expect("results");
        let of = |result: &Value| result["partialFingerprints"]["finding/v1"].to_string();
        results.iter().map(of).collect()
    };
    let before = sarif(&campaign);
    let template = campaign.path().join("templates/newsletter.html");
    let text = std::fs::read_to_string(&template).expect("the template");
    let campaign = campaign.template("newsletter.html", &text.replace("<body", "\n\n<body"));
    let after = sarif(&campaign);
    let line = |log: &Value| {
        let of = results(log, "link-empty");
        of[0]["locations"][0]["physicalLocation"]["region"]["startLine"].clone()
    };
    assert_ne!(line(&before), line(&after));
    assert_eq!(prints(&before), prints(&after));
    let different: BTreeSet<_> = prints(&before).into_iter().collect();
    assert_eq!(different.len(), prints(&before).len());
}

#[test]
fn sarif_says_which_rules_are_off() {
    let log = sarif(&broken_campaign().set("check.off.link-empty", "the shop is closed"));
    assert!(results(&log, "link-empty").is_empty());
    let off = &log["runs"][0]["invocations"][0]["ruleConfigurationOverrides"];
    assert_eq!(off[0]["descriptor"]["id"], "link-empty");
    assert_eq!(off[0]["configuration"]["enabled"], false);
    assert_eq!(off[0]["properties"]["reason"], "the shop is closed");
}

#[test]
fn annotations_are_at_their_lines() {
    let campaign = broken_campaign();
    let name = campaign.path().file_name().expect("a name").display();
    let ran = beside(&campaign, "github").run();
    ran.code(1);
    let first = ran.stdout.lines().next().unwrap_or_default();
    let wanted =
        format!("::error file={name}/templates/newsletter.html,line=9,col=45,title=link-empty::");
    assert!(first.starts_with(&wanted), "{}", ran.stdout);
    let row = format!("::warning file={name}/recipients.csv,line=3,title=bad-address::");
    ran.stdout_has(&row);
    for line in ran.stdout.lines().filter(|line| !line.starts_with("::")) {
        assert!(line.starts_with("3 rows, "), "{line}");
    }
}

#[test]
fn every_format_has_the_exit_code() {
    for format in ["text", "json", "sarif", "github"] {
        beside(&broken_campaign(), format).run().code(1);
        beside(&Campaign::good(), format).run().code(0);
        let warned = Campaign::good().recipients("email,first_name,token\nann,Ann,1\n");
        beside(&warned, format).run().code(0);
        beside(&warned, format).arg("--strict").run().code(1);
        let missing = Run::new("check").arg("nowhere").args(["--format", format]);
        missing.run().code(1).stdout_has("no-campaign");
    }
}
