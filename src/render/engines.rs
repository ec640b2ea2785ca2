//! The engines of a campaign: one for each variant of its message, or a single one.

use std::sync::Arc;

use super::Recorded;
use super::engine::{Engine, Inputs};
use super::row::{Prepared, Row};
use crate::campaign::Campaign;
use crate::finding::{Finding, Place, name_variants};

/// The attachments of a variant are recorded from a multiple of this on: the variants of a row that waits for the
/// choice of one may each have other attachments.
const ATTACHMENTS: u32 = 1_000_000;

pub struct Engines(Vec<VariantEngine>);

pub struct VariantEngine {
    /// `None`: the campaign has no variants.
    pub name: Option<String>,
    /// As the variant sends it.
    pub campaign: Campaign,
    pub engine: Engine,
}

impl Engines {
    /// Compiles the templates of all variants.
    ///
    /// # Errors
    /// As [`Engine::new`]; errors of some variants name them.
    pub fn new(inputs: &Inputs<'_>) -> Result<Self, Vec<Finding>> {
        let campaign = inputs.campaign;
        if campaign.variants.is_empty() {
            return Ok(Self(vec![VariantEngine {
                name: None,
                campaign: campaign.clone(),
                engine: Engine::new(inputs)?,
            }]));
        }
        let (mut engines, mut findings) = (Vec::new(), Vec::<Finding>::new());
        for (variant, number) in campaign.variants.iter().zip(0..) {
            let campaign = campaign.as_variant(variant);
            let engine = Engine::new(&Inputs {
                campaign: &campaign,
                feedback_keys: inputs.feedback_keys.clone(),
                ..*inputs
            });
            match engine {
                Ok(mut engine) => {
                    engine.number_attachments_from(number * ATTACHMENTS);
                    engines.push(VariantEngine {
                        name: Some(variant.name.clone()),
                        campaign,
                        engine,
                    });
                }
                Err(errors) => {
                    for mut error in errors {
                        error.variants = 1 << number;
                        match findings.iter_mut().find(|known| known.is_like(&error)) {
                            Some(known) => known.variants |= error.variants,
                            None => findings.push(error),
                        }
                    }
                }
            }
        }
        if findings.is_empty() {
            return Ok(Self(engines));
        }
        let names: Vec<&str> = campaign
            .variants
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        name_variants(&mut findings, &names);
        Err(findings)
    }

    pub fn iter(&self) -> impl Iterator<Item = &VariantEngine> {
        self.0.iter()
    }

    /// The names of the variants; empty without variants.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().flat_map(|it| it.name.as_deref()).collect()
    }

    /// The place of the row's variant among all. `None` if the row waits for the choice of one.
    pub(crate) fn place(&self, row: &Row) -> Option<usize> {
        self.0
            .iter()
            .position(|it| it.name.as_deref() == row.variant.as_deref())
    }

    /// That of the row's variant. `None` if the row waits for the choice of one.
    pub(crate) fn of(&self, row: &Row) -> Option<&Engine> {
        self.place(row).map(|place| &self.0[place].engine)
    }

    /// Renders a row's message, as [`Engine::prepare`].
    ///
    /// # Errors
    /// The same; also if the row has no variant.
    pub fn prepare(&self, row: &Row) -> Result<Prepared, Box<Finding>> {
        self.of(row).ok_or_else(no_variant)?.prepare(row)
    }

    /// As [`Engine::message_id`].
    ///
    /// # Errors
    /// The same; also if the row has no variant.
    pub(crate) fn message_id(&self, row: &Row) -> Result<String, Box<Finding>> {
        self.of(row).ok_or_else(no_variant)?.message_id(row)
    }

    pub(crate) fn smtp_account(&self) -> Arc<str> {
        self.first().smtp_account()
    }

    /// The files in `templates/`, as [`Engine::templates`].
    pub(crate) fn templates(&self) -> Vec<(&str, &str)> {
        self.first().templates()
    }

    /// The columns that some variant uses, as [`Engine::used_columns`].
    pub(crate) fn used_columns(&self) -> Vec<(usize, &str)> {
        let used = self.0.iter().flat_map(|it| it.engine.used_columns());
        let mut used: Vec<_> = used.map(|(index, name)| (*index, name.as_str())).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    pub(crate) fn has_own_attachments(&self) -> bool {
        self.0.iter().any(|it| it.engine.has_own_attachments())
    }

    /// Describes the row's own attachments, those of all variants if it waits for the choice of one.
    ///
    /// # Errors
    /// As [`Engine::record_attachments`].
    pub(crate) fn record_attachments(&self, row: &Row) -> Result<Vec<Recorded>, Box<Finding>> {
        if let Some(engine) = self.of(row) {
            return engine.record_attachments(row);
        }
        let mut recorded = Vec::new();
        for variant in &self.0 {
            recorded.extend(variant.engine.record_attachments(row)?);
        }
        Ok(recorded)
    }

    fn first(&self) -> &Engine {
        &self.0[0].engine
    }
}

fn no_variant() -> Box<Finding> {
    let message = "no variant was chosen for the row";
    Box::new(Finding::error("no-variant", Place::default(), message))
}
