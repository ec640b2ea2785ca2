//! Files of recipients as people really have them. `fixtures/recipients/manifest.json` says of each
//! what is to come of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, ISO_8859_2, UTF_8, UTF_16LE, WINDOWS_1250};
use mailrun::address::{Address, AddressError, Mailbox};
use mailrun::recipients::{
    Format, Header, Lines, Notice, Problem, ReadError, Reader, Row, RowFault, Settings,
    SuppressionList, Warning, spool,
};
use proptest::prelude::*;
use serde_json::Value;

/// All that a file holds.
#[derive(Debug)]
struct Contents {
    header: Header,
    rows: Vec<Row>,
    blank: Lines,
    warnings: Vec<Warning>,
    format: Format,
}

impl Contents {
    fn cells(&self) -> Vec<Vec<&str>> {
        self.rows
            .iter()
            .map(|row| row.cells.iter().collect())
            .collect()
    }

    fn notices(&self) -> Vec<&Notice> {
        self.warnings
            .iter()
            .map(|warning| &warning.notice)
            .collect()
    }

    /// The number of the row, its line and what is wrong with it.
    fn faults(&self) -> Vec<(u32, u64, &RowFault)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row.number, row.line, row.recipient.as_ref().err()?)))
            .collect()
    }

    fn addresses(&self) -> Vec<&str> {
        self.rows
            .iter()
            .filter_map(|row| row.recipient.as_ref().ok())
            .map(|mailbox| mailbox.address.as_str())
            .collect()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recipients")
}

fn manifest() -> Value {
    let text = fs::read_to_string(fixtures().join("manifest.json")).expect("the manifest");
    serde_json::from_str(&text).expect("JSON")
}

fn read_path(path: &Path, name: &str, settings: &Settings) -> Result<Contents, ReadError> {
    let mut reader = Reader::open(path, name, settings)?;
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Contents {
        header: reader.header().clone(),
        rows,
        blank: reader.blank().clone(),
        warnings: reader.warnings(),
        format: reader.format(),
    })
}

fn try_file(name: &str) -> Result<Contents, ReadError> {
    read_path(&fixtures().join(name), name, &Settings::default())
}

#[track_caller]
fn file(name: &str) -> Contents {
    try_file(name).expect(name)
}

#[track_caller]
fn refused(name: &str) -> ReadError {
    try_file(name).expect_err(name)
}

fn try_bytes(bytes: &[u8], settings: &Settings) -> Result<Contents, ReadError> {
    let spooled = spool(bytes).expect("a temporary file");
    read_path(spooled.path(), "list.csv", settings)
}

#[track_caller]
fn bytes(bytes: &[u8]) -> Contents {
    try_bytes(bytes, &Settings::default()).expect("a readable file")
}

#[track_caller]
fn refused_bytes(bytes: &[u8]) -> ReadError {
    try_bytes(bytes, &Settings::default()).expect_err("a file that is refused")
}

fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let (bytes, _, lossy) = encoding.encode(text);
    assert!(!lossy, "{} has all of {text}", encoding.name());
    bytes.into_owned()
}

// What the manifest says of every file.

