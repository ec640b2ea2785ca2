//! What a campaign's `[check]` says.

use std::collections::BTreeMap;

use super::clients::{self, Clients};
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

/// The families of mail clients to care about.
///
/// # Errors
/// Names that no family has.
pub(super) fn clients(campaign: &Campaign) -> Result<Clients, Vec<Finding>> {
    let names = &campaign.check.clients;
    let named = Clients::named(names.iter().map(|name| name.get_ref().as_str()));
    named.ok_or_else(|| {
        let unknown = names
            .iter()
            .filter(|name| !clients::families().any(|family| family == name.get_ref()));
        unknown
            .map(|name| {
                let family = name.get_ref();
                let message = format!("there is no family of mail clients `{family}`");
                let finding = campaign.source.error("bad-value", name.span(), message);
                finding.help(match nearest(family, clients::families()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let all: Vec<_> = clients::families().collect();
                        format!("the families are: {}", all.join(", "))
                    }
                })
            })
            .collect()
    })
}
