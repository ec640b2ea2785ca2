//! One checker for each variant of the message, and what their findings have in common.

use super::checker::{Checker, CommonFinding, Totals};
use super::context::CheckerInputs;
use super::network::Network;
use crate::campaign::Campaign;
use crate::finding::Finding;
use crate::render::{Engine, Engines, Row};

/// The prefix of the codes of rules about the plan.
const PLAN: &str = "plan-";

/// Each finding says which variants have it.
pub struct Checkers<'a> {
    engines: &'a Engines,
    by_variant: Vec<Checker<'a>>,
}

impl<'a> Checkers<'a> {
    /// `inputs` returns those of a variant.
    ///
    /// # Errors
    /// What is wrong with `[check]` in the campaign.
    pub fn new(
        engines: &'a Engines,
        inputs: impl Fn(&'a Campaign, &'a Engine) -> CheckerInputs<'a>,
    ) -> Result<Self, Vec<Finding>> {
        let used = engines.used_columns();
        let used: Vec<usize> = used.into_iter().map(|(index, _)| index).collect();
        let checkers = engines.iter().map(|variant| {
            Checker::new(&CheckerInputs {
                used_by_variants: used.clone(),
                ..inputs(&variant.campaign, &variant.engine)
            })
        });
        Ok(Self {
            engines,
            by_variant: checkers.collect::<Result<_, _>>()?,
        })
    }

    /// The findings that do not depend on a row.
    pub fn campaign(&self) -> Vec<Finding> {
        let findings = self.by_variant.iter().map(Checker::campaign);
        self.merged(findings)
    }

    /// Empty totals for one thread.
    pub fn totals(&self) -> Vec<Totals> {
        self.by_variant.iter().map(Checker::totals).collect()
    }

    /// Checks a row as its variant sends it, or as each of them if it waits for the choice of one. As
    /// [`Checker::row`].
    ///
    /// # Errors
    /// Those of `take`.
    pub fn row<E>(
        &self,
        row: &Row,
        line: u64,
        totals: &mut [Totals],
        mut take: impl FnMut(Finding) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(place) = self.engines.place(row) {
            return self.by_variant[place].row(row, line, &mut totals[place], |mut finding| {
                finding.variants = self.bit(place);
                take(finding)
            });
        }
        // The row counts in the totals of one variant.
        let counts = row.number as usize % totals.len();
        let findings = self.by_variant.iter().enumerate().map(|(place, checker)| {
            let mut findings = Vec::new();
            let mut not_counted;
            let totals = match place == counts {
                true => &mut totals[place],
                false => {
                    not_counted = checker.totals();
                    &mut not_counted
                }
            };
            let all = checker.row(row, line, totals, |finding| {
                findings.push(finding);
                Ok::<_, std::convert::Infallible>(())
            });
            all.map_or_else(|never| match never {}, |()| findings)
        });
        self.merged(findings).into_iter().try_for_each(take)
    }

    /// All findings about the message of one row.
    pub fn message(&self, row: &Row) -> Vec<Finding> {
        match self.engines.place(row) {
            Some(place) => self.by_variant[place].message(row),
            None => self.merged(self.by_variant.iter().map(|it| it.message(row))),
        }
    }

    /// The findings about all rows together, after the last row.
    pub fn finish(&self, threads: Vec<Vec<Totals>>) -> Vec<CommonFinding> {
        let mut threads: Vec<_> = threads.into_iter().map(Vec::into_iter).collect();
        let sums = self.by_variant.iter().map(|checker| {
            let of_threads = threads.iter_mut().flat_map(Iterator::next);
            checker.sum(of_threads.collect::<Vec<_>>())
        });
        let mut sums: Vec<Totals> = sums.collect();
        if let Some((first, others)) = sums.split_first_mut() {
            others
                .iter_mut()
                .for_each(|other| first.take_plan_of(other));
        }
        let mut common: Vec<CommonFinding> = Vec::new();
        for (place, totals) in sums.into_iter().enumerate() {
            for mut finding in self.by_variant[place].finish(totals) {
                if finding.finding.code.starts_with(PLAN) {
                    common.push(finding);
                    continue;
                }
                finding.finding.variants = self.bit(place);
                // A finding without rows counts once, also if several variants have it.
                let known = common.iter_mut().find(|known| {
                    known.rows.is_empty()
                        && finding.rows.is_empty()
                        && known.finding.is_like(&finding.finding)
                });
                match known {
                    Some(known) => known.finding.variants |= finding.finding.variants,
                    None => common.push(finding),
                }
            }
        }
        common
    }

    /// As [`Checker::look_up`].
    pub async fn look_up(&self, network: &Network) -> Vec<Finding> {
        let mut findings = Vec::new();
        for checker in &self.by_variant {
            findings.push(checker.look_up(network).await);
        }
        self.merged(findings)
    }

    /// The bit of a variant; 0 without variants.
    fn bit(&self, place: usize) -> u32 {
        match self.by_variant.len() {
            1 => 0,
            _ => 1 << place,
        }
    }

    /// The findings of all variants, each finding once.
    fn merged(&self, by_variant: impl IntoIterator<Item = Vec<Finding>>) -> Vec<Finding> {
        let mut merged: Vec<Finding> = Vec::new();
        for (place, findings) in by_variant.into_iter().enumerate() {
            for mut finding in findings {
                finding.variants = self.bit(place);
                let others = merged.iter_mut();
                let mut like = others.filter(|known| known.variants & finding.variants == 0);
                match like.find(|known| known.is_like(&finding)) {
                    Some(known) => known.variants |= finding.variants,
                    None => merged.push(finding),
                }
            }
        }
        merged
    }
}
