//! Detecting the encoding of a file, and files that can't be decoded.

use std::fs;

use encoding_rs::{GB18030, ISO_8859_2, SHIFT_JIS, UTF_8, UTF_16LE, WINDOWS_1250};
use mailrun::address::AddressError;
use mailrun::recipients::{LineNumbers, Notice, Problem, ReadSettings, RowFault};

use super::{bytes, encoded, file, fixtures, read_path, refused, refused_bytes, try_bytes};

/// The records of the file that Excel saved in several encodings.
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
fn excel_files_read_the_same_in_every_encoding() {
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
fn a_guessed_encoding_is_reported_with_a_sample_and_how_to_confirm_it() {
    let contents = file("01_excel_pl_cp1250_semicolon_crlf.csv");
    let [warning] = &contents.warnings[..] else {
        panic!("{:?}", contents.warnings)
    };
    let text = warning.to_string();
    assert!(
        text.starts_with("01_excel_pl_cp1250_semicolon_crlf.csv: read as windows-1250 (a guess)")
    );
    assert!(
        warning.help().contains("`encoding = \"windows-1250\"`"),
        "{}",
        warning.help()
    );
    assert!(
        !text.contains("ISO-8859-2"),
        "Ś and ź would be control characters: {text}"
    );

    for name in [
        "02_excel_pl_utf8_bom_semicolon.csv",
        "03_excel_unicode_text_utf16le_tab.csv",
    ] {
        assert_eq!(file(name).warnings, [], "{name}");
    }
}

#[test]
fn iso_8859_2_is_read_as_declared_and_reported_if_guessed() {
    let name = "06_iso8859_2.csv";
    let settings = ReadSettings {
        encoding: Some(ISO_8859_2),
        ..ReadSettings::default()
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
        text.contains(
            "“zażółć.gęślą@example.pl”; as windows-1250 it would be “zażółć.gę¶l±@example.pl”"
        ),
        "{text}"
    );
}

#[test]
fn control_characters_from_a_wrong_encoding_are_reported() {
    let name = "01_excel_pl_cp1250_semicolon_crlf.csv";
    let settings = ReadSettings {
        encoding: Some(ISO_8859_2),
        ..ReadSettings::default()
    };
    let contents = read_path(&fixtures().join(name), name, &settings).expect(name);
    let lines = LineNumbers {
        count: 2,
        first: vec![2, 4],
    };
    assert_eq!(contents.notices(), [&Notice::ControlCharacters(lines)]);
    assert!(contents.warnings[0].to_string().contains("lines 2, 4"));

    let header = bytes("email,a\u{85}b\na@example.com,x\u{fffd}\n".as_bytes());
    let once = |line| LineNumbers {
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
fn damaged_utf8_is_refused_with_line_and_offset() {
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
        let said = format!("{name}, line {line}: the bytes at offset {offset} are not valid UTF-8");
        assert_eq!(error.to_string(), said);
        assert!(error.help().contains("`encoding = \""), "{}", error.help());
        let found = fs::read(fixtures().join(name)).expect(name)[offset as usize];
        assert!(
            found == 0xc5 || found == 0xed,
            "{name}: the offset is not at the bad byte"
        );
    }
}

/// Polish rows in windows-1250, enough for a guess, followed by `end`.
fn polish_and(end: &[u8]) -> Vec<u8> {
    let text =
        "email,name,city\n".to_owned() + &"a@example.com,Michał,Kraków nad Wisłą\n".repeat(9);
    [&encoded(&text, WINDOWS_1250)[..], end].concat()
}

#[test]
fn a_legacy_encoding_with_utf_8_in_it_is_refused() {
    assert_eq!(bytes(&polish_and(b"")).format.encoding, WINDOWS_1250);
    let alone = polish_and(b"b@example.com,\xc5\x9b \xb3,x\n");
    assert_eq!(
        refused_bytes(&alone).line(),
        Some(2),
        "a character of UTF-8"
    );
    let cesu = polish_and(b"b@example.com,\xed\xa0\xbd\xed\xb8\x80,x\n");
    assert_eq!(refused_bytes(&cesu).line(), Some(2), "surrogate halves");
}

#[test]
fn a_legacy_encoding_without_enough_evidence_is_refused() {
    let undecodable = |octets: &[u8]| match refused_bytes(octets).problem {
        Problem::Undecodable { line, maybe, .. } => (line, maybe),
        problem => panic!("{problem}"),
    };
    let two_cells = encoded(
        "email,name,city\na@example.com,Paweł,Poznań\n",
        WINDOWS_1250,
    );
    assert_eq!(undecodable(&two_cells).0, 2);
    let misread =
        "email,name,city\n".to_owned() + &"a@example.com,Paweł,Poznań nad Wartą\n".repeat(9);
    let misread = undecodable(&encoded(&misread, WINDOWS_1250));
    assert_eq!(
        misread,
        (2, Some(WINDOWS_1250)),
        "taken for windows-1252, with few letters"
    );
    let symbols = b"email,a,b,c\na@example.com,\xa4,\xa6,\xa7\nb@example.com,\xa4,\xa6,\xa7\n";
    assert_eq!(undecodable(symbols), (2, None), "no letters");
    for (name, maybe) in [("山田太郎", Some(SHIFT_JIS)), ("ﾔﾏﾀﾞ ﾀﾛｳ", None)] {
        let text = "email,name\n".to_owned() + &format!("a@example.com,{name}\n").repeat(9);
        let (octets, _, _) = SHIFT_JIS.encode(&text);
        assert_eq!(
            undecodable(&octets),
            (2, maybe),
            "more than one byte a character: {name}"
        );
    }
}

#[test]
fn a_wrongly_declared_encoding_is_refused_with_line_and_offset() {
    let start = b"email,name\r\na@example.com,\"An\rn\"\rb@example.com,B";
    for (set, wrong) in [
        (SHIFT_JIS, &b"\xff\xff"[..]),
        (GB18030, b"\x81\x30\x81x"),
        (UTF_8, b"\xe2\x82,"),
    ] {
        let settings = ReadSettings {
            encoding: Some(set),
            ..ReadSettings::default()
        };
        let text = [start, wrong, b"ob\n"].concat();
        let error = try_bytes(&text, &settings).expect_err("undecodable");
        let Problem::Undecodable {
            line,
            offset,
            encoding,
            ..
        } = error.problem
        else {
            panic!("{error:?}")
        };
        assert_eq!((line, offset, encoding), (4, start.len() as u64, set));
    }
}

#[test]
fn a_byte_order_mark_overrides_the_set_encoding_with_a_warning() {
    let text = "\u{feff}email,name\na@example.com,Łucja\n";
    let settings = ReadSettings {
        encoding: Some(WINDOWS_1250),
        ..ReadSettings::default()
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
fn utf_16_without_a_byte_order_mark_is_detected_by_its_nuls() {
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
fn an_incomplete_character_at_the_end_is_refused() {
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
fn a_file_of_another_kind_is_refused() {
    let error = refused_bytes(b"%PDF-1.7\n");
    assert!(error.to_string().contains("a PDF document"), "{error}");
    assert!(error.help().contains("CSV UTF-8"));
    let error = refused_bytes(b"PK\x03\x04\x14\0\x06\0");
    assert!(error.to_string().contains("workbook"), "{error}");
}

#[test]
fn characters_and_quotes_across_chunk_boundaries_stay_whole() {
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
