//! Addresses that are valid but suspicious.

use std::borrow::Cow;

use super::domain_typos;
use crate::address::Address;
use crate::check::context::CampaignContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Place;
use crate::report::grouped;

pub(super) const DUPLICATE: Rule = Rule::note("address-duplicate")
    .finds("rows that are left out because an earlier row has the same address")
    .why("Everybody gets one message. If the rows differ, the values of the first are used.")
    .fix("Nothing, unless the rows differ: then make sure that the right one comes first.")
    .source("the whole address, in upper or lower case")
    .example("`ann@one.example` and, further down, `Ann@one.example`");

pub(super) const DIFFERS: Rule = Rule::warning("duplicate-differs")
    .finds("rows that are left out because an earlier row has their address, with other values in columns that the message uses")
    .why("The values in these rows reach nobody: the second invoice of a customer, or the second machine of an owner.")
    .fix("Set `same_address = \"send\"` for a message each, or `\"group\"` for one message with all rows. Or remove the rows.")
    .source("the columns that the message uses")
    .example("the rows `ann@mail.example,1001` and `ann@mail.example,1003`, and the subject `Invoice {{ number }}`");

pub(super) const SLIP: Rule = Rule::warning("address-slip")
    .finds("a typing error in the domain of a large mailbox provider")
    .why("The message bounces, or goes to somebody else: many such domains belong to strangers.")
    .fix("Ask the recipient, or correct the address if you are sure.")
    .source("the domains of the big providers, one letter off")
    .example("`ann@gmial.com`, `jan@wp.lp`");

pub(super) const ROLE: Rule = Rule::warning("address-role")
    .finds("an address that programs use and nobody reads newsletters at")
    .why("Nobody subscribes with such an address. Lists that contain them look bought, and providers count that against the sender.")
    .fix("Remove the row, unless somebody asked for the message at this very address.")
    .source("RFC 2142")
    .example("`noreply@shop.example`, `postmaster@shop.example`");

pub(super) const SHARED: Rule = Rule::note("address-shared")
    .finds("an address that belongs to an office and not to a person")
    .why("Several people read it, and those who did not subscribe may report the message as spam.")
    .fix("Make sure that somebody there asked for the message.")
    .source("RFC 2142 3")
    .example("`info@shop.example`");

pub(super) const DISPOSABLE: Rule = Rule::warning("address-disposable")
    .finds("an address at a service for throwaway addresses")
    .why("Such an address works for minutes or hours, so the message bounces or nobody reads it.")
    .fix("Remove the row.")
    .source("a list of the best known")
    .example("`x7@mailinator.com`");

/// Reports the rows that are left out.
pub(super) fn duplicates(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let lines = &shared.duplicates;
    let message = match lines.count {
        0 => return,
        1 => format!("one row is left out, because an earlier row has its address ({lines})"),
        rows => format!(
            "{} rows are left out, because earlier rows have their addresses ({lines})",
            grouped(rows)
        ),
    };
    let finding = DUPLICATE.at(Place::file(shared.recipients), message);
    sink.add(finding.help(
        "nobody gets two messages; if the rows differ, make sure that the right one comes first",
    ));
}

/// Reports the duplicates that differ from the row that is sent.
pub(super) fn differing(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let differing = &shared.differing;
    let columns = differing.columns.iter();
    let names = columns.filter_map(|index| shared.header.get(*index));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let mut rows: Vec<String> = differing.rows.iter().map(ToString::to_string).collect();
    if differing.count > rows.len() as u64 {
        rows.push("…".to_owned());
    }
    let (names, rows) = (names.join(", "), rows.join(", "));
    let message = match differing.count {
        0 => return,
        1 => format!(
            "row {rows} is left out as a duplicate, but differs from the row that is sent in {names}"
        ),
        count => format!(
            "{} rows are left out as duplicates, but differ from the rows that are sent in {names} (rows {rows})",
            grouped(count)
        ),
    };
    let finding = DIFFERS.at(Place::file(shared.recipients), message);
    sink.add(finding.help(
        "set same_address = \"send\" in [recipients] for a message each, or \"group\" for one message with all rows of an \
         address; or remove these rows",
    ));
}

pub(super) fn row(address: &Address, sink: &mut FindingSink<'_>) {
    let domain = address.ascii_domain();
    if let Some(meant) = domain_typos::meant(domain) {
        let message = format!("“{domain}” looks like a typing error for {meant}");
        let finding = SLIP.found(message);
        sink.add(finding.help(
            "ask the recipient, or correct it if you are sure: the domain may belong to somebody else",
        ));
    }
    if address.is_disposable() {
        let message = format!("{domain} gives out throwaway addresses");
        let help = "remove the row: nobody reads such an address for long";
        sink.add(DISPOSABLE.found(message).help(help));
    }
    role(address.local(), sink);
}

fn role(local: &str, sink: &mut FindingSink<'_>) {
    let name = local.split('+').next().unwrap_or(local);
    let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    match &*name {
        // Nobody subscribes with these.
        "abuse" | "bounce" | "bounces" | "daemon" | "do-not-reply" | "donotreply" | "ftp"
        | "hostmaster" | "mailer-daemon" | "no-reply" | "no.reply" | "noc" | "noreply"
        | "nobody" | "postmaster" | "root" | "security" | "usenet" | "uucp" | "webmaster"
        | "www" => {
            let finding = ROLE.found(format!("nobody reads newsletters at {name}@"));
            sink.add(
                finding
                    .help("remove the row, unless somebody asked for the message at this address"),
            );
        }
        // Several people read these, and some of them may have subscribed.
        "admin" | "info" | "marketing" | "news" | "sales" | "support" => {
            let finding = SHARED.found(format!("{name}@ belongs to an office, not to a person"));
            sink.add(finding.help(
                "make sure that somebody there asked for the message: others may report it as spam",
            ));
        }
        _ => {}
    }
}
