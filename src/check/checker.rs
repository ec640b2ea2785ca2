//! Runs all rules: once over the campaign, once over each shape of its messages, and over every row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::ColumnTotals;
use super::context::{CampaignContext, CheckerInputs, MessageContext, RowContext};
use super::families::families;
use super::family::{AnyTotals, Family, FinishContext, NetworkContext, RowChecks};
use super::locate::Locator;
use super::network::Network;
use super::settings;
use super::sink::{FindingFilter, FindingSink};
use crate::finding::{Finding, Severity};
use crate::render::{InspectedMessage, Row};

/// How many rows of a shape are listed.
const MOST_ROWS: usize = 10;

/// All rules, ready to check one campaign.
pub struct Checker<'a> {
    shared: CampaignContext<'a>,
    families: Vec<Box<dyn Family>>,
    filter: FindingFilter,
    /// The results of the shapes checked so far, by the shape's ID.
    shapes: Mutex<HashMap<u64, Arc<ShapeResult>>>,
}

/// What one thread gathers about the rows that it checks.
pub struct Totals {
    shapes: HashMap<u64, ShapeRows>,
    columns: ColumnTotals,
    families: Vec<Box<dyn AnyTotals>>,
}

/// What is known of all messages whose HTML has the same shape.
struct ShapeResult {
    findings: Vec<Finding>,
    row_checks: RowChecks,
}

/// The rows of a shape.
struct ShapeRows {
    result: Arc<ShapeResult>,
    count: u64,
    /// The first rows, with their lines.
    rows: Vec<(u32, u64)>,
}

/// A finding about many rows, or about none in particular.
#[derive(Debug)]
pub struct CommonFinding {
    pub finding: Finding,
    /// The first rows that have it, with their lines.
    pub rows: Vec<(u32, u64)>,
    /// How many rows have it.
    pub count: u64,
}

impl<'a> Checker<'a> {
    /// # Errors
    /// What is wrong with `[check]` in the campaign.
    pub fn new(inputs: &CheckerInputs<'a>) -> Result<Self, Vec<Finding>> {
        let off = settings::off(inputs.campaign)?;
        let clients = settings::clients(inputs.campaign)?;
        Ok(Self {
            shared: CampaignContext {
                inputs: inputs.clone(),
                locator: Locator::new(inputs.engine, &inputs.campaign.dir),
                clients,
            },
            families: families(),
            filter: FindingFilter {
                least: inputs.least,
                off,
            },
            shapes: Mutex::default(),
        })
    }

    /// The findings that do not depend on a row.
    pub fn campaign(&self) -> Vec<Finding> {
        let mut sink = FindingSink::new(&self.filter);
        for family in &self.families {
            family.campaign(&self.shared, &mut sink);
        }
        sink.into_findings()
    }

    /// Empty totals for one thread.
    pub fn totals(&self) -> Totals {
        Totals {
            shapes: HashMap::new(),
            columns: ColumnTotals::default(),
            families: self.families.iter().flat_map(|it| it.totals()).collect(),
        }
    }

