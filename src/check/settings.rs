//! The `[check]` table of a campaign.

use super::clients::{self, Clients};
use super::codes::codes;
use super::families::rules;
use super::sink::Off;
use crate::campaign::{Campaign, Text};
use crate::finding::{Finding, nearest};

/// The rules that the campaign turns off.
///
/// # Errors
/// Unknown codes, and missing reasons.
pub(crate) fn off(campaign: &Campaign) -> Result<Off, Vec<Finding>> {
    let mut off = Off::new();
    let mut findings = Vec::new();
    for (code, reason) in &campaign.check.off {
        match rules().find(|rule| rule.code == code.get_ref()) {
            None => findings.push(unknown_rule(campaign, code)),
            Some(_) if reason.get_ref().trim().is_empty() => {
                findings.push(missing_reason(campaign, code, reason));
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

fn unknown_rule(campaign: &Campaign, code: &Text) -> Finding {
    let name = code.get_ref();
    let error = |message: String| campaign.source.error("bad-value", code.span(), message);
    if codes().any(|known| known.code == name) {
        return error(format!(
            "`{name}` can't be turned off, because it is not a rule"
        ))
        .help("fix what has this code, or remove the row: it can't be read or sent");
    }
    let finding = error(format!("there is no rule `{name}`"));
    match nearest(name, rules().map(|rule| rule.code)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("each finding ends with its rule code in brackets"),
    }
}

fn missing_reason(campaign: &Campaign, code: &Text, reason: &Text) -> Finding {
    let message = format!("`{}` is turned off without a reason", code.get_ref());
    let error = campaign.source.error("bad-value", reason.span(), message);
    error.help("write why, for the next person who reads the campaign")
}

/// The mail clients that the campaign supports.
///
/// # Errors
/// Unknown names.
pub(super) fn clients(campaign: &Campaign) -> Result<Clients, Vec<Finding>> {
    let names = &campaign.check.clients;
    let clients = Clients::named(names.iter().map(|name| name.get_ref().as_str()));
    clients.ok_or_else(|| {
        let is_known = |name: &&Text| clients::families().any(|family| family == name.get_ref());
        let unknown = names.iter().filter(|name| !is_known(name));
        unknown.map(|name| unknown_client(campaign, name)).collect()
    })
}

fn unknown_client(campaign: &Campaign, name: &Text) -> Finding {
    let family = name.get_ref();
    let message = format!("there is no family of mail clients `{family}`");
    let error = campaign.source.error("bad-value", name.span(), message);
    error.help(match nearest(family, clients::families()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<_> = clients::families().collect();
            format!("the families are: {}", all.join(", "))
        }
    })
}
