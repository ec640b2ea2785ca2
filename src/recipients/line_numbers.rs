//! Line numbers, of which only the first few are kept.

use std::fmt;

const KEPT: usize = 10;

/// A number of lines, and the first ten of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineNumbers {
    pub count: u64,
    /// Physical lines, from 1.
    pub first: Vec<u64>,
}

impl LineNumbers {
    pub(crate) fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(line);
        }
    }

    /// Adds the lines of a part of the file further down.
    pub(crate) fn add_all(&mut self, other: &Self) {
        self.count += other.count;
        let missing = KEPT.saturating_sub(self.first.len());
        self.first.extend(other.first.iter().take(missing));
    }
}

/// `line 3`, `lines 3, 5` or `lines 1, 2, … (12 in total)`
impl fmt::Display for LineNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let s = if self.count == 1 { "" } else { "s" };
        write!(f, "line{s} {}", numbers.join(", "))?;
        if self.count > self.first.len() as u64 {
            write!(f, ", … ({} in total)", self.count)?;
        }
        Ok(())
    }
}
