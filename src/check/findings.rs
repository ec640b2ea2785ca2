//! Groups findings, so that a problem of many rows is reported once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::checker::CommonFinding;
use crate::finding::{Finding, Place, Severity, name_variants};
use crate::recipients::{ReadError, Warning};

/// Findings beyond this number of groups are only counted.
const MAX_GROUPS: usize = 1000;
/// How many rows of a group are listed.
const MAX_ROWS: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct Findings {
    groups: BTreeMap<Key, FindingGroup>,
    /// The number of findings that are in no group.
    pub(crate) beyond: u64,
}

/// What the findings of a group have in common. Errors come first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(std::cmp::Reverse<Severity>, &'static str, String, String);

impl Key {
    /// Findings about rows are grouped by their message and not by their line.
    fn of(finding: &Finding) -> Self {
        let place = Place {
            row: None,
            ..finding.place.clone()
        };
        let place = if finding.place.row.is_some() && finding.excerpt.is_none() {
            String::new()
        } else {
            place.to_string()
        };
        let severity = std::cmp::Reverse(finding.severity);
        Self(
            severity,
            finding.code,
            place,
            finding.kind_or_message().to_owned(),
        )
    }
}

#[derive(Debug)]
pub(crate) struct FindingGroup {
    /// The finding about the first row.
    pub(crate) finding: Finding,
    /// The first rows that have it.
    pub(crate) rows: Vec<u32>,
    pub(crate) count: u64,
}

impl FindingGroup {
    /// The first rows that have it, with `…` at the end if there are more.
    pub(crate) fn named_rows(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(ToString::to_string).collect();
        let more = if self.count > rows.len() as u64 {
            " …"
        } else {
            ""
        };
        format!("{}{more}", rows.join(", "))
    }
}

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        let rows = finding.place.row;
        self.add_rows(finding, rows.into_iter(), 1);
    }

    /// Adds a finding that `count` rows have; `rows` are the first of them.
    fn add_rows(&mut self, finding: Finding, rows: impl Iterator<Item = u32>, count: u64) {
        let key = Key::of(&finding);
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            self.beyond += count;
            return;
        }
        let group = match self.groups.entry(key) {
            Entry::Vacant(entry) => entry.insert(FindingGroup {
                finding,
                rows: Vec::new(),
                count: 0,
            }),
            Entry::Occupied(entry) => {
                let group = entry.into_mut();
                let variants = group.finding.variants | finding.variants;
                // Threads report their rows in any order, but the output must not depend on it.
                if finding.place.row.is_some() && finding.place.row < group.finding.place.row {
                    group.finding = finding;
                }
                group.finding.variants = variants;
                group
            }
        };
        group.count += count;
        for row in rows {
            let place = group.rows.partition_point(|known| *known < row);
            group.rows.insert(place, row);
            group.rows.truncate(MAX_ROWS);
        }
    }

    /// Adds a finding about many rows of the file `recipients`.
    pub(crate) fn add_common(&mut self, common: CommonFinding, recipients: &Path) {
        let Some((row, line)) = common.rows.first().copied() else {
            return self.add(common.finding);
        };
        let finding = of_row(common.finding, row, line, recipients);
        self.add_rows(
            finding,
            common.rows.iter().map(|(row, _)| *row),
            common.count,
        );
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Names the variants in findings that only some of them have.
    pub(crate) fn name_variants(&mut self, names: &[&str]) {
        let groups = self.groups.values_mut();
        name_variants(groups.map(|group| &mut group.finding), names);
    }

    /// All groups: the most severe first, and within a severity, those with the most rows.
    pub(crate) fn groups(&self) -> Vec<&FindingGroup> {
        let mut groups: Vec<_> = self.groups.values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse((group.finding.severity, group.count)));
        groups
    }

    /// The number of findings of a severity.
    pub(crate) fn count(&self, severity: Severity) -> u64 {
        let beyond = if severity == Severity::Error {
            self.beyond
        } else {
            0
        };
        self.groups
            .values()
            .filter(|group| group.finding.severity == severity)
            .map(|group| group.count)
            .sum::<u64>()
            + beyond
    }

    /// Whether `send` has to stop.
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<I: IntoIterator<Item = Finding>>(iter: I) -> Self {
        let mut findings = Self::default();
        iter.into_iter().for_each(|finding| findings.add(finding));
        findings
    }
}

/// A file of recipients that can't be read to its end.
pub(crate) fn of_read_error(error: &ReadError) -> Finding {
    let place = Place::file(&error.file);
    let place = error
        .line()
        .map_or(place.clone(), |line| place.at_line(line));
    Finding::error("recipients", place, error.problem.to_string()).help(error.help())
}

pub(crate) fn of_warning(warning: &Warning) -> Finding {
    let place = Place::file(&warning.file);
    let place = warning
        .notice
        .line()
        .map_or(place.clone(), |line| place.at_line(line));
    Finding {
        severity: warning.notice.severity(),
        ..Finding::warning("recipients", place, warning.notice.to_string()).help(warning.help())
    }
}

/// A finding about a row. Its place becomes the row's line, unless it has a place in another file.
pub(crate) fn of_row(mut finding: Finding, row: u32, line: u64, recipients: &Path) -> Finding {
    if finding.place.file.is_none() {
        finding.place = Place::file(recipients).at_line(line);
    }
    finding.place.row = Some(row);
    finding
}
