//! All rules, held against a campaign: once against what it says, once against each shape that its
//! messages have, and against every row.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::{Facts, Sheet};
use super::locate::Locator;
use super::net::{self, Network, Targets};
use super::out::{Out, Wanted};
use super::rules::{self, Pairs, Tally};
use super::settings;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::{Finding, Severity};
use crate::recipients::Lines;
use crate::render::{Engine, Looked, Row};

/// How many rows of a shape are named.
const NAMED: usize = 10;

/// What a lint is made from.
pub struct Inputs<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// Its templates.
    pub engine: &'a Engine,
    /// The names of the recipients' columns.
    pub header: &'a [String],
    /// The place of the address column, from 0.
    pub email: usize,
    /// The file of the recipients, as the user would name it.
    pub recipients: &'a Path,
    /// How many rows are to be sent to.
    pub rows: u64,
    /// The rows that are left out because an earlier one has their address.
    pub duplicates: Lines,
    /// The least that is looked for.
    pub least: Severity,
    /// Gather what can be looked up ([`Lint::look_up`]).
    pub net: bool,
    /// The clock.
    pub clock: Clock,
}

/// All rules, held against a campaign.
pub struct Lint<'a> {
    facts: Facts<'a>,
    wanted: Wanted,
    /// What is known of the messages of a shape.
    shapes: Mutex<HashMap<u64, Arc<Shape>>>,
    /// What the messages lead to, if that is wanted.
    targets: Option<Mutex<Targets>>,
}

/// What a thread gathers of the rows that it looked at.
#[derive(Default)]
pub struct Gathered {
    shapes: HashMap<u64, Seen>,
    tally: Tally,
}

/// What is known of the messages of a shape.
struct Shape {
    /// What is wrong with all of them.
    findings: Vec<Finding>,
    /// What each row is held against.
    pairs: Pairs,
}

/// The rows of a shape.
#[derive(Clone)]
struct Seen {
    shape: Arc<Shape>,
    count: u64,
    /// The first ones, with their lines.
    rows: Vec<(u32, u64)>,
}

/// Something that many rows have.
#[derive(Debug)]
pub struct Common {
    /// What it is.
    pub finding: Finding,
    /// The first rows that have it, with their lines; none if it is about no row.
    pub rows: Vec<(u32, u64)>,
    /// How many rows have it.
    pub count: u64,
}

impl<'a> Lint<'a> {
    /// Gets ready.
    ///
    /// # Errors
    /// What is wrong with the campaign's `[check]`.
    pub fn new(inputs: &Inputs<'a>) -> Result<Self, Vec<Finding>> {
        let off = settings::off(inputs.campaign)?;
        let clients = settings::clients(inputs.campaign)?;
        Ok(Self {
            facts: Facts {
                campaign: inputs.campaign,
                engine: inputs.engine,
                header: inputs.header,
                email: inputs.email,
                recipients: inputs.recipients,
                rows: inputs.rows,
                least: inputs.least,
                duplicates: inputs.duplicates.clone(),
                locator: Locator::new(inputs.engine, &inputs.campaign.dir),
                clock: inputs.clock.clone(),
                clients,
                known_gaps: rules::KnownGaps::default(),
            },
            wanted: Wanted {
                least: inputs.least,
                off,
            },
            shapes: Mutex::default(),
            targets: inputs.net.then(Mutex::default),
        })
    }

    /// What is wrong with the campaign, whoever gets it.
    pub fn campaign(&self) -> Vec<Finding> {
        let mut out = Out::new(&self.wanted);
        rules::campaign(&self.facts, &mut out);
        out.into_findings()
    }

    /// Looks at a row, and gives to `take` what is wrong with it that stops it from being sent, or is
    /// its own; what it has in common with others is gathered.
    ///
    /// # Errors
    /// What `take` says.
    pub fn row<E>(
        &self,
        row: &Row,
        line: u64,
        gathered: &mut Gathered,
        mut take: impl FnMut(Finding) -> Result<(), E>,
    ) -> Result<(), E> {
        let looked = match self.facts.engine.look(row) {
            Ok(looked) => looked,
            Err(finding) => return take(*finding),
        };
        let values = looked.values();
        let sheet = self.facts.row_sheet(row, &looked, &values);
        let mut out = Out::new(&self.wanted);
        rules::row(&sheet, &mut out);
        // What is told of all rows together stops nothing.
        if self.wanted.least < Severity::Error {
            rules::tally(&sheet, &mut gathered.tally);
        }
        match shape(&looked) {
            None => self
                .look_at(&self.facts.sheet(row, &looked, &values), &mut out)
                .row(&sheet, &mut out),
            Some(id) => {
                let seen = gathered.shapes.entry(id).or_insert_with(|| Seen {
                    shape: self.shape(id, row, &looked),
                    count: 0,
                    rows: Vec::new(),
                });
                seen.add(row.number, line);
                seen.shape.pairs.row(&sheet, &mut out);
                let errors = seen.shape.findings.iter();
                let errors = errors.filter(|finding| finding.severity == Severity::Error);
                errors.cloned().try_for_each(&mut take)?;
            }
        }
        out.into_findings().into_iter().try_for_each(take)
    }

