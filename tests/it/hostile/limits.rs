//! Campaigns that have no end: an error names the limit.

use std::process::Command;

use crate::support::campaign::Campaign;
use crate::support::run::{Ran, Run};

fn check(campaign: &Campaign) -> Ran {
    Run::new("check").arg(campaign.path()).run()
}

fn html(text: &str) -> Campaign {
    Campaign::new().template("newsletter.html", text)
}

#[test]
fn the_output_of_a_template_is_limited() {
    let twice = |inner: &str| {
        format!(
            "{{% for i in range(end=100000) %}}{{% for j in range(end=100000) %}}{inner}{{% endfor %}}{{% endfor %}}"
        )
    };
    for text in [
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "{{ first_name }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ] {
        check(&html(&twice(text)))
            .code(1)
            .stdout_has("more than 16777216 bytes");
    }
    let subject = Campaign::new().set(
        "message.subject",
        twice("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    );
    check(&subject)
        .code(1)
        .stdout_has("more than 16777216 bytes");
}

#[test]
fn deep_templates_are_an_error() {
    let nested = |count| {
        format!(
            "{}x{}",
            "{% if first_name %}".repeat(count),
            "{% endif %}".repeat(count)
        )
    };
    check(&html(&nested(100_000)))
        .code(1)
        .stdout_has("too deep");
    let elif = format!(
        "{{% if first_name %}}a{}{{% endif %}}",
        "{% elif first_name %}b".repeat(100_000)
    );
    check(&html(&elif))
        .code(1)
        .stdout_has("more than 200 {% elif %}");
    check(&html(&format!(
        "{{{{ {}1{} }}}}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    )))
    .code(1);
    for word in ["include", "extends"] {
        let mut chain = html(&format!("{{% {word} \"0.html\" %}}"));
        for number in 0..100 {
            let next = format!("{{% {word} \"{}.html\" %}}", number + 1);
            chain = chain.template(&format!("{number}.html"), &next);
        }
        check(&chain.template("100.html", "x"))
            .code(1)
            .stdout_has("more than 20 deep");
        let circle = html(&format!("{{% {word} \"a.html\" %}}"))
            .template("a.html", &format!("{{% {word} \"b.html\" %}}"))
            .template("b.html", &format!("\n{{% {word} \"a.html\" %}}"));
        check(&circle)
            .code(1)
            .stdout_has("a.html → b.html → a.html")
            .stdout_has("templates/b.html:2:1");
    }
    check(&html("{% include \"newsletter.html\" %}"))
        .code(1)
        .stdout_has("newsletter.html → newsletter.html");
}

#[test]
fn large_and_endless_files_are_an_error() {
    let campaign = Campaign::new();
    let template = campaign.path().join("templates/newsletter.html");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&template)
        .expect("a file");
    std::io::Write::write_all(&mut &file, &[b'x'; 8192]).expect("room");
    file.set_len(3 << 30).expect("a size");
    check(&campaign)
        .code(1)
        .stdout_has("a template may have 16777216");

    for (path, words) in [
        ("templates/fifo.html", "is not a file"),
        ("campaign.toml", "not a regular file"),
    ] {
        let campaign = Campaign::new();
        let path = campaign.path().join(path);
        let _ = std::fs::remove_file(&path);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .expect("mkfifo")
                .success()
        );
        check(&campaign).code(1).stdout_has(words);
    }
    let campaign = Campaign::new();
    let list = campaign.path().join("recipients.csv");
    std::fs::remove_file(&list).expect("a file");
    std::os::unix::fs::symlink("/dev/zero", &list).expect("a link");
    let campaign = campaign.unset("recipients.file");
    check(&campaign).code(1).stdout_has("a device");
}

#[test]
fn columns_are_limited() {
    let names: Vec<String> = (0..1_000_000).map(|n| format!("c{n}")).collect();
    let campaign = Campaign::new().recipients(format!("email,{}\n", names.join(",")));
    check(&campaign)
        .code(1)
        .stdout_has("1000001 columns; the maximum is 16384");
}
