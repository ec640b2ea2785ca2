//! Line numbers, quotes, headers, and rows of the wrong length.

use std::fs;

use mailrun::finding::Severity;
use mailrun::recipients::{LineNumbers, Notice, Problem, ReadSettings, RowFault};

use super::{bytes, file, fixtures, refused, refused_bytes, try_bytes};

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
fn two_columns_with_the_same_name_are_refused() {
    let error = refused("12_duplicate_headers.csv");
    let message = "12_duplicate_headers.csv, line 1: columns 2 and 3 are both named “name”";
    assert_eq!(error.to_string(), message);
}

#[test]
fn two_possible_address_columns_are_refused_unless_one_is_set() {
    let text = b"email,name,Email\na@example.com,Ann,b@example.com\n";
    let error = refused_bytes(text);
    assert_eq!(
        error.to_string(),
        "list.csv, line 1: several columns may have the addresses: “email”, “Email”"
    );
    assert!(error.help().contains("`email = "), "{}", error.help());
    let settings = ReadSettings {
        email: Some("Email".to_owned()),
        ..ReadSettings::default()
    };
    assert_eq!(
        try_bytes(text, &settings).expect("one is set").addresses(),
        ["b@example.com"]
    );
}

#[test]
fn a_row_of_the_wrong_length_has_a_fault_and_other_rows_are_read() {
    let contents = file("13_ragged.csv");
    let fault = |found| RowFault::FieldCount { found, expected: 3 };
    assert_eq!(
        contents.faults(),
        [(2, 3, &fault(2)), (3, 4, &fault(4)), (4, 5, &fault(1))]
    );
    assert_eq!(contents.rows[1].cells, ["b@example.com", "Bob"][..]);
    assert_eq!(fault(2).to_string(), "2 fields, but the header has 3");
    assert_eq!(contents.addresses(), ["a@example.com", "e@example.com"]);
    assert_eq!(contents.rows[4].line, 7);
    assert_eq!(
        contents.blank,
        LineNumbers {
            count: 1,
            first: vec![6]
        }
    );
}

#[test]
fn a_nul_makes_its_row_invalid_and_is_replaced_with_a_symbol() {
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
        "column 2 (“name”) contains a NUL character"
    );
    assert_eq!(contents.cells()[0], ["a@example.com", "An␀n"]);
    assert_eq!(contents.cells()[1], ["b␀@example.com", "Bob"]);
    assert_eq!(contents.addresses(), ["c@example.com"]);
}

#[test]
fn an_empty_file_is_an_error() {
    for name in ["30_empty.csv", "31_bom_only.csv"] {
        assert_eq!(
            refused(name).to_string(),
            format!("{name}: the file is empty")
        );
    }
    assert!(matches!(
        refused_bytes(b"\n \n\r\n").problem,
        Problem::Empty
    ));
}