    /// Everything that is wrong with the message of one row.
    pub fn message(&self, row: &Row) -> Vec<Finding> {
        let looked = match self.facts.engine.look(row) {
            Ok(looked) => looked,
            Err(finding) => return vec![*finding],
        };
        let values = looked.values();
        let mut out = Out::new(&self.wanted);
        let sheet = self.facts.row_sheet(row, &looked, &values);
        let mut findings = match shape(&looked) {
            Some(id) => {
                let shape = self.shape(id, row, &looked);
                shape.pairs.row(&sheet, &mut out);
                shape.findings.clone()
            }
            None => {
                self.look_at(&self.facts.sheet(row, &looked, &values), &mut out)
                    .row(&sheet, &mut out);
                Vec::new()
            }
        };
        rules::row(&sheet, &mut out);
        findings.extend(out.into_findings());
        findings
    }

    /// What many rows have in common, when all have been looked at.
    pub fn common(&self, gathered: Vec<Gathered>) -> Vec<Common> {
        let mut all = Gathered::default();
        for one in gathered {
            all.merge(one);
        }
        let mut common = Vec::new();
        for seen in all.shapes.into_values() {
            let findings = seen.shape.findings.iter();
            let findings = findings.filter(|finding| finding.severity != Severity::Error);
            common.extend(findings.map(|finding| Common {
                finding: finding.clone(),
                rows: seen.rows.clone(),
                count: seen.count,
            }));
        }
        let mut out = Out::new(&self.wanted);
        rules::finish(all.tally, &self.facts, &mut out);
        let alone = out.into_findings().into_iter().map(|finding| Common {
            finding,
            rows: Vec::new(),
            count: 1,
        });
        common.extend(alone);
        common
    }

    /// What is known of the messages of a shape, of which this is one.
    fn shape(&self, id: u64, row: &Row, looked: &Looked) -> Arc<Shape> {
        let shapes = || self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shapes().get(&id) {
            return Arc::clone(known);
        }
        let mut out = Out::new(&self.wanted);
        let pairs = self.look_at(&self.facts.sheet(row, looked, &looked.values()), &mut out);
        let shape = Arc::new(Shape {
            findings: out.into_findings(),
            pairs,
        });
        // Two threads may have looked at it; they found the same.
        Arc::clone(shapes().entry(id).or_insert(shape))
    }

    /// Holds a message of a shape against the rules, notes what it leads to, and gives what its rows
    /// are held against.
    fn look_at(&self, sheet: &Sheet<'_>, out: &mut Out<'_>) -> Pairs {
        rules::sheet(sheet, out);
        if let Some(targets) = &self.targets {
            let mut targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
            targets.add(sheet);
        }
        Pairs::of(sheet, out)
    }

    /// What is wrong with what the messages that were looked at lead to, and whom they are from.
    pub async fn look_up(&self, network: &Network) -> Vec<Finding> {
        let Some(targets) = &self.targets else {
            return Vec::new();
        };
        let targets = {
            let targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
            targets.clone()
        };
        let mut out = Out::new(&self.wanted);
        net::look(&targets, self.facts.campaign, network, &mut out).await;
        out.into_findings()
    }
}

/// What tells messages that are built alike from others. Those without HTML are.
fn shape(looked: &Looked) -> Option<u64> {
    match &looked.html {
        None => Some(u64::MAX),
        Some(html) => html.shape(),
    }
}

impl Gathered {
    fn merge(&mut self, other: Self) {
        for (id, seen) in other.shapes {
            match self.shapes.get_mut(&id) {
                Some(known) => known.merge(seen),
                None => {
                    self.shapes.insert(id, seen);
                }
            }
        }
        self.tally.merge(other.tally);
    }
}

impl Seen {
    fn add(&mut self, row: u32, line: u64) {
        self.count += 1;
        // A thread sees rows in their order.
        if self.rows.len() < NAMED {
            self.rows.push((row, line));
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.rows.extend(other.rows);
        self.rows.sort_unstable();
        self.rows.truncate(NAMED);
    }
}
