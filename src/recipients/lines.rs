//! Line numbers that are counted, of which only the first few are kept.

use std::fmt;

/// How many line numbers are kept.
const KEPT: usize = 10;

/// How often something was met, and the first ten lines that it was met in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// How often it was met.
    pub count: u64,
    /// The first ten physical lines, from 1.
    pub first: Vec<u64>,
}

impl Lines {
    pub(crate) fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(line);
        }
    }
}

/// `line 3`, `lines 3, 5`, `lines 1, 2, … (12 in all)`
impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let s = if self.count == 1 { "" } else { "s" };
        write!(f, "line{s} {}", numbers.join(", "))?;
        if self.count > self.first.len() as u64 {
            write!(f, ", … ({} in all)", self.count)?;
        }
        Ok(())
    }
}