#[test]
fn a_file_with_only_a_header_has_no_recipients() {
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
fn any_line_end_ends_a_row_and_the_last_row_needs_none() {
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
fn blank_rows_are_counted_and_have_no_number() {
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
        LineNumbers {
            count: 6,
            first: vec![4, 6, 7, 8, 10, 11]
        }
    );
    assert_eq!(contents.addresses(), ["a@example.com", "b@example.com"]);
}

#[test]
fn the_address_column_is_found_in_any_spelling_and_an_unnamed_column_is_reported() {
    let contents = file("38_header_space_case.csv");
    assert_eq!(contents.header.columns(), ["E-Mail", "Name", ""]);
    assert_eq!(contents.header.email(), 0);
    assert_eq!(
        contents.notices(),
        [&Notice::UnnamedColumn { line: 1, column: 3 }]
    );
    assert_eq!(
        contents.warnings[0].to_string(),
        "38_header_space_case.csv, line 1: column 3 has no name, so templates can't use it"
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
fn a_header_below_a_title_is_found() {
    for text in [
        "\"Contacts report\"\n\"Exported:\",\"2026-03-01\"\n\n\"Name\",\"Email\"\n\"Ann\",\"ann@example.com\"\n",
        "Contacts report\nExported: 2026-03-01, 10:00\n\nName;E-Mail;City\nAnn;ann@example.com;Oslo\n",
    ] {
        let contents = bytes(text.as_bytes());
        assert_eq!(contents.header.line(), 4);
        assert_eq!(contents.addresses(), ["ann@example.com"]);
        assert_eq!((contents.rows[0].number, contents.rows[0].line), (1, 5));
        let [warning] = &contents.warnings[..] else {
            panic!("{:?}", contents.warnings);
        };
        assert_eq!(warning.notice.severity(), Severity::Note);
        assert_eq!(
            warning.to_string(),
            "list.csv, line 4: the header is on line 4; the lines above it are not read: “Contacts report”"
        );
        assert!(warning.help().contains("`header_row = 4` in [recipients]"));
    }
}

#[test]
fn blank_rows_below_a_header_below_a_title_are_counted() {
    let contents = bytes(b"Report\n\nname,email\n\nAnn,ann@example.com\n\n\nBob,bob@example.com\n");
    assert_eq!(contents.header.line(), 3);
    let lines = LineNumbers {
        count: 3,
        first: vec![4, 6, 7],
    };
    assert_eq!(contents.blank, lines);
}

#[test]
fn a_row_with_an_address_is_no_header() {
    let text = b"who,prefers,\nann@example.com,email,yes\nbob@example.com,phone,yes\n";
    let error = refused_bytes(text);
    assert!(
        matches!(error.problem, Problem::NoAddressColumn { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_header_below_what_may_be_rows_is_pointed_out() {
    for text in [
        "Ann,ann@example.com\n\nname,email\nBob,bob@example.com\n",
        "who,mail address\n\"Ann\n\",Oslo\nname,email\nBob,bob@example.com\n",
    ] {
        let error = refused_bytes(text.as_bytes());
        let line = 1 + text[..text.find("name,").expect("a header")]
            .matches('\n')
            .count();
        assert_eq!(
            error.help(),
            format!(
                "the header seems to be on line {line}: set `header_row = {line}` in [recipients], or delete the \
                 lines above it"
            )
        );
    }
    let error = refused_bytes(b"name,city\nAnn,Oslo\n");
    assert!(!error.help().contains("line"), "{}", error.help());
}

#[test]
fn the_line_of_the_header_can_be_set() {
    let with = |line| ReadSettings {
        header_row: Some(line),
        ..ReadSettings::default()
    };
    let text = b"Ann;ann@example.com\n\nemail;name\nbob@example.com;Bob\n";
    let contents = try_bytes(text, &with(3)).expect("a header");
    assert_eq!(contents.header.columns(), ["email", "name"]);
    assert_eq!(contents.addresses(), ["bob@example.com"]);
    assert!(contents.warnings.is_empty(), "{:?}", contents.warnings);
    for line in [2, 9] {
        let error = try_bytes(text, &with(line)).expect_err("no header");
        assert!(
            matches!(error.problem, Problem::BlankHeaderRow { line: l } if l == line),
            "{error}"
        );
    }
}

#[test]
fn a_configured_address_column_is_used_and_must_exist() {
    let text = b"email;Kontakt\na@example.com;b@example.com\n";
    let named = |name: &str| ReadSettings {
        email: Some(name.to_owned()),
        ..ReadSettings::default()
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
fn quotes_inside_unquoted_cells_are_text() {
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
    };
    assert_eq!(contents.faults(), [(2, 3, &fault)]);
    assert!(
        fault
            .to_string()
            .starts_with("line 3, character 20: text after a closing quote;")
    );
}

#[test]
fn a_row_with_text_after_a_quote_ends_with_its_line() {
    let text = b"email,name,city\na@example.com,\"A\" x,\"y\nb@example.com,Bob,Lodz\n";
    let contents = bytes(text);
    let fault = RowFault::TextAfterQuote {
        line: 2,
        column: 18,
    };
    assert_eq!(contents.faults(), [(1, 2, &fault)]);
    assert_eq!(contents.rows[1].cells, ["b@example.com", "Bob", "Lodz"][..]);
    assert_eq!((contents.rows[1].number, contents.rows[1].line), (2, 3));
}

#[test]
fn a_quote_that_is_closed_inside_a_later_row_is_refused_with_its_line() {
    for (text, closed) in [
        ("a@example.com,\"Ann,Lodz\nb@example.com,\"Bob\",Lodz\n", 3),
        (
            "a@example.com,\"Ann,Lodz\r\nb@example.com,B,\r\nc@example.com,C \"x\" C,Lodz",
            4,
        ),
        (
            "\"a@example.com\",\"Ann\",\"Lodz\n\"b@example.com\",\"Bob\",\"Lodz\"\n",
            3,
        ),
    ] {
        let error = refused_bytes(format!("email,name,city\n{text}").as_bytes());
        let message = format!(
            "list.csv, line 2: the quote that starts a cell on this line is closed on line {closed}, but text follows it there"
        );
        assert_eq!(error.to_string(), message, "{text}");
        assert!(error.help().contains("close the quote"), "{}", error.help());
    }
}

#[test]
fn a_row_inside_a_quoted_cell_is_refused() {
    let between = "\nb@example.com,Bob,Lodz".repeat(3);
    for text in [
        format!("a@example.com,\"Ann,Lodz{between}\nc@example.com,5\",Lodz\n"),
        "a@example.com,\"Ann,Lodz\r\nb@example.com,5\",Lodz\n".to_owned(),
        "a@example.com,\"Ann,Lodz\n\"\"b@example.com\"\",Bob,Lodz\nx\",Lodz\n".to_owned(),
    ] {
        let error = refused_bytes(format!("email,name,city\n{text}").as_bytes());
        let message = "list.csv, line 2: the quoted cell that starts on this line contains line 3, which looks like a row: b@example.com";
        assert_eq!(error.to_string(), message, "{text}");
    }
    for (columns, row) in [
        ("street,email", "\"Main St\nFlat 2\",a@example.com"),
        (
            "email,notes",
            "a@example.com,\"Ann\n> b@example.com, hello\"",
        ),
        (
            "email,notes,c",
            "a@example.com,\"b@example.com\nc@example.com\nx, y, z\",c",
        ),
        ("email,notes", "\"a@example.com\nb@example.com\",c"),
    ] {
        let contents = bytes(format!("{columns}\n{row}\n").as_bytes());
        assert_eq!(contents.rows.len(), 1, "{row}");
    }
}

#[test]
fn an_unclosed_quote_is_refused_with_its_line() {
    let error =
        refused_bytes(b"email,name\na@example.com,Ann\nb@example.com,\"Bob\nc@example.com,Cy\n");
    let message = "list.csv, line 3: the quote that starts a cell on this line is never closed";
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_huge_record_is_refused_before_it_fills_the_memory() {
    let long = b"x\n".repeat(9 << 20);
    let quoted = [b"email,name\na@example.com,\"", &long[..], b"\"\n"].concat();
    let Problem::UnclosedQuote { line } = refused_bytes(&quoted).problem else {
        panic!()
    };
    assert_eq!(line, 2);
    let unquoted = [b"email,name\na@example.com,", &b"x".repeat(18 << 20)[..]].concat();
    let Problem::TooLong { line } = refused_bytes(&unquoted).problem else {
        panic!()
    };
    assert_eq!(line, 2);
}

#[test]
fn an_invalid_header_is_refused() {
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
fn values_stay_exactly_as_typed() {
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
