//! Annotations for GitHub Actions: one workflow command a line, escaped as in actions/toolkit
//! (packages/core/src/command.ts).

use super::{Report, text};
use crate::check::findings::FindingGroup;
use crate::finding::Severity;

pub(crate) fn github(report: &Report<'_>) -> String {
    let groups = report.findings.groups();
    let mut lines: Vec<_> = groups
        .into_iter()
        .map(|group| line(report, group))
        .collect();
    if report.findings.beyond > 0 {
        let more = report.findings.beyond;
        lines.push(format!("::error title=mailrun::{more} more of other kinds"));
    }
    lines.join("\n")
}

fn line(report: &Report<'_>, group: &FindingGroup) -> String {
    let command = match group.finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let file = report.path(group).display().to_string();
    let place = &group.finding.place;
    let (line, column) = match report.has_file(group) {
        true => (place.line, place.column),
        false => (None, None),
    };
    let numbers = [("line", line), ("col", column)];
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, number)| Some(format!("{name}={},", number?)))
        .collect::<String>();
    format!(
        "::{command} file={},{numbers}title={}::{}",
        property(&file),
        property(group.finding.code),
        data(&text(group))
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::findings::Findings;
    use crate::check::sink::Off;
    use crate::finding::{Finding, Place};

    #[test]
    fn special_characters_are_escaped() {
        let place = Place::file("news/a,b:c%.html").at_line(2).at_column(7);
        let findings = Findings::from_iter([
            Finding::warning("x-y", place, "50%\r\n::error::no").help("do, this: now"),
            Finding::error("z", Place::default(), "bad"),
        ]);
        let report = Report {
            findings: &findings,
            rows: Some(1),
            off: &Off::new(),
            suppressed: &[],
            not_selected: &[],
            campaign: Path::new("news/campaign.toml"),
            base: Path::new("/w"),
        };
        assert_eq!(
            github(&report),
            "::error file=news/campaign.toml,title=z::bad\n\
             ::warning file=news/a%2Cb%3Ac%25.html,line=2,col=7,title=x-y::50%25%0D%0A::error::no%0Ado, this: now"
        );
    }
}
