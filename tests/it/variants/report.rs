//! `mailrun report` compares the variants.

use serde_json::json;

use super::{column, variant_of, variants};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send};
use crate::support::vendor::Vendor;

#[test]
fn the_report_compares_the_rows_of_the_test() {
    let vendor = Vendor::delivering();
    let campaign = campaign(&vendor.api)
        .rows(120)
        .set("api.dialect", "new_sendmail")
        .set("variants", variants(&[("A", 50), ("B", 50)]));
    let sent = send(&campaign).args(["--variant-sample", "70%"]).run();
    let run = sent.code(5).run_dir();
    let of_test = column(&Results::of(&run));
    let addresses = |name: &str| -> Vec<String> {
        let rows = of_test.iter().filter(|(_, variant)| *variant == name);
        rows.map(|(address, _)| address.clone()).collect()
    };
    let (a, b) = (addresses("A"), addresses("B"));
    assert!(a.len() > 20 && b.len() > 20, "{} and {}", a.len(), b.len());
    assert!(
        a.iter()
            .all(|it| variant_of(it, &[("A", 50), ("B", 50)]) == "A")
    );
    Run::on("resume", &run)
        .args(["--variant", "B"])
        .run()
        .code(0);
    // Nearly all who got B by choice open it, which must not count.
    for address in addresses("").iter().chain(&a[..a.len() / 2]).chain(&b[..2]) {
        vendor.event(address, "open", "00:00:02");
    }
    vendor.event(&a[0], "track", "00:00:03");
    let follow = Run::on("follow", &run).args(["--rate", "500/s", "--for", "1ms"]);
    follow.run();

    let report = Run::on("report", &run).args(["--format", "json"]).run();
    let report: serde_json::Value = serde_json::from_str(&report.code(0).stdout).expect("JSON");
    let compared = &report["runs"][0]["variants"];
    let groups = compared["groups"].as_array().expect("groups");
    let numbers: Vec<_> = groups
        .iter()
        .map(|group| {
            json!([
                group["variant"],
                group["accepted"],
                group["counts"]["opened"]
            ])
        })
        .collect();
    assert_eq!(
        numbers,
        [json!(["A", a.len(), a.len() / 2]), json!(["B", b.len(), 2])]
    );
    let opened = &groups[0]["rates"]["opened"];
    let number = |name: &str| opened[name].as_f64().expect("a number");
    assert!(number("low") < number("share") && number("share") < number("high"));
    assert_eq!(
        compared["comparison"],
        json!([
            {"measure": "opened", "of": "delivered", "first": "A", "second": "B", "may_be_chance": false},
            {"measure": "clicked", "of": "delivered", "first": "A", "second": "B", "may_be_chance": true},
        ])
    );
    let brief = Run::on("report", &run).run();
    brief
        .code(0)
        .stderr_has(&format!(
            "{:>12}  sent as variant A  delivered 100%",
            a.len()
        ))
        .stderr_has("Opened: A (")
        .stderr_has("is unlikely to be chance")
        .stderr_has("Clicked: the difference between A (");
    let page = std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains("Variants of the message"), "{page}");
    assert!(page.contains("is unlikely to be chance"), "{page}");
}

#[test]
fn a_report_without_variants_does_not_speak_of_them() {
    let vendor = Vendor::delivering();
    let campaign = campaign(&vendor.api);
    let run = send(&campaign).run().code(0).run_dir();
    let report = Run::on("report", &run).args(["--format", "json"]).run();
    let report: serde_json::Value = serde_json::from_str(&report.code(0).stdout).expect("JSON");
    assert_eq!(report["runs"][0]["variants"], serde_json::Value::Null);
    Run::on("report", &run)
        .run()
        .code(0)
        .stderr_lacks("variant");
    let page = std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(!page.contains("Variants"), "{page}");
}
