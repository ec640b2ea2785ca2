//! Workbooks of Excel, LibreOffice and other programs. `fixtures/spreadsheets/expected.json` has the cells of each as
//! mailrun shows them, and `make.py` made the workbooks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mailrun::recipients::{
    ColumnHint, HiddenRows, Notice, Problem, ReadError, ReadSettings, RecipientReader,
    RecipientRow, RowFault, SuppressionList,
};
use serde_json::{Value, json};

fn workbooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spreadsheets")
}

struct Sheet {
    columns: Vec<String>,
    rows: Vec<RecipientRow>,
    notices: Vec<Notice>,
}

fn try_read(name: &str, settings: &ReadSettings) -> Result<Sheet, ReadError> {
    let mut reader = RecipientReader::open(&workbooks().join(name), name, settings)?;
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Sheet {
        columns: reader.header().columns().to_vec(),
        rows,
        notices: reader.warnings().into_iter().map(|it| it.notice).collect(),
    })
}

#[track_caller]
fn read(name: &str) -> Sheet {
    try_read(name, &ReadSettings::default()).expect(name)
}

/// All that a file has: a line for each row, with its place and its cells.
fn contents(name: &str) -> Value {
    match try_read(name, &ReadSettings::default()) {
        Err(error) => json!({ "error": error.to_string(), "help": error.help() }),
        Ok(sheet) => {
            let rows = sheet.rows.iter().map(|row| {
                let cells: Vec<&str> = row.cells.iter().collect();
                let hidden = if row.is_hidden { " hidden" } else { "" };
                let fault = row.recipient.as_ref().err();
                let fault = fault.map_or(String::new(), |fault| format!(" {fault}"));
                let cells = serde_json::to_string(&cells).expect("JSON");
                format!("{}{hidden}{fault} {cells}", row.line)
            });
            let notices = sheet.notices.iter().map(ToString::to_string);
            json!({
                "columns": sheet.columns,
                "rows": rows.collect::<Vec<_>>(),
                "notices": notices.collect::<Vec<_>>(),
            })
        }
    }
}

#[test]
fn cells_are_as_the_sheet_shows_them() {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(workbooks()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("a name").to_owned();
        if !matches!(name.as_str(), "make.py" | "expected.json") {
            all.insert(name.clone(), contents(&name));
        }
    }
    let file = workbooks().join("expected.json");
    if std::env::var_os("MAILRUN_WRITE_EXPECTED").is_some() {
        fs::write(&file, format!("{:#}\n", json!(all))).expect("written");
    }
    let text = fs::read_to_string(&file).expect("the expected cells");
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).expect("JSON");
    assert!(all.len() >= 30, "{} files", all.len());
    assert_eq!(
        all.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, contents) in &all {
        assert_eq!(contents, &expected[name], "{name}: {contents:#}");
    }
}

#[test]
fn hidden_rows_are_skipped_unless_they_are_to_be_sent() {
    let hidden = |settings: &ReadSettings| {
        let sheet = try_read("hidden_rows.xlsx", settings).expect("a sheet");
        let lines = sheet.rows.iter().filter(|row| row.is_hidden);
        let warned = |notice: &Notice| matches!(notice, Notice::HiddenRows(_));
        (
            lines.map(|row| row.line).collect::<Vec<_>>(),
            sheet.notices.iter().any(warned),
        )
    };
    let with = |hidden| ReadSettings {
        hidden,
        ..ReadSettings::default()
    };
    assert_eq!(hidden(&with(None)), (vec![3, 5], true));
    assert_eq!(hidden(&with(Some(HiddenRows::Skip))), (vec![3, 5], false));
    assert_eq!(hidden(&with(Some(HiddenRows::Send))), (vec![], false));
}

