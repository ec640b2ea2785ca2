//! Every fixture against the manifest.

use std::collections::BTreeSet;
use std::fs;

use super::{fixtures, manifest, try_file};

#[test]
fn the_manifest_lists_every_fixture() {
    let manifest = manifest();
    let named: BTreeSet<String> = manifest["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| file["file"].as_str().expect("a name").to_owned())
        .collect();
    let present: BTreeSet<String> = fs::read_dir(fixtures())
        .expect("the fixtures")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .filter(|name| name.ends_with(".csv"))
        .collect();
    assert_eq!(named, present);
}

#[test]
fn every_file_has_the_rows_and_format_of_the_manifest_or_is_refused() {
    let mut refused = Vec::new();
    for entry in manifest()["files"].as_array().expect("a list") {
        let name = entry["file"].as_str().expect("a name");
        let Ok(contents) = try_file(name) else {
            refused.push(name.to_owned());
            continue;
        };
        assert_eq!(
            contents.rows.len() as u64,
            entry["rows"].as_u64().expect("rows"),
            "{name}"
        );
        if let Some(blank) = entry["blank_rows"].as_u64() {
            assert_eq!(contents.blank.count, blank, "{name}");
        }
        if let Some(encoding) = entry["encoding"].as_str() {
            let found = contents.format.encoding.name();
            assert!(found.eq_ignore_ascii_case(encoding), "{name} as {found}");
        }
        if let Some(delimiter) = entry["delimiter"].as_str() {
            assert_eq!(
                char::from(contents.format.delimiter).to_string(),
                delimiter,
                "{name}"
            );
        }
    }
    assert_eq!(
        refused,
        [
            "07_bad_utf8_row3.csv",
            "08_cesu_surrogates.csv",
            "12_duplicate_headers.csv",
            "30_empty.csv",
            "31_bom_only.csv",
        ]
    );
}

#[test]
fn no_cell_has_a_nul_a_trailing_carriage_return_or_a_byte_order_mark() {
    for entry in manifest()["files"].as_array().expect("a list") {
        let Ok(contents) = try_file(entry["file"].as_str().expect("a name")) else {
            continue;
        };
        let cells = contents.cells().concat();
        let names = contents.header.columns().iter().map(String::as_str);
        for text in cells.into_iter().chain(names) {
            assert!(!text.contains(['\0', '\u{feff}', '\u{fffd}']), "{text:?}");
            assert!(!text.ends_with('\r'), "{text:?}");
        }
    }
}
