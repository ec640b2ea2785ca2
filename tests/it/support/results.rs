//! Reads the results of a run, row by row.

use std::collections::BTreeMap;
use std::path::Path;

use super::run::Run;

/// The rows of a `results.csv`, in its order.
#[derive(Debug, Clone)]
pub struct Results {
    /// Each row, by the name of the column.
    pub rows: Vec<BTreeMap<String, String>>,
}

impl Results {
    /// Reads `results.csv` in a run's folder.
    pub fn of(run: impl AsRef<Path>) -> Self {
        let path = run.as_ref().join("results.csv");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text)
    }

    /// The results of a run in progress, from `mailrun results`.
    pub fn now(run: impl AsRef<Path>) -> Self {
        let command = Run::new("results").arg(run.as_ref()).args(["--out", "-"]);
        Self::parse(&command.run().code(0).stdout)
    }

    /// Reads the text of a results file.
    pub fn parse(text: &str) -> Self {
        let rows = csv::Reader::from_reader(text.as_bytes())
            .deserialize()
            .map(|row| row.expect("results are good CSV"))
            .collect();
        Self { rows }
    }

    /// How many rows have each status.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row["status"].as_str()).or_default() += 1;
        }
        counts
    }

    /// How many rows have this status.
    pub fn count(&self, status: &str) -> usize {
        self.with_status(status).count()
    }

    /// The rows that have this status.
    pub fn with_status<'a>(
        &'a self,
        status: &'a str,
    ) -> impl Iterator<Item = &'a BTreeMap<String, String>> {
        self.rows.iter().filter(move |row| row["status"] == status)
    }

    /// The one row of an address, as written in the recipients.
    pub fn row(&self, email: &str) -> &BTreeMap<String, String> {
        let mut rows = self.rows.iter().filter(|row| row["email"] == email);
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("no row of {email} in the results"));
        assert!(
            rows.next().is_none(),
            "more than one row of {email} in the results"
        );
        row
    }
}
