//! Counts by name in a memory of limited size.

use std::collections::HashMap;

/// Numbers that can be added up.
pub(super) trait Tally: Default {
    fn add(&mut self, other: &Self);

    /// What the names are sorted by.
    fn weight(&self) -> u64;
}

impl Tally for u64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }

    fn weight(&self) -> u64 {
        *self
    }
}

/// Counts by name. They are exact up to `limit` different names. Beyond it, the rarest half so far is counted together.
pub(super) struct TopCounts<T> {
    limit: usize,
    by_name: HashMap<String, T>,
    others: T,
    /// Whether some names were counted together.
    is_cut: bool,
}

/// The most frequent names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Top<T> {
    /// The most frequent first.
    pub(crate) names: Vec<(String, T)>,
    /// How many other names there are; `None` if there were too many to count.
    pub(crate) other_names: Option<u64>,
    pub(crate) others: T,
}

impl<T: Tally> TopCounts<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            by_name: HashMap::new(),
            others: T::default(),
            is_cut: false,
        }
    }

    pub(super) fn of(&mut self, name: &str) -> &mut T {
        if !self.by_name.contains_key(name) {
            if self.by_name.len() >= self.limit {
                self.cut();
            }
            self.by_name.insert(name.to_owned(), T::default());
        }
        self.by_name
            .get_mut(name)
            .expect("it was inserted if it was missing")
    }

    fn cut(&mut self) {
        self.is_cut = true;
        let mut weights: Vec<u64> = self.by_name.values().map(Tally::weight).collect();
        let middle = weights.len() / 2;
        let median = *weights.select_nth_unstable(middle).1;
        let mut surplus = middle + 1;
        let others = &mut self.others;
        self.by_name.retain(|_, tally| {
            let stays = tally.weight() > median || surplus == 0;
            if !stays {
                surplus -= 1;
                others.add(tally);
            }
            stays
        });
    }

    /// The `most` most frequent names. Names of equal weight are in alphabetical order.
    pub(super) fn top(self, most: usize) -> Top<T> {
        let mut names: Vec<(String, T)> = self.by_name.into_iter().collect();
        names.sort_by(|(name, tally), (other, weight)| {
            (weight.weight(), name).cmp(&(tally.weight(), other))
        });
        let mut others = self.others;
        let rest = names.split_off(most.min(names.len()));
        for (_, tally) in &rest {
            others.add(tally);
        }
        Top {
            names,
            other_names: (!self.is_cut).then_some(rest.len() as u64),
            others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_names_come_first_and_the_others_are_added_up() {
        let mut counts = TopCounts::<u64>::new(100);
        for name in ["b", "a", "c", "b", "d", "c", "b"] {
            *counts.of(name) += 1;
        }
        let top = counts.top(2);
        assert_eq!(top.names, [("b".to_owned(), 3), ("c".to_owned(), 2)]);
        assert_eq!((top.other_names, top.others), (Some(2), 2));
    }

    #[test]
    fn nothing_is_lost_beyond_the_limit() {
        let mut counts = TopCounts::<u64>::new(10);
        for number in 0..1000 {
            *counts.of(&format!("n{number}")) += 1;
            *counts.of("often") += 1;
            assert!(counts.by_name.len() <= 10);
        }
        let top = counts.top(1);
        assert_eq!(top.names, [("often".to_owned(), 1000)]);
        assert_eq!((top.other_names, top.others), (None, 1000));
    }
}
