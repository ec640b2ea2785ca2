//! What a family of rules is, and the phases in which it checks a campaign.

use std::any::Any;

use futures_util::future::{FutureExt, LocalBoxFuture, ready};

use super::columns::ColumnTotals;
use super::context::{CampaignContext, MessageContext, RowContext};
use super::network::Network;
use super::rule::Rule;
use super::sink::FindingSink;
use crate::finding::{Finding, Severity};
use crate::render::Row;

/// Rules about the same part of a campaign. One value checks one campaign, on several threads at once.
pub(super) trait Family: Send + Sync {
    fn rules(&self) -> &'static [Rule];

    /// Checks what does not depend on a row.
    fn campaign(&self, _shared: &CampaignContext<'_>, _sink: &mut FindingSink<'_>) {}

    /// Checks one message for all rows whose HTML has the same shape.
    fn message(&self, _context: &MessageContext<'_>, _sink: &mut FindingSink<'_>) {}

    /// Checks that compare the HTML of a shape with each of its rows.
    fn row_checks(&self, _context: &MessageContext<'_>, _sink: &mut FindingSink<'_>) -> RowChecks {
        Vec::new()
    }

    /// Checks the message of one row. All families together have some microseconds for it.
    fn row(&self, _context: &RowContext<'_>, _sink: &mut FindingSink<'_>) {}

    /// What one thread gathers about its rows.
    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        Vec::new()
    }

    /// Checks all rows together. RuleTotals have a phase of the same name.
    fn finish(&self, _context: &FinishContext<'_>, _sink: &mut FindingSink<'_>) {}

    /// Checks what has to be looked up on the network.
    fn network<'a>(
        &'a self,
        _context: &'a NetworkContext<'_>,
        _sink: &'a mut FindingSink<'_>,
    ) -> LocalBoxFuture<'a, ()> {
        ready(()).boxed_local()
    }
}

pub(super) type RowChecks = Vec<Box<dyn RowCheck>>;

/// Compares what all messages of a shape have in common with one row.
pub(super) trait RowCheck: Send + Sync {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>);
}

/// What a rule knows about all rows together. Each thread gathers its own.
pub(super) trait RuleTotals: Default + Send + 'static {
    /// Whether they are about the plan, which all variants of the message share. Only one type is.
    const IS_ABOUT_PLAN: bool = false;

    fn row(&mut self, context: &RowContext<'_>);

    /// Adds what another thread gathered.
    fn merge(&mut self, other: Self);

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>);
}

/// [`RuleTotals`] of any type.
pub(super) trait AnyTotals: Send {
    fn is_about_plan(&self) -> bool;

    fn row(&mut self, context: &RowContext<'_>);

    /// Adds totals of the same type.
    fn merge(&mut self, other: Box<dyn AnyTotals>);

    fn finish(self: Box<Self>, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>);

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: RuleTotals> AnyTotals for T {
    fn is_about_plan(&self) -> bool {
        T::IS_ABOUT_PLAN
    }

    fn row(&mut self, context: &RowContext<'_>) {
        RuleTotals::row(self, context);
    }

    fn merge(&mut self, other: Box<dyn AnyTotals>) {
        if let Ok(other) = other.into_any().downcast() {
            RuleTotals::merge(self, *other);
        }
    }

    fn finish(self: Box<Self>, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        RuleTotals::finish(*self, shared, sink);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What is known after the last row.
pub(super) struct FinishContext<'a> {
    pub(super) shared: &'a CampaignContext<'a>,
    pub(super) columns: &'a ColumnTotals,
    /// Renders a row, and returns the findings of at least a severity.
    pub(super) check_row: &'a dyn Fn(&Row, Severity) -> Vec<Finding>,
}

pub(super) struct NetworkContext<'a> {
    pub(super) shared: &'a CampaignContext<'a>,
    pub(super) network: &'a Network,
}