#[test]
fn the_manifest_names_every_fixture() {
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
fn every_file_has_the_rows_and_the_format_that_the_manifest_says_or_is_refused() {
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
fn no_cell_of_any_file_has_a_nul_a_carriage_return_at_its_end_or_a_byte_order_mark() {
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

// Encodings.

/// The records of the file that Excel saves, whatever its encoding.
fn excel() -> Vec<Vec<&'static str>> {
    vec![
        vec![
            "zażółć.gęślą@example.pl",
            "Łucja",
            "Żółkiewska-Ćwikła",
            "1\u{a0}234,56",
            "22.11.2026",
            "pilne; zadzwoń",
        ],
        vec![
            "jan.kowalski@example.pl",
            "Jan",
            "Kowalski",
            "0,00",
            "01.02.2026",
            "",
        ],
        vec![
            "ewa@example.pl",
            "Ewa",
            "Śliwińska",
            "-12,30",
            "31.12.2026",
            "tzw. \"VIP\"",
        ],
    ]
}

#[test]
fn excel_s_file_is_the_same_in_every_encoding() {
    for name in [
        "01_excel_pl_cp1250_semicolon_crlf.csv",
        "02_excel_pl_utf8_bom_semicolon.csv",
        "03_excel_unicode_text_utf16le_tab.csv",
        "04_utf16be_bom_semicolon.csv",
        "05_sep_directive.csv",
    ] {
        let contents = file(name);
        let columns = ["e-mail", "imię", "nazwisko", "kwota", "termin", "uwagi"];
        assert_eq!(contents.header.columns(), columns, "{name}");
        assert_eq!(contents.header.email(), 0, "{name}");
        assert_eq!(contents.cells(), excel(), "{name}");
        assert_eq!(contents.blank.count, 2, "{name}");
        assert_eq!(
            contents
                .faults()
                .iter()
                .map(|(n, _, fault)| (*n, (*fault).clone()))
                .collect::<Vec<_>>(),
            [(1, RowFault::Address(AddressError::NeedsSmtpUtf8('ż')))],
            "{name}"
        );
        assert_eq!(
            contents.addresses(),
            ["jan.kowalski@example.pl", "ewa@example.pl"],
            "{name}"
        );
        let first_line = if name.starts_with("05") { 3 } else { 2 };
        let lines: Vec<u64> = contents.rows.iter().map(|row| row.line).collect();
        assert_eq!(
            lines,
            [first_line, first_line + 1, first_line + 2],
            "{name}"
        );
        assert_eq!(
            contents.blank.first,
            [first_line + 3, first_line + 4],
            "{name}"
        );
    }
}

#[test]
fn a_guessed_encoding_is_told_with_a_sample_and_the_way_to_set_it() {
    let contents = file("01_excel_pl_cp1250_semicolon_crlf.csv");
    let [warning] = &contents.warnings[..] else {
        panic!("{:?}", contents.warnings)
    };
    let text = warning.to_string();
    assert!(
        text.starts_with("01_excel_pl_cp1250_semicolon_crlf.csv: read as windows-1250 by a guess")
    );
    assert!(
        warning.help().contains("`encoding = \"windows-1250\"`"),
        "{}",
        warning.help()
    );
    assert!(
        !text.contains("ISO-8859-2"),
        "it would make control characters of Ś and ź: {text}"
    );

    for name in [
        "02_excel_pl_utf8_bom_semicolon.csv",
        "03_excel_unicode_text_utf16le_tab.csv",
    ] {
        assert_eq!(file(name).warnings, [], "{name}");
    }
}

#[test]
fn iso_8859_2_is_read_as_declared_and_told_when_guessed() {
    let name = "06_iso8859_2.csv";
    let settings = Settings {
        encoding: Some(ISO_8859_2),
        ..Settings::default()
    };
    let declared = read_path(&fixtures().join(name), name, &settings).expect(name);
    let mut expected = excel();
    expected[0][3] = "1 234,56";
    assert_eq!(declared.cells(), expected);
    assert_eq!(declared.warnings, []);

    let guessed = file(name);
    assert_eq!(guessed.cells(), expected);
    let [
        Notice::GuessedEncoding {
            encoding,
            alternatives,
            ..
        },
    ] = guessed.notices()[..]
    else {
        panic!("{:?}", guessed.warnings)
    };
    assert_eq!(*encoding, ISO_8859_2);
    assert_eq!(alternatives[0].0, WINDOWS_1250);
    let text = guessed.warnings[0].to_string();
    assert!(
        text.contains("“zażółć.gęślą@example.pl”; as windows-1250 it is “zażółć.gę¶l±@example.pl”"),
        "{text}"
    );
}

#[test]
fn control_characters_of_a_wrongly_declared_encoding_are_told() {
    let name = "01_excel_pl_cp1250_semicolon_crlf.csv";
    let settings = Settings {
        encoding: Some(ISO_8859_2),
        ..Settings::default()
    };
    let contents = read_path(&fixtures().join(name), name, &settings).expect(name);
    let lines = Lines {
        count: 2,
        first: vec![2, 4],
    };
    assert_eq!(contents.notices(), [&Notice::ControlCharacters(lines)]);
    assert!(contents.warnings[0].to_string().contains("lines 2, 4"));

    let header = bytes("email,a\u{85}b\na@example.com,x\u{fffd}\n".as_bytes());
    let once = |line| Lines {
        count: 1,
        first: vec![line],
    };
    assert_eq!(
        header.notices(),
        [
            &Notice::ControlCharacters(once(1)),
            &Notice::ReplacementCharacters(once(2))
        ]
    );
}

#[test]
fn damaged_utf8_is_refused_by_line_and_byte() {
    for (name, line, offset) in [
        ("07_bad_utf8_row3.csv", 3, 44),
        ("08_cesu_surrogates.csv", 2, 25),
    ] {
        let error = refused(name);
        let Problem::Undecodable {
            encoding,
            line: at,
            offset: byte,
            ..
        } = error.problem
        else {
            panic!("{error}")
        };
        assert_eq!((encoding, at, byte), (UTF_8, line, offset), "{name}");
        let said = format!("{name}, line {line}: the bytes at offset {offset} are not UTF-8");
        assert_eq!(error.to_string(), said);
        assert!(error.help().contains("`encoding = \""), "{}", error.help());
        let found = fs::read(fixtures().join(name)).expect(name)[offset as usize];
        assert!(
            found == 0xc5 || found == 0xed,
            "{name}: the offset is that of the bad byte"
        );
    }
}

#[test]
fn evidence_for_a_legacy_encoding_must_be_sound() {
    let text = "email,name,city\na@example.com,Łucja,Łódź\nb@example.com,Paweł,Poznań\n";
    assert_eq!(
        bytes(&encoded(text, WINDOWS_1250)).format.encoding,
        WINDOWS_1250
    );

    let mixed = [
        &encoded(text, WINDOWS_1250)[..],
        "c@example.com,Łucja,x\n".as_bytes(),
    ]
    .concat();
    assert_eq!(
        refused_bytes(&mixed).line(),
        Some(2),
        "a valid UTF-8 character beside others"
    );
    let cesu = b"c@example.com,\xed\xa0\xbd\xed\xb8\x80,x\n";
    let with_cesu = [&encoded(text, WINDOWS_1250)[..], cesu].concat();
    assert_eq!(
        refused_bytes(&with_cesu).line(),
        Some(2),
        "a surrogate half beside others"
    );

    let two_cells = "email,name,city\na@example.com,Łucja,Łask\n";
    let error = refused_bytes(&encoded(two_cells, WINDOWS_1250));
    assert_eq!(error.line(), Some(2), "no more than two cells");
    let symbols = b"email,a,b,c\na@example.com,\xa4,\xa6,\xa7\nb@example.com,\xa4,\xa6,\xa7\n";
    assert_eq!(refused_bytes(symbols).line(), Some(2), "no letters");
    let (japanese, _, _) = encoding_rs::SHIFT_JIS
        .encode("email,name,city\na@example.com,山田太郎,東京都\nb@example.com,鈴木一郎,大阪市\n");
    assert_eq!(
        refused_bytes(&japanese).line(),
        Some(2),
        "more than one byte a character"
    );
}

#[test]
fn a_declared_encoding_that_does_not_fit_is_refused_by_line_and_byte() {
    let text = b"email,name\r\na@example.com,\"An\rn\"\rb@example.com,B\x81\x81\xff\xff\n";
    let settings = Settings {
        encoding: Some(encoding_rs::SHIFT_JIS),
        ..Settings::default()
    };
    let error = try_bytes(text, &settings).expect_err("no Shift_JIS");
    let Problem::Undecodable {
        line: 4,
        offset: 50,
        encoding,
        ..
    } = error.problem
    else {
        panic!("{error:?}")
    };
    assert_eq!(encoding, encoding_rs::SHIFT_JIS);
}

#[test]
fn a_byte_order_mark_wins_over_what_was_set_and_is_told() {
    let text = "\u{feff}email,name\na@example.com,Łucja\n";
    let settings = Settings {
        encoding: Some(WINDOWS_1250),
        ..Settings::default()
    };
    let contents = try_bytes(text.as_bytes(), &settings).expect("UTF-8");
    assert_eq!(contents.cells(), [["a@example.com", "Łucja"]]);
    assert_eq!(
        contents.notices(),
        [&Notice::EncodingOverruled {
            mark: UTF_8,
            set: WINDOWS_1250
        }]
    );
}

#[test]
fn utf_16_without_a_mark_is_known_by_its_nuls() {
    let text = "email;name\r\na@example.com;Łucja\r\n";
    let units = || text.encode_utf16();
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for octets in [little, big] {
        let contents = bytes(&octets);
        assert_eq!(contents.cells(), [["a@example.com", "Łucja"]]);
        assert!(contents.format.encoding.name().starts_with("UTF-16"));
    }
}

#[test]
fn half_a_character_at_the_end_is_refused() {
    let error = refused_bytes(b"\xef\xbb\xbfemail,name\na@example.com,\xc5");
    let Problem::Undecodable {
        line: 2,
        offset: 28,
        ..
    } = error.problem
    else {
        panic!("{error:?}")
    };
}

#[test]
fn a_spreadsheet_is_no_csv_and_named_as_what_it_is() {
    let error = refused_bytes(b"PK\x03\x04\x14\0\x06\0");
    assert!(error.to_string().contains("spreadsheet (.xlsx"), "{error}");
    assert!(error.help().contains("CSV UTF-8"));
}

#[test]
fn characters_and_quotes_across_the_borders_of_chunks_stay_whole() {
    let cell = "ż\"ó\r\nł, ć\n".repeat(7);
    let mut expected = Vec::new();
    let mut text = String::from("email,name\n");
    for n in 0..3000 {
        let address = format!("n{n}@example.com");
        text += &format!("{address},\"{}\"\r\n", cell.replace('"', "\"\""));
        expected.push(vec![address, cell.clone()]);
    }
    assert!(text.len() > 5 * 64 * 1024);
    let utf16: Vec<u8> = ['\u{feff}']
        .into_iter()
        .chain(text.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (octets, encoding) in [
        (text.clone().into_bytes(), UTF_8),
        (encoded(&text, WINDOWS_1250), WINDOWS_1250),
        (utf16, UTF_16LE),
    ] {
        let contents = bytes(&octets);
        assert_eq!(contents.format.encoding, encoding);
        assert_eq!(contents.cells(), expected, "{}", encoding.name());
        let line = 2 + 2999 * 15;
        assert_eq!(
            contents.rows.last().map(|row| row.line),
            Some(line),
            "{}",
            encoding.name()
        );
    }
}

// Lines, quotes and the shape of rows.

#[test]
fn line_numbers_are_those_of_an_editor() {
    let contents = file("10_embedded_newlines.csv");
    let lines: Vec<_> = contents
        .rows
        .iter()
        .map(|row| (row.number, row.line))
        .collect();
    assert_eq!(lines, [(1, 2), (2, 4), (3, 6)]);
    let addresses: Vec<_> = contents
        .cells()
        .iter()
        .map(|row| row[2].to_owned())
        .collect();
    assert_eq!(
        addresses,
        ["1 Main St\nFlat 2", "Rynek 1\r\n31-001 Kraków", "\n\n"]
    );
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let error = refused("12_duplicate_headers.csv");
    let said = "12_duplicate_headers.csv, line 1: columns 2 and 3 are both called “name”";
    assert_eq!(error.to_string(), said);
}

#[test]
fn two_columns_that_may_be_the_address_must_be_told_apart() {
    let text = b"email,name,Email\na@example.com,Ann,b@example.com\n";
    let error = refused_bytes(text);
    assert_eq!(
        error.to_string(),
        "list.csv, line 1: the address column may be any of “email”, “Email”"
    );
    assert!(error.help().contains("`email = "), "{}", error.help());
    let settings = Settings {
        email: Some("Email".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        try_bytes(text, &settings).expect("told apart").addresses(),
        ["b@example.com"]
    );
}

#[test]
fn rows_of_the_wrong_length_are_told_by_line_and_spoil_no_other() {
    let contents = file("13_ragged.csv");
    let fault = |found| RowFault::FieldCount { found, expected: 3 };
    assert_eq!(
        contents.faults(),
        [(2, 3, &fault(2)), (3, 4, &fault(4)), (4, 5, &fault(1))]
    );
    assert_eq!(contents.rows[1].cells, ["b@example.com", "Bob"][..]);
    assert_eq!(fault(2).to_string(), "2 fields where the header has 3");
    assert_eq!(contents.addresses(), ["a@example.com", "e@example.com"]);
    assert_eq!(contents.rows[4].line, 7);
    assert_eq!(
        contents.blank,
        Lines {
            count: 1,
            first: vec![6]
        }
    );
}

#[test]
fn a_nul_makes_its_row_invalid_and_is_shown() {
    let contents = file("14_nul_bytes.csv");
    let fault = |column, name: &str| RowFault::Nul {
        column,
        name: name.to_owned(),
    };
    assert_eq!(
        contents.faults(),
        [(1, 2, &fault(2, "name")), (2, 3, &fault(1, "email"))]
    );
    assert_eq!(
        fault(2, "name").to_string(),
        "column 2 (“name”) holds a NUL character"
    );
    assert_eq!(contents.cells()[0], ["a@example.com", "An␀n"]);
    assert_eq!(contents.cells()[1], ["b␀@example.com", "Bob"]);
    assert_eq!(contents.addresses(), ["c@example.com"]);
}

#[test]
fn an_empty_file_is_told() {
    for name in ["30_empty.csv", "31_bom_only.csv"] {
        assert_eq!(
            refused(name).to_string(),
            format!("{name}: empty file: it has no header line")
        );
    }
    assert!(matches!(
        refused_bytes(b"\n \n\r\n").problem,
        Problem::Empty
    ));
}

#[test]
fn a_header_alone_is_a_file_of_no_recipients() {
    for name in ["32_header_only.csv", "33_header_only_no_eol.csv"] {
        let contents = file(name);
        assert_eq!(contents.header.columns(), ["email", "name"], "{name}");
        assert_eq!(
            (contents.rows.len(), contents.blank.count),
            (0, 0),
            "{name}"
        );
    }
}

#[test]
fn any_line_end_ends_a_row_and_the_last_may_have_none() {
    let all = [
        ["a@example.com", "Ann"],
        ["b@example.com", "Bob"],
        ["c@example.com", "Cy"],
    ];
    for (name, rows) in [
        ("34_no_final_eol.csv", 1),
        ("35_cr_only_mac.csv", 2),
        ("36_mixed_eol.csv", 3),
    ] {
        assert_eq!(file(name).cells(), all[..rows], "{name}");
    }
}

#[test]
fn blank_rows_are_counted_by_line_and_have_no_number() {
    let contents = file("37_blank_lines.csv");
    assert_eq!(contents.header.line(), 3);
    let rows: Vec<_> = contents
        .rows
        .iter()
        .map(|row| (row.number, row.line))
        .collect();
    assert_eq!(rows, [(1, 5), (2, 9)]);
    assert_eq!(
        contents.blank,
        Lines {
            count: 6,
            first: vec![4, 6, 7, 8, 10, 11]
        }
    );
    assert_eq!(contents.addresses(), ["a@example.com", "b@example.com"]);
}

#[test]
fn the_address_column_is_found_whatever_its_spelling_and_an_unnamed_one_is_told() {
    let contents = file("38_header_space_case.csv");
    assert_eq!(contents.header.columns(), ["E-Mail", "Name", ""]);
    assert_eq!(contents.header.email(), 0);
    assert_eq!(
        contents.notices(),
        [&Notice::UnnamedColumn { line: 1, column: 3 }]
    );
    assert_eq!(
        contents.warnings[0].to_string(),
        "38_header_space_case.csv, line 1: column 3 has no name: templates can't use it"
    );
    assert_eq!(contents.cells(), [["a@example.com", "Ann", "x"]]);

    let error = refused_bytes(b"Adres mailowy;Name;\na@example.com;Ann;x\n");
    assert_eq!(
        error.to_string(),
        "list.csv, line 1: there is no column “email”; the columns are “Adres mailowy”, “Name”, one without a name"
    );
    assert!(
        error.help().contains("`email = \"Adres mailowy\"`"),
        "{}",
        error.help()
    );
    let no_header = refused_bytes(b"a@example.com,Ann\n");
    assert!(
        no_header
            .help()
            .contains("the first line must name the columns")
    );
}

#[test]
fn a_named_address_column_is_taken_and_must_be_there() {
    let text = b"email;Kontakt\na@example.com;b@example.com\n";
    let named = |name: &str| Settings {
        email: Some(name.to_owned()),
        ..Settings::default()
    };
    for name in ["Kontakt", "kontakt"] {
        assert_eq!(
            try_bytes(text, &named(name)).expect(name).addresses(),
            ["b@example.com"]
        );
    }
    let error = try_bytes(text, &named("poczta")).expect_err("no such column");
    assert!(error.to_string().contains("no column “poczta”"), "{error}");
}

#[test]
fn column_names_are_kept_as_they_are() {
    let columns = [
        "email",
        "imię",
        "kwota (PLN)",
        "first-name",
        "1st",
        "class",
        "loop",
        "__tera_context",
        "a.b",
        "a b",
        "",
        "_",
        "self",
        "not",
        "true",
    ];
    let contents = file("39_header_not_identifiers.csv");
    assert_eq!(contents.header.columns(), columns);
    assert_eq!(
        contents.notices(),
        [&Notice::UnnamedColumn {
            line: 1,
            column: 11
        }]
    );
    assert_eq!(contents.cells()[0][1], "Żaneta");
}

#[test]
fn quotes_have_one_rule() {
    let contents = file("40_quotes_in_unquoted.csv");
    let names: Vec<_> = contents
        .cells()
        .iter()
        .map(|row| row[1].to_owned())
        .collect();
    assert_eq!(names, ["Jan \"Kowal\" Nowak", "Ann Smith", "", "\"x\""]);
    let fault = RowFault::TextAfterQuote {
        line: 3,
        column: 20,
        opened: 3,
    };
    assert_eq!(contents.faults(), [(2, 3, &fault)]);
    assert!(
        fault
            .to_string()
            .starts_with("line 3, character 20: text after a closing quote;")
    );
}

#[test]
fn a_broken_row_ends_with_its_line() {
    let text = b"email,name,city\na@example.com,\"A\nB\" x,\"y\nb@example.com,Bob,Lodz\n";
    let contents = bytes(text);
    let fault = RowFault::TextAfterQuote {
        line: 3,
        column: 3,
        opened: 2,
    };
    assert_eq!(contents.faults(), [(1, 2, &fault)]);
    assert!(
        fault.to_string().contains("(the cell starts in line 2)"),
        "{fault}"
    );
    assert_eq!(contents.rows[1].cells, ["b@example.com", "Bob", "Lodz"][..]);
    assert_eq!((contents.rows[1].number, contents.rows[1].line), (2, 4));
}

#[test]
fn a_quote_that_is_never_closed_is_refused_by_the_line_it_is_in() {
    let error =
        refused_bytes(b"email,name\na@example.com,Ann\nb@example.com,\"Bob\nc@example.com,Cy\n");
    let said = "list.csv, line 3: the quote that opens a cell in this line is never closed";
    assert_eq!(error.to_string(), said);
    let endless = [
        &b"email,name\na@example.com,\""[..],
        &b"x\n".repeat(9 << 20),
    ]
    .concat();
    assert_eq!(
        refused_bytes(&endless).line(),
        Some(2),
        "without reading it all into memory"
    );
}

#[test]
fn a_faulty_header_is_refused() {
    let quote = refused_bytes(b"email,\"na\"me\na@example.com,Ann\n");
    assert!(matches!(
        quote.problem,
        Problem::Header {
            line: 1,
            fault: RowFault::TextAfterQuote { column: 11, .. }
        }
    ));
    let nul = refused_bytes(b"email,na\0me\na@example.com,Ann\n");
    assert!(matches!(
        nul.problem,
        Problem::Header {
            line: 1,
            fault: RowFault::Nul { column: 2, .. }
        }
    ));
}

#[test]
fn values_are_exactly_as_typed() {
    let typed = [
        "a@example.com",
        "00-950",
        "02070803628",
        "0012.50",
        "1e5",
        "TRUE",
    ];
    assert_eq!(file("41_numbers_stay_text.csv").cells(), [typed]);

    let spaces = bytes(b"email,name\n a@example.com ,  Ann \n");
    assert_eq!(spaces.cells(), [[" a@example.com ", "  Ann "]]);
    assert_eq!(spaces.addresses(), ["a@example.com"]);

    let raw = fs::read_to_string(fixtures().join("42_unicode_forms.csv")).expect("UTF-8");
    let lines: Vec<_> = raw
        .lines()
        .skip(1)
        .map(|l| l.split(',').collect::<Vec<_>>())
        .collect();
    assert_eq!(file("42_unicode_forms.csv").cells(), lines);
    for name in [
        "19_template_injection.csv",
        "20_xss.csv",
        "21_formula_injection.csv",
    ] {
        let path = fixtures().join(name);
        let expected: Vec<csv::StringRecord> = csv::Reader::from_path(&path)
            .expect(name)
            .records()
            .map(|record| record.expect(name))
            .collect();
        let rows: Vec<_> = file(name).rows.into_iter().map(|row| row.cells).collect();
        assert_eq!(rows, expected, "{name}");
    }
    assert_eq!(
        file("45_long_header_values.csv").cells()[0][1]
            .chars()
            .count(),
        3000
    );
    assert_eq!(file("46_same_row_twice_adjacent.csv").rows.len(), 2);
}

// Delimiters.

#[test]
fn the_delimiter_is_the_one_under_which_there_is_an_address_column() {
    for delimiter in [',', ';', '\t', '|'] {
        let text = "name:E-mail:note\nAnn:a@example.com:\"x:y\"\nBob:b@example.com:1,2;3|4\t5\n"
            .replace(':', &delimiter.to_string());
        let contents = bytes(text.as_bytes());
        assert_eq!(char::from(contents.format.delimiter), delimiter);
        assert_eq!(contents.rows[0].cells[2], *format!("x{delimiter}y"));
    }
    let lone = bytes(b"email\na@example.com\n");
    assert_eq!(lone.addresses(), ["a@example.com"]);
}

#[test]
fn a_sep_line_is_honoured_unless_a_delimiter_is_set() {
    let text = b"SEP=^\nemail^a;b,c\na@example.com^1;2,3\n";
    let contents = bytes(text);
    assert_eq!(contents.format.delimiter, b'^');
    assert_eq!(contents.cells(), [["a@example.com", "1;2,3"]]);
    assert_eq!(contents.rows[0].line, 3);

    let settings = Settings {
        delimiter: Some(b';'),
        ..Settings::default()
    };
    let contents = try_bytes(b"\"sep=,\"\nemail;name\na@example.com;A,B\n", &settings);
    assert_eq!(
        contents.expect("semicolons").cells(),
        [["a@example.com", "A,B"]]
    );
}

#[test]
fn a_delimiter_that_cells_need_is_refused() {
    for delimiter in [b'"', b'\n', b'\r', 0, b'a', b'@', 0xb1] {
        let settings = Settings {
            delimiter: Some(delimiter),
            ..Settings::default()
        };
        let error = try_bytes(b"email\n", &settings).expect_err("no delimiter");
        assert!(
            matches!(error.problem, Problem::Delimiter(d) if d == delimiter),
            "{error}"
        );
    }
}

// Addresses.

/// What is to come of each address of the manifest, by its number.
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
fn every_address_of_the_manifest_is_taken_as_it_stands_or_invalid_with_a_reason() {
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
fn a_list_in_the_address_cell_is_invalid_and_a_display_form_is_read() {
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

// Files that are no files, and suppression lists.

#[test]
fn a_missing_file_and_a_directory_are_refused() {
    for path in [fixtures().join("none.csv"), fixtures()] {
        let error = read_path(&path, "none.csv", &Settings::default()).expect_err("no file");
        assert!(matches!(error.problem, Problem::Io(_)));
        assert!(
            error.to_string().starts_with("none.csv: can't be read"),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_though_it_can_be_read_only_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo");
    assert!(made.success());
    let text = encoded(
        "email;name\na@example.com;Żółć\nb@example.com;Łódź,ł\n",
        WINDOWS_1250,
    );
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, text)
    });
    let contents = read_path(&pipe, "-", &Settings::default()).expect("a pipe");
    writer.join().expect("no panic").expect("written");
    assert_eq!(
        contents.cells(),
        [["a@example.com", "Żółć"], ["b@example.com", "Łódź,ł"]]
    );
}

fn list(text: &[u8]) -> Result<SuppressionList, ReadError> {
    let spooled = spool(text).expect("a temporary file");
    let mut list = SuppressionList::default();
    list.add(spooled.path(), "gone.csv")?;
    Ok(list)
}

fn has(list: &SuppressionList, address: &str) -> bool {
    list.contains(&Address::parse(address).expect("an address"))
}

#[test]
fn a_suppression_list_knows_an_address_in_every_spelling() {
    for text in [
        "Reason;E-Mail\nleft;Jan@Example.com\nbounced;ewa@łódź.pl\n",
        "jan@example.COM\newa@xn--d-uga0v4h.pl.\n",
        "\u{feff}Jan <jan@example.com>\r\n\r\n\"EWA@łódź.pl\"\r\n",
    ] {
        let list = list(text.as_bytes()).expect(text);
        assert_eq!(list.len(), 2, "{text}");
        assert_eq!(list.warnings(), [], "{text}");
        for address in ["jan@example.com", "JAN@EXAMPLE.COM", "Ewa@ŁÓDŹ.pl"] {
            assert!(has(&list, address), "{address} in {text}");
        }
        assert!(!has(&list, "jan@example.pl") && !has(&list, "jan@example.com.pl"));
    }
}

#[test]
fn lines_of_a_suppression_list_that_are_no_address_are_told() {
    let list = list(b"a@example.com\nnobody\nb@example.com\n\nc@example.com d@example.com\n")
        .expect("a list");
    let lines = Lines {
        count: 2,
        first: vec![2, 5],
    };
    let first = RowFault::Address(AddressError::Shape);
    assert_eq!(list.warnings().len(), 1);
    assert_eq!(
        list.warnings()[0].notice,
        Notice::NoAddress { lines, first }
    );
    assert!(list.warnings()[0].to_string().contains("in lines 2, 5"));
    assert!(has(&list, "a@example.com") && has(&list, "b@example.com"));
}

#[test]
fn an_address_in_a_faulty_row_of_a_suppression_list_counts() {
    let list = list(b"email,why\na@example.com\nb@example.com,x,y\nc@example.com,\"x\" y\n")
        .expect("a list");
    for address in ["a@example.com", "b@example.com", "c@example.com"] {
        assert!(has(&list, address), "{address}");
    }
}

#[test]
fn a_suppression_list_without_a_known_place_for_addresses_is_refused() {
    assert!(matches!(
        list(b"who,why\na@example.com,left\n")
            .map(|_| ())
            .expect_err("no column")
            .problem,
        Problem::NoAddressColumn { .. }
    ));
    assert!(matches!(
        list(b"a@example.com,left\n")
            .map(|_| ())
            .expect_err("no header")
            .problem,
        Problem::NoAddressColumn { .. }
    ));
    let mut list = SuppressionList::default();
    assert!(list.add(Path::new("no/such/file.csv"), "file.csv").is_err());
}

#[test]
fn an_empty_suppression_list_is_read_and_told() {
    let list = list(b"\n").expect("a list");
    assert!(list.is_empty());
    assert_eq!(list.warnings()[0].notice, Notice::NothingSuppressed);
}

#[test]
fn the_file_that_an_address_is_suppressed_by_is_known() {
    let [one, two] = ["a@example.com\n", "email\nA@example.com\nb@example.com\n"]
        .map(|text| spool(text.as_bytes()).expect("a temporary file"));
    let mut list = SuppressionList::default();
    list.add(one.path(), "one.csv").expect("a list");
    list.add(two.path(), "two.csv").expect("a list");
    let file_of = |text| {
        list.file_of(&Address::parse(text).expect(text))
            .map(str::to_owned)
    };
    assert_eq!(file_of("a@example.com").as_deref(), Some("one.csv"));
    assert_eq!(file_of("b@example.com").as_deref(), Some("two.csv"));
    assert_eq!(file_of("c@example.com"), None);
}

// Whatever comes.

/// Bytes with a liking for what CSV files and encodings are made of.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(vec![
        &b"\""[..],
        b",",
        b";",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b"email",
        b"a@example.com",
        b"sep=;",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xc5\x82",
        b"\xb3",
        b"\xed\xa0\x80",
        b"\xc2\x85",
        b" ",
        b"\"\"",
    ]);
    let pieces = prop_oneof![
        8 => telling.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let header = prop::sample::select(vec![
        &b""[..],
        b"email,name\n",
        b"e\0m\0a\0i\0l\0\n\0",
        b"sep=|\nemail|x\n",
    ]);
    (header, prop::collection::vec(pieces, 0..60))
        .prop_map(|(header, pieces)| [header.to_vec(), pieces.concat()].concat())
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let encodings = vec![
        None,
        None,
        Some(WINDOWS_1250),
        Some(UTF_16LE),
        Some(encoding_rs::SHIFT_JIS),
    ];
    let email = prop::option::of("email|name|[a-z]{0,3}");
    (
        email,
        prop::sample::select(encodings),
        prop::option::of(any::<u8>()),
    )
        .prop_map(|(email, encoding, delimiter)| Settings {
            email,
            encoding,
            delimiter,
        })
}

/// A table to write: the number of columns, and rows of cells, with the characters that need care.
fn any_table() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof![
        "[a-z ]{0,6}",
        "[\",;|\t\r\n ałż=']{0,12}",
        "[^\0\u{fffd}]{0,6}",
    ];
    (0..5_usize).prop_flat_map(move |columns| {
        prop::collection::vec(prop::collection::vec(cell.clone(), columns), 0..12)
    })
}

/// The table as the csv crate writes it.
fn written(
    table: &[Vec<String>],
    delimiter: u8,
    line_end: csv::Terminator,
    always: bool,
) -> Vec<u8> {
    let style = if always {
        csv::QuoteStyle::Always
    } else {
        csv::QuoteStyle::Necessary
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(line_end)
        .quote_style(style)
        .from_writer(Vec::new());
    for row in table {
        writer.write_record(row).expect("rows of one length");
    }
    writer.into_inner().expect("written")
}

fn line_breaks(cell: &str) -> u64 {
    cell.replace("\r\n", "\n").matches(['\r', '\n']).count() as u64
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(octets in any_bytes(), settings in any_settings()) {
        let spooled = spool(&octets[..]).expect("a temporary file");
        if let Ok(reader) = Reader::open(spooled.path(), "list.csv", &settings) {
            let mut before = reader.header().line();
            for (row, number) in reader.map_while(Result::ok).zip(1..) {
                prop_assert_eq!(row.number, number);
                prop_assert!(row.line > before);
                prop_assert!(!row.cells.as_slice().contains('\0'));
                before = row.line;
            }
        }
        let _ = SuppressionList::default().add(spooled.path(), "list.csv");
    }

    #[test]
    fn what_the_csv_crate_writes_is_read_back_exactly(
        table in any_table(),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        line_end in prop::sample::select(vec![csv::Terminator::CRLF, csv::Terminator::Any(b'\n'), csv::Terminator::Any(b'\r')]),
        always in any::<bool>(),
        set in any::<bool>(),
    ) {
        let columns = table.first().map_or(0, Vec::len);
        let header = std::iter::once("email".to_owned()).chain((0..columns).map(|i| format!("c{i}")));
        let mut full: Vec<Vec<String>> = vec![header.collect()];
        for (n, row) in table.iter().enumerate() {
            full.push([&[format!("n{n}@example.com")][..], row].concat());
        }
        let settings = Settings { delimiter: set.then_some(delimiter), encoding: Some(UTF_8), ..Settings::default() };
        let octets = written(&full, delimiter, line_end, always);
        let contents = try_bytes(&octets, &settings).expect("a sound file");
        prop_assert_eq!(contents.cells(), &full[1..]);
        prop_assert_eq!(contents.faults(), []);
        let mut line = 2;
        for (row, cells) in contents.rows.iter().zip(&full[1..]) {
            prop_assert_eq!(row.line, line);
            line += 1 + cells.iter().map(|cell| line_breaks(cell)).sum::<u64>();
        }
    }

    #[test]
    fn an_address_is_the_same_when_it_is_parsed_again(
        text in prop_oneof![
            "[a-zA-Z0-9.+_'%-]{1,8}@[a-zA-Z0-9łßİΣя-]{1,6}\\.[a-zA-Zł]{2,3}\\.?",
            "\\PC{0,12}",
            "[\"<>@.,; a-zł\u{ad}\u{200b}\\\\]{0,16}",
        ],
    ) {
        let _ = Mailbox::parse(&text);
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(Address::parse(address.as_str()), Ok(address.clone()));
            let normalized = Address::parse(&address.normalized()).expect("an address");
            prop_assert_eq!(normalized.normalized(), address.normalized());
            let ascii = Address::parse(&address.to_ascii()).expect("an address");
            prop_assert_eq!(ascii.normalized(), address.normalized());
            let mailbox = Mailbox::parse(&format!("\"A, B\" <{address}>")).expect("a mailbox");
            prop_assert_eq!(mailbox, Mailbox { name: Some("A, B".to_owned()), address });
        }
    }
}
