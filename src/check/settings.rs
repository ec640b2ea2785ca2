//! What a campaign's `[check]` says.

use std::collections::BTreeMap;

use super::clients::{self, Clients};
use super::codes::codes;
use super::families::rules;
use crate::campaign::{Campaign, Text};
use crate::finding::{Finding, nearest};

/// The rules that are turned off, each with the reason.
pub type Off = BTreeMap<&'static str, String>;

/// The rules that the campaign turns off.
///
/// # Errors
/// Names that no rule has, and reasons that are none.
pub fn off(campaign: &Campaign) -> Result<Off, Vec<Finding>> {
    let mut off = Off::new();
    let mut findings = Vec::new();
    for (code, reason) in &campaign.check.off {
        match rules().find(|rule| rule.code == code.get_ref()) {
            None => findings.push(no_rule(campaign, code)),
            Some(_) if reason.get_ref().trim().is_empty() => {
                findings.push(no_reason(campaign, code, reason));
            }
            Some(rule) => {
                off.insert(rule.code, reason.get_ref().trim().to_owned());
            }
        }
    }
    if findings.is_empty() {
        Ok(off)
    } else {
        Err(findings)
    }
}

fn no_rule(campaign: &Campaign, code: &Text) -> Finding {
    let name = code.get_ref();
    let error = |message: String| campaign.source.error("bad-value", code.span(), message);
    if codes().any(|known| known.code == name) {
        return error(format!("`{name}` can't be turned off: it is no rule"))
            .help("what has this code can't be read or sent at all; mend it, or take the row out");
    }
    let finding = error(format!("there is no rule `{name}`"));
    match nearest(name, rules().map(|rule| rule.code)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("the codes of the rules stand in brackets behind findings"),
    }
}

fn no_reason(campaign: &Campaign, code: &Text, reason: &Text) -> Finding {
    let message = format!("`{}` is turned off without a reason", code.get_ref());
    let error = campaign.source.error("bad-value", reason.span(), message);
    error.help("say why, for whoever reads the campaign next")
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
