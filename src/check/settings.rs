//! What a campaign's `[check]` says.

use std::collections::BTreeMap;

use super::rules;
use crate::campaign::Campaign;
use crate::finding::{Finding, nearest};

/// The rules that are turned off, each with the reason.
///
/// # Errors
/// Names that no rule has, and reasons that are none.
pub(super) fn off(campaign: &Campaign) -> Result<BTreeMap<&'static str, String>, Vec<Finding>> {
    let mut off = BTreeMap::new();
    let mut findings = Vec::new();
    let error = |span, message: String| campaign.source.error("bad-value", span, message);
    for (code, reason) in &campaign.check.off {
        let name = code.get_ref();
        let Some(rule) = rules::all().find(|rule| rule.code == name) else {
            let finding = error(code.span(), format!("there is no rule `{name}`"));
            let near = nearest(name, rules::all().map(|rule| rule.code));
            findings.push(match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("the codes of the rules stand in brackets behind findings"),
            });
            continue;
        };
        if reason.get_ref().trim().is_empty() {
            let message = format!("`{name}` is turned off without a reason");
            let help = "say why, for whoever reads the campaign next";
            findings.push(error(reason.span(), message).help(help));
        }
        off.insert(rule.code, reason.get_ref().clone());
    }
    if findings.is_empty() {
        Ok(off)
    } else {
        Err(findings)
    }
}
