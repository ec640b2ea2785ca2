//! Addresses in the manifest and in cells.

use mailrun::address::{Address, AddressError, Mailbox};
use mailrun::recipients::RowFault;

use super::{file, manifest};

/// The expected result for each address in the manifest, by its number. `Ok("")` is the address itself.
fn expected(n: u64) -> Result<&'static str, AddressError> {
    use AddressError::{
        Character, Domain, Empty, List, Literal, Local, LocalDots, LocalTooLong, NeedsSmtpUtf8,
        NoDot, Quoted, Shape,
    };
    Err(match n {
        25 | 43 => return Ok("jan@example.com"),
        3 | 4 | 5 | 13 => Quoted,
        12 => Local('['),
        14 => Local('('),
        15 => Domain("(comment)example.com".to_owned()),
        16 => NeedsSmtpUtf8('ż'),
        17 => NeedsSmtpUtf8('用'),
        18..=20 => LocalDots,
        21 | 22 => Literal,
        23 => NoDot("localhost".to_owned()),
        24 => NoDot("example".to_owned()),
        26 | 27 | 29 => List,
        28 => Local(':'),
        30 => Local('<'),
        34 => LocalTooLong(65),
        35 | 36 => Empty,
        37..=40 => Shape,
        41 | 42 => Character(' '),
        44 => Domain("example,com".to_owned()),
        _ => return Ok(""),
    })
}

#[test]
fn every_address_in_the_manifest_is_read_as_it_is_or_invalid_with_a_reason() {
    let manifest = manifest();
    let addresses = manifest["addresses_expected"].as_array().expect("a list");
    let contents = file("17_addresses_odd.csv");
    assert_eq!((contents.rows.len(), addresses.len()), (44, 44));
    for (row, entry) in contents.rows.iter().zip(addresses) {
        let n = entry["n"].as_u64().expect("a number");
        let typed = entry["address"].as_str().expect("an address");
        assert_eq!((u64::from(row.number), &row.cells[1]), (n, typed));
        let outcome = row
            .recipient
            .clone()
            .map(|mailbox| mailbox.address.as_str().to_owned());
        let expected = match expected(n) {
            Ok("") => Ok(typed.to_owned()),
            Ok(other) => Ok(other.to_owned()),
            Err(error) => Err(RowFault::Address(error)),
        };
        assert_eq!(outcome, expected, "{n}: {typed}");
        let verdict = entry["verdict"].as_str().expect("a verdict");
        let ok = verdict.starts_with("ok") || matches!(n, 11 | 25 | 43);
        assert_eq!(expected.is_ok(), ok, "{n}: {verdict}");
    }
}

#[test]
fn a_cell_may_have_a_display_name_but_not_several_addresses() {
    let contents = file("43_list_in_email_cell.csv");
    let fault = RowFault::Address(AddressError::List);
    assert_eq!(contents.faults(), [(1, 2, &fault), (2, 3, &fault)]);
    let address = Address::parse("jan@example.com").expect("an address");
    let mailbox = Mailbox {
        name: Some("Jan".to_owned()),
        address,
    };
    assert_eq!(contents.rows[2].recipient, Ok(mailbox));
}
