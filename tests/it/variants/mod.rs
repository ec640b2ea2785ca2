//! A/B tests: who gets which variant, the sample, and the choice for the others.

mod assignment;
mod campaign_file;
mod checking;
mod report;
mod sample;
mod sending;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::send::campaign;

/// `[[variants]]` with these names and shares, and the subject `Subject NAME`.
fn variants(shares: &[(&str, i64)]) -> Vec<toml::Value> {
    let variant = |(name, share): &(&str, i64)| {
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), (*name).into());
        table.insert("share".to_owned(), (*share).into());
        table.insert("subject".to_owned(), format!("Subject {name}").into());
        table.into()
    };
    shares.iter().map(variant).collect()
}

/// A campaign of this many rows, with the variants A and B.
fn halves(api: &FakeApi, rows: usize) -> Campaign {
    campaign(api)
        .rows(rows)
        .set("variants", variants(&[("A", 50), ("B", 50)]))
}

/// The number below `parts` for an address, as docs/campaign.md describes it.
fn place(purpose: &str, address: &str, parts: u128) -> u128 {
    let digest = Sha256::digest(format!("mailrun {purpose}\0test\0{address}"));
    let hash = u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"));
    (u128::from(hash) * parts) >> 64
}

/// The variant of an address in the campaign `test`.
fn variant_of<'a>(address: &str, shares: &[(&'a str, i64)]) -> &'a str {
    let total: i64 = shares.iter().map(|(_, share)| share).sum();
    let place = place("variant", address, total as u128) as i64;
    let mut up_to = 0;
    let mut shares = shares.iter().filter(|(_, share)| {
        up_to += share;
        place < up_to
    });
    shares.next().expect("a variant").0
}

/// Whether an address is in the sample of the campaign `test`.
fn is_in_sample(address: &str, percent: u128) -> bool {
    place("sample", address, 1_000_000) < percent * 10_000
}

/// The subject that each address got. Nobody got two.
fn subjects(api: &FakeApi) -> BTreeMap<String, String> {
    let mut subjects = BTreeMap::new();
    for request in api.requests() {
        let subject = request.field("subject").expect("a subject");
        for address in request.addresses() {
            let before = subjects.insert(address.to_owned(), subject.clone());
            assert_eq!(before, None, "{address} got two messages");
        }
    }
    subjects
}

/// The column `variant` by address.
fn column(results: &Results) -> BTreeMap<String, String> {
    let rows = results.rows.iter();
    rows.map(|row| (row["email"].clone(), row["variant"].clone()))
        .collect()
}