    /// Checks a row. `take` gets the errors and the findings about this row alone; `totals` get the rest.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn row<E>(
        &self,
        row: &Row,
        line: u64,
        totals: &mut Totals,
        mut take: impl FnMut(Finding) -> Result<(), E>,
    ) -> Result<(), E> {
        let inspected = match self.shared.engine.inspect(row) {
            Ok(inspected) => inspected,
            Err(finding) => return take(*finding),
        };
        let values = inspected.values();
        let context = self.shared.row_context(row, &inspected, &values);
        let mut sink = FindingSink::new(&self.filter);
        for family in &self.families {
            family.row(&context, &mut sink);
        }
        // Findings about all rows together are never errors.
        if self.filter.least < Severity::Error {
            totals.columns.row(&context);
            totals.families.iter_mut().for_each(|it| it.row(&context));
        }
        match shape_id(&inspected) {
            None => {
                check_alone(&self.families, &MessageContext::new(context), &mut sink);
            }
            Some(id) => {
                let shape = totals.shapes.entry(id).or_insert_with(|| ShapeRows {
                    result: self.shape(id, context),
                    count: 0,
                    rows: Vec::new(),
                });
                shape.add(row.number, line);
                for check in &shape.result.row_checks {
                    check.row(&context, &mut sink);
                }
                let errors = shape.result.findings.iter();
                let errors = errors.filter(|finding| finding.severity == Severity::Error);
                errors.cloned().try_for_each(&mut take)?;
            }
        }
        sink.into_findings().into_iter().try_for_each(take)
    }

    /// All findings about the message of one row.
    pub fn message(&self, row: &Row) -> Vec<Finding> {
        let inspected = match self.shared.engine.inspect(row) {
            Ok(inspected) => inspected,
            Err(finding) => return vec![*finding],
        };
        let values = inspected.values();
        let mut sink = FindingSink::new(&self.filter);
        let context = self.shared.row_context(row, &inspected, &values);
        let mut findings = Vec::new();
        match shape_id(&inspected) {
            Some(id) => {
                let shape = self.shape(id, context);
                for check in &shape.row_checks {
                    check.row(&context, &mut sink);
                }
                findings.clone_from(&shape.findings);
            }
            None => {
                check_alone(&self.families, &MessageContext::new(context), &mut sink);
            }
        }
        for family in &self.families {
            family.row(&context, &mut sink);
        }
        findings.extend(sink.into_findings());
        findings
    }

    /// The totals of all threads.
    pub fn sum(&self, threads: impl IntoIterator<Item = Totals>) -> Totals {
        let mut totals = self.totals();
        threads.into_iter().for_each(|one| totals.merge(one));
        totals
    }

    /// The findings about all rows together, after the last row.
    pub fn finish(&self, totals: Totals) -> Vec<CommonFinding> {
        let mut common = Vec::new();
        for shape in totals.shapes.into_values() {
            let findings = shape.result.findings.iter();
            let findings = findings.filter(|finding| finding.severity != Severity::Error);
            common.extend(findings.map(|finding| CommonFinding {
                finding: finding.clone(),
                rows: shape.rows.clone(),
                count: shape.count,
            }));
        }
        let mut sink = FindingSink::new(&self.filter);
        for totals in totals.families {
            totals.finish(&self.shared, &mut sink);
        }
        let context = FinishContext {
            shared: &self.shared,
            columns: &totals.columns,
            check_row: &|row, least| self.check_apart(row, least),
        };
        for family in &self.families {
            family.finish(&context, &mut sink);
        }
        let alone = sink
            .into_findings()
            .into_iter()
            .map(|finding| CommonFinding {
                finding,
                rows: Vec::new(),
                count: 1,
            });
        common.extend(alone);
        common
    }

    /// The findings about a row that is not among the recipients. The families of this check do not see it.
    fn check_apart(&self, row: &Row, least: Severity) -> Vec<Finding> {
        let inspected = match self.shared.engine.inspect(row) {
            Ok(inspected) => inspected,
            Err(finding) => return vec![*finding],
        };
        let values = inspected.values();
        let filter = FindingFilter {
            least,
            ..self.filter.clone()
        };
        let mut sink = FindingSink::new(&filter);
        let message = MessageContext::new(self.shared.row_context(row, &inspected, &values));
        let families = families();
        check_alone(&families, &message, &mut sink);
        for family in &families {
            family.row(&message, &mut sink);
        }
        sink.into_findings()
    }

    /// The result of a shape. It is computed from this row if there is none yet.
    fn shape(&self, id: u64, context: RowContext<'_>) -> Arc<ShapeResult> {
        let shapes = || self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = shapes().get(&id) {
            return Arc::clone(result);
        }
        let mut sink = FindingSink::new(&self.filter);
        let row_checks = check_message(&self.families, &MessageContext::new(context), &mut sink);
        let result = Arc::new(ShapeResult {
            findings: sink.into_findings(),
            row_checks,
        });
        // Another thread may have been faster, with the same result.
        Arc::clone(shapes().entry(id).or_insert(result))
    }

    /// Looks up the links of the messages checked so far and the domain of the sender.
    pub async fn look_up(&self, network: &Network) -> Vec<Finding> {
        let mut sink = FindingSink::new(&self.filter);
        let shared = &self.shared;
        let context = NetworkContext { shared, network };
        for family in &self.families {
            family.network(&context, &mut sink).await;
        }
        sink.into_findings()
    }
}

fn check_message(
    families: &[Box<dyn Family>],
    message: &MessageContext<'_>,
    sink: &mut FindingSink<'_>,
) -> RowChecks {
    for family in families {
        family.message(message, sink);
    }
    let checks = families.iter();
    checks
        .flat_map(|family| family.row_checks(message, sink))
        .collect()
}

/// Checks a message whose HTML has no shape in common with others.
fn check_alone(
    families: &[Box<dyn Family>],
    message: &MessageContext<'_>,
    sink: &mut FindingSink<'_>,
) {
    for check in check_message(families, message, sink) {
        check.row(message, sink);
    }
}

/// What messages with the same structure have in common. Messages without HTML are all alike.
fn shape_id(inspected: &InspectedMessage) -> Option<u64> {
    match &inspected.html {
        None => Some(u64::MAX),
        Some(html) => html.shape(),
    }
}

impl Totals {
    fn merge(&mut self, other: Self) {
        for (id, rows) in other.shapes {
            match self.shapes.get_mut(&id) {
                Some(known) => known.merge(rows),
                None => {
                    self.shapes.insert(id, rows);
                }
            }
        }
        self.columns.merge(other.columns);
        for (totals, other) in self.families.iter_mut().zip(other.families) {
            totals.merge(other);
        }
    }

    /// Takes over what another variant of the message gathered about the plan, which all variants share.
    pub(super) fn take_plan_of(&mut self, other: &mut Self) {
        for totals in other.families.extract_if(.., |it| it.is_about_plan()) {
            let own = self.families.iter_mut().find(|it| it.is_about_plan());
            if let Some(own) = own {
                own.merge(totals);
            }
        }
    }
}

impl ShapeRows {
    fn add(&mut self, row: u32, line: u64) {
        self.count += 1;
        // A thread sees rows in ascending order.
        if self.rows.len() < MOST_ROWS {
            self.rows.push((row, line));
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.rows.extend(other.rows);
        self.rows.sort_unstable();
        self.rows.truncate(MOST_ROWS);
    }
}