#[test]
fn a_sheet_is_chosen_by_its_name() {
    let named = |name: &str| {
        let settings = ReadSettings {
            sheet: Some(name.to_owned()),
            ..ReadSettings::default()
        };
        try_read("hidden_sheet.xlsx", &settings)
    };
    for (name, address) in [
        ("Guests", "guests@example.com"),
        (" guests", "guests@example.com"),
        ("Old", "old@example.com"),
    ] {
        let sheet = named(name).expect(name);
        assert_eq!(&sheet.rows[0].cells[0], address);
        assert_eq!(sheet.notices, []);
    }
    let error = named("2026").err().expect("no such sheet");
    assert_eq!(
        error.to_string(),
        "hidden_sheet.xlsx: there is no sheet “2026”; the sheets are “Old”, “Members”, “Guests”"
    );
    assert!(error.help().contains("`sheet = \"Old\"` in [recipients]"));

    let sheet = read("hidden_sheet.xlsx");
    assert_eq!(&sheet.rows[0].cells[0], "members@example.com");
    assert!(matches!(&sheet.notices[..], [Notice::OtherSheets(_)]));

    let error = try_read("several_sheets.xlsx", &ReadSettings::default());
    let error = error.err().expect("the first sheet has no addresses");
    let Problem::NoAddressColumn { hint, .. } = &error.problem else {
        panic!("{error}");
    };
    let expected = ColumnHint::Sheets(vec!["Members".to_owned(), "Guests".to_owned()]);
    assert_eq!(hint.as_deref(), Some(&expected));
    assert!(
        error.help().contains("`sheet = \"Members\"`"),
        "{}",
        error.help()
    );
}

#[test]
fn a_sheet_of_a_file_without_sheets_is_an_error() {
    let settings = ReadSettings {
        sheet: Some("Members".to_owned()),
        ..ReadSettings::default()
    };
    for name in ["tabs.xls", "page.xls"] {
        let error = try_read(name, &settings).err().expect(name);
        assert!(matches!(error.problem, Problem::NoSheets(_)), "{error}");
    }
}

#[test]
fn errors_of_cells_name_the_cell() {
    let sheet = read("formulas.xlsx");
    let fault = sheet.rows[1].recipient.as_ref().expect_err("#N/A");
    assert_eq!(
        fault.to_string(),
        "cell C3 of the sheet “Members” has the error #N/A"
    );
    let sheet = read("formulas_never_calculated.xlsx");
    let fault = sheet.rows[0].recipient.as_ref().expect_err("no value");
    assert!(
        matches!(fault, RowFault::NotCalculated { cell, .. } if &**cell == "B2"),
        "{fault}"
    );
    assert!(sheet.rows[1].recipient.is_ok());
}

#[test]
fn a_cell_of_an_html_table_may_cover_rows_below_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.xls");
    let html = "<table><tr><th>team</th><th>email</th><th>city</th></tr>\
        <tr><td rowspan=2>A</td><td>a@example.com</td><td rowspan=3>Oslo</td></tr>\
        <tr><td>b@example.com</td></tr><tr><td>B</td><td>c@example.com</td></tr>\
        <tr><td>C</td><td>d@example.com</td><td>Rome</td></tr></table>";
    fs::write(&path, html).expect("written");
    let reader = RecipientReader::open(&path, "list.xls", &ReadSettings::default());
    let rows = reader.expect("a table").map(|row| {
        let row = row.expect("a row");
        row.cells.iter().collect::<Vec<_>>().join(",")
    });
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            "A,a@example.com,Oslo",
            ",b@example.com,",
            "B,c@example.com,",
            "C,d@example.com,Rome",
        ]
    );
}

#[test]
fn a_suppression_list_may_be_a_workbook_and_its_hidden_rows_count() {
    let mut list = SuppressionList::default();
    let path = workbooks().join("hidden_rows.xlsx");
    list.add(&path, "hidden_rows.xlsx", &ReadSettings::default())
        .expect("a list");
    assert_eq!(list.len(), 5);
}

#[test]
fn damaged_workbooks_are_errors() {
    let bytes = fs::read(workbooks().join("numbers.xlsx")).expect("a workbook");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.xlsx");
    let mut read = 0;
    for (index, step) in (0..bytes.len()).step_by(97).zip(1_u8..) {
        let mut damaged = bytes.clone();
        damaged[index] ^= step.max(1);
        fs::write(&path, &damaged).expect("written");
        if let Ok(reader) = RecipientReader::open(&path, "list.xlsx", &ReadSettings::default()) {
            read += reader.take_while(Result::is_ok).count();
        }
        fs::write(&path, &bytes[..index]).expect("written");
        let opened = RecipientReader::open(&path, "list.xlsx", &ReadSettings::default());
        let error = opened.err().expect("a file that was cut");
        assert!(!error.help().is_empty());
        if step == u8::MAX {
            break;
        }
    }
    assert!(read > 0, "some damage is not in the sheet");
}
