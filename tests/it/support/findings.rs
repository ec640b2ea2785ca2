//! Reads the output of `mailrun check --format json`.

use std::path::Path;

use serde::Deserialize;

use super::campaign::Campaign;
use super::run::Run;

/// The report with all documented fields and no others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub rows: Option<u64>,
    pub errors: u64,
    pub warnings: u64,
    pub notes: u64,
    pub off: Vec<Off>,
    pub suppressed: Vec<Suppressed>,
    pub not_selected: Vec<Suppressed>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Off {
    pub code: String,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppressed {
    pub reason: String,
    pub rows: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub severity: String,
    pub code: String,
    pub message: String,
    pub help: Option<String>,
    pub file: Option<String>,
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub rows: Vec<u32>,
    pub count: u64,
}

/// Checks a campaign, and its exit code against the number of errors.
#[track_caller]
pub fn check(campaign: &Campaign) -> Report {
    check_folder(campaign.path())
}

/// Checks a campaign without warnings and notes of rules: most tests have a tiny message.
#[track_caller]
pub fn check_without_style_rules(campaign: &Campaign) -> Report {
    let mut report = check(campaign);
    let looks = |code: &str| mailrun::check::rules().any(|rule| rule.code == code);
    let (kept, dropped): (Vec<_>, Vec<_>) = report
        .findings
        .into_iter()
        .partition(|finding| finding.severity == "error" || !looks(&finding.code));
    let dropped = |severity: &str| {
        let of = dropped.iter().filter(|it| it.severity == severity);
        of.map(|finding| finding.count).sum::<u64>()
    };
    report.warnings -= dropped("warning");
    report.notes -= dropped("note");
    report.findings = kept;
    report
}

#[track_caller]
pub fn check_folder(folder: &Path) -> Report {
    let ran = Run::new("check")
        .arg(folder)
        .args(["--format", "json"])
        .run();
    let report: Report = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.stdout, ran.stderr));
    ran.code(i32::from(report.errors > 0));
    report
}

impl Report {
    /// Asserts that there are no findings.
    #[track_caller]
    pub fn is_clean(&self) -> &Self {
        assert!(self.findings.is_empty(), "{self:#?}");
        assert_eq!((self.errors, self.warnings, self.notes), (0, 0, 0));
        self
    }

    /// The only finding.
    #[track_caller]
    pub fn only(&self) -> &Finding {
        assert_eq!(self.findings.len(), 1, "{self:#?}");
        &self.findings[0]
    }

    /// The finding whose message contains this text.
    #[track_caller]
    pub fn about(&self, text: &str) -> &Finding {
        self.findings
            .iter()
            .find(|finding| finding.message.contains(text))
            .unwrap_or_else(|| panic!("nothing about {text:?} in {self:#?}"))
    }
}

impl Finding {
    /// Asserts its code, and a part of its message.
    #[track_caller]
    pub fn is(&self, code: &str, message: &str) -> &Self {
        assert!(
            self.code == code && self.message.contains(message),
            "wanted {code}, {message:?}: {self:#?}"
        );
        self
    }

    /// Asserts the end of the file's path, the line and the column.
    #[track_caller]
    pub fn at(&self, file: &str, line: u64, column: u64) -> &Self {
        let named = self.file.as_deref().unwrap_or_default();
        assert!(
            named.ends_with(file) && (self.line, self.column) == (Some(line), Some(column)),
            "wanted {file}:{line}:{column}: {self:#?}"
        );
        self
    }

    /// Asserts the end of the file's path, and the line.
    #[track_caller]
    pub fn at_line(&self, file: &str, line: u64) -> &Self {
        let named = self.file.as_deref().unwrap_or_default();
        assert!(
            named.ends_with(file) && self.line == Some(line),
            "wanted {file}:{line}: {self:#?}"
        );
        self
    }

    /// Asserts a part of the help.
    #[track_caller]
    pub fn helps(&self, text: &str) -> &Self {
        let help = self.help.as_deref().unwrap_or_default();
        assert!(help.contains(text), "wanted {text:?}: {self:#?}");
        self
    }
}
