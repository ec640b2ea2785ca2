//! `check --net` as a program: it never connects to addresses that are not public. Unit tests cover its findings,
//! with servers that it may connect to.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::support::campaign::Campaign;
use crate::support::findings::Report;
use crate::support::run::Run;

/// A server to which nobody may connect.
struct Trap(TcpListener);

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        Self(listener)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().expect("an address"))
    }

    #[track_caller]
    fn is_untouched(&self) {
        let error = self.0.accept().expect_err("nobody may connect");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

/// A campaign with these links.
fn linking(links: &[&str]) -> Campaign {
    let links: String = links
        .iter()
        .map(|link| format!("<a href=\"{link}\">The offer of this week</a>\n"))
        .collect();
    Campaign::good().html_with("</body>", &format!("{links}</body>"))
}

fn checked(campaign: &Campaign, options: &[&str]) -> Report {
    let ran = Run::new("check").arg(campaign.path()).args(options);
    let ran = ran.args(["--format", "json"]).run();
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
}

#[test]
fn reports_private_addresses_without_connecting() {
    let trap = Trap::new();
    let here = trap.url("/offer");
    let links = [
        here.as_str(),
        "http://localhost/",
        "http://10.0.0.1/",
        "https://192.168.1.5/offer",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f.1/",
    ];
    let report = checked(&linking(&links), &["--net"]);
    let private: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.code == "link-not-public")
        .collect();
    // The last two are the same address, 127.0.0.1.
    assert_eq!(private.len(), links.len() - 1, "{report:#?}");
    for finding in private {
        assert_eq!(finding.severity, "warning");
        assert!(finding.line >= Some(10), "{finding:#?}");
    }
    trap.is_untouched();
}

#[test]
fn looks_up_images() {
    let trap = Trap::new();
    let url = |name: &str| trap.url(&format!("/{name}.png"));
    let images = format!(
        "<img src=\"{}\" srcset=\"{} 2x\" alt=\"A cup\" width=\"1\">
         <table role=\"presentation\" background=\"{}\"><tr><td style=\"background:url({})\">.</td></tr></table>
         <!--[if mso]><v:rect href=\"{}\"><v:fill src=\"{}\"/></v:rect><![endif]-->",
        url("src"),
        url("srcset"),
        url("background"),
        url("style"),
        url("button"),
        url("fill"),
    );
    let style = format!(
        "<style>@media screen {{ .a {{ background-image: url('{}') }} }}</style>",
        url("rule")
    );
    let campaign = Campaign::good()
        .html_with("</head>", &format!("{style}</head>"))
        .html_with("</body>", &format!("{images}</body>"));
    let report = checked(&campaign, &["--net"]);
    for name in [
        "src",
        "srcset",
        "background",
        "style",
        "button",
        "fill",
        "rule",
    ] {
        let finding = report.about(&format!("/{name}.png leads to 127.0.0.1"));
        finding.is("link-not-public", "");
        assert!(finding.line.is_some(), "{finding:#?}");
    }
    trap.is_untouched();
}

#[test]
fn shortens_links_of_one_recipient() {
    let trap = Trap::new();
    let link = trap.url("/confirm?who={{ token }}");
    let report = checked(&linking(&[&link]), &["--net"]);
    let finding = report.about("leads to 127.0.0.1");
    assert!(!finding.message.contains("who="), "{finding:#?}");
    trap.is_untouched();
}

#[test]
fn looks_up_nothing_without_the_option() {
    let trap = Trap::new();
    let report = checked(&linking(&[&trap.url("/offer")]), &[]);
    for rule in mailrun::check::rules().filter(|rule| rule.network) {
        assert!(report.findings.iter().all(|it| it.code != rule.code));
    }
    trap.is_untouched();
}

#[test]
fn rules_can_be_turned_off() {
    let campaign = linking(&["http://10.0.0.1/"]).set("check.off.link-not-public", "our intranet");
    let report = checked(&campaign, &["--net"]);
    assert!(
        report
            .findings
            .iter()
            .all(|it| it.code != "link-not-public")
    );
}

#[test]
fn looks_up_nothing_of_one_recipient_in_css() {
    let trap = Trap::new();
    let style = format!(
        "<style>@media screen {{ .a {{ background: url({}) }} .b {{ background: url(http://{{{{ token }}}}.localhost/) }} }}</style>",
        trap.url("/o/{{ token }}")
    );
    let image = format!(
        "<img src=\"{}\" alt=\"A cup\" width=\"1\">",
        trap.url("/o/a12.png")
    );
    let campaign = Campaign::good()
        .recipients("email,first_name,token\nann@one.example,Ann,a1\n")
        .html_with("</head>", &format!("{style}</head>"))
        .html_with("</body>", &format!("{image}</body>"));
    let report = checked(&campaign, &["--net"]);
    report.about("/o/a12.png leads to 127.0.0.1");
    for finding in &report.findings {
        let message = &finding.message;
        assert!(!message.contains("/o/a1 "), "{message}");
        assert!(!message.contains("a1.localhost"), "{message}");
    }
    trap.is_untouched();
}
