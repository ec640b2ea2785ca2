//! JSON Lines, and JSON arrays.

use mailrun::recipients::{
    Notice, Problem, ReadError, ReadSettings, RecipientReader, RecipientRow, spool,
};

struct Json {
    columns: Vec<String>,
    rows: Vec<RecipientRow>,
    blank: u64,
    notices: Vec<Notice>,
}

fn try_named(name: &str, bytes: &[u8]) -> Result<Json, ReadError> {
    let spooled = spool(bytes).expect("a temporary file");
    let mut reader = RecipientReader::open(spooled.path(), name, &ReadSettings::default())?;
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Json {
        columns: reader.header().columns().to_vec(),
        rows,
        blank: reader.blank().count,
        notices: reader.warnings().into_iter().map(|it| it.notice).collect(),
    })
}

#[track_caller]
fn read(text: &str) -> Json {
    try_named("-", text.as_bytes()).expect(text)
}

fn cells(json: &Json) -> Vec<String> {
    json.rows.iter().map(RecipientRow::cells_as_json).collect()
}

const OBJECTS: [&str; 3] = [
    r#"{"email": "ann@example.com", "name": "Ż\u00f3łć \"x\"", "order": {"items": [ {"name": "Tea"} ], "sum": 1.50}}"#,
    r#"{"name": null, "vip": true, "email": "bob@example.com", "points": 12345678901234567890123}"#,
    r#"{"email": "cid@example.com", "tags": [], "name": ""}"#,
];

const CELLS: [&str; 3] = [
    r#"["ann@example.com","Żółć \"x\"",{"items":[{"name":"Tea"}],"sum":1.50},"","",""]"#,
    r#"["bob@example.com","","",true,12345678901234567890123,""]"#,
    r#"["cid@example.com","","","","",[]]"#,
];

#[test]
fn values_stay_what_they_are_in_every_layout() {
    let [a, b, c] = OBJECTS;
    let pretty = |text: &str| text.replace(", ", ",\n  ").replace("{\"", "{\n\t\"");
    let utf16: Vec<u8> = format!("\u{feff}{a}\r\n{b}\r\n{c}\r\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (layout, lines) in [
        (format!("{a}\n\n{b}\r\n{c}"), [1, 3, 4]),
        (format!("\u{feff}{a}\n{b}\n{c}\n  \n"), [1, 2, 3]),
        (format!("[{a},{b},\n{c}]\n"), [1, 1, 2]),
        (format!(" [\n  {a}\n, {b}\n,{c}\n]"), [2, 3, 4]),
        (
            format!("{}\n{}{}", pretty(a), pretty(b), pretty(c)),
            [1, 8, 12],
        ),
        (
            format!("[{},{},{}]", pretty(a), pretty(b), pretty(c)),
            [1, 7, 11],
        ),
        (String::from_utf16_lossy(&[]), [1, 2, 3]),
    ] {
        let bytes = match layout.as_str() {
            "" => utf16.as_slice(),
            text => text.as_bytes(),
        };
        let json = try_named("-", bytes).expect(&layout);
        assert_eq!(
            json.columns,
            ["email", "name", "order", "vip", "points", "tags"]
        );
        assert_eq!(cells(&json), CELLS, "{layout}");
        let found: Vec<u64> = json.rows.iter().map(|row| row.line).collect();
        assert_eq!(found, lines, "{layout}");
        assert!(
            json.rows.iter().all(|row| row.recipient.is_ok()),
            "{layout}"
        );
        assert_eq!(json.notices, [], "{layout}");
    }
    assert_eq!(read(&format!("{a}\n\n{b}\n")).blank, 1);
}

#[test]
fn a_line_that_is_not_an_object_is_a_fault_of_its_row() {
    let text = "{\"email\":\"ann@example.com\"}\n{\"email\":\"żó\" 5}\n[1]\n\
                {\"email\":\"b@example.com\",\"email\":\"c@example.com\"}\n\
                {\"email\":\"d@example.com\",\"order\":{\"a\":[{\"b\":1,\"b\":2}]}}\n\
                {\"email\":\"e@example.com\"\n{\"email\":\"\\ud800\"}\n";
    let json = read(text);
    let faults = json.rows.iter().map(|row| match &row.recipient {
        Ok(mailbox) => mailbox.address.to_string(),
        Err(fault) => fault.to_string(),
    });
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            "ann@example.com",
            "line 2, column 15: expected `,` or `}`",
            "line 3, column 1: invalid type: sequence, expected an object",
            "the key “email” appears twice",
            "the key “a.b” appears twice",
            "line 6, column 24: EOF while parsing an object",
            "line 7, column 10: unexpected end of hex escape",
        ]
    );
    assert_eq!(json.columns, ["email", "order"]);
}

#[test]
fn a_nested_value_that_templates_cannot_have_is_a_fault_of_its_row() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (value, reason) in [
        (r#"["a\u0000"]"#, "a text contains a NUL character"),
        (r#"["\ud800"]"#, "unexpected end of hex escape"),
        (deep.as_str(), "recursion limit exceeded"),
        (
            "{\"id\":18446744073709551616}",
            "a number in a list or an object has too many digits: put it in quotes",
        ),
    ] {
        let json = read(&format!("{{\"email\":\"a@b.example\",\"x\":{value}}}\n"));
        let fault = json.rows[0].recipient.as_ref().expect_err(value);
        assert_eq!(fault.to_string(), format!("line 1, column 28: {reason}"));
    }
}

#[test]
fn an_error_in_a_list_stops_reading() {
    for (text, line, column, reason) in [
        (
            "[{\"email\":\"a@b.example\"},\n {\"email\":}]",
            2,
            11,
            "expected value",
        ),
        (
            "[{\"email\":\"a@b.example\"}\n {}]",
            2,
            2,
            "a comma or `]` is missing",
        ),
        (
            "[{\"email\":\"a@b.example\"},\n{\"email\":\"x\n\"}]",
            2,
            10,
            "this text has no closing quote on its line",
        ),
        (
            "[{\"email\":\"a@b.example\"}",
            1,
            25,
            "the list is never closed by `]`",
        ),
        (
            "[{\"email\":\"a@b.example\"},{\"x\":[}",
            1,
            26,
            "this value is never closed",
        ),
        (
            "[{\"email\":\"a@b.example\"}] x",
            1,
            27,
            "there is text after the end of the list",
        ),
        (
            "[{\"email\":\"a@b.example\"}, 5]",
            1,
            27,
            "invalid type: integer `5`, expected an object",
        ),
        ("[,]", 1, 2, "a value is missing"),
    ] {
        let error = try_named("a.json", text.as_bytes()).err().expect(text);
        let Problem::Json {
            line: l,
            column: c,
            reason: r,
        } = &error.problem
        else {
            panic!("{text}: {error:?}");
        };
        assert_eq!((*l, *c, r.as_str()), (line, column, reason), "{text}");
    }
}

#[test]
fn files_without_rows_or_addresses_are_errors() {
    for text in ["", "[]", " \n"] {
        let error = try_named("a.json", text.as_bytes()).err().expect(text);
        assert!(matches!(error.problem, Problem::Empty), "{text}: {error}");
    }
    let error = try_named("a.jsonl", b"{\"mail\":\"a@b.example\"}\n");
    let error = error.err().expect("no address column");
    assert!(
        error.help().contains("`email = \"mail\"`"),
        "{}",
        error.help()
    );
    let wrapped = br#"{"total": 1, "recipients": [ {"email": "a@b.example"} ]}"#;
    let error = try_named("a.json", wrapped).err().expect("an object");
    assert!(
        error.to_string().contains("“total”, “recipients”"),
        "{error}"
    );
    assert!(
        error.help().contains(r#"`jq '.["recipients"]'`"#),
        "{}",
        error.help()
    );
    // Without any key, the first fault is reported.
    for (text, column, reason) in [
        (
            r#"[["email"],["a@b.example"]]"#,
            2,
            "invalid type: sequence, expected an object",
        ),
        (
            "\"a@b.example\"\n\"c@d.example\"\n",
            0,
            "invalid type: string",
        ),
        ("[{'email': 1}]", 3, "key must be a string"),
    ] {
        let error = try_named("a.json", text.as_bytes()).err().expect(text);
        let Problem::Json {
            column: c,
            reason: r,
            ..
        } = &error.problem
        else {
            panic!("{text}: {error:?}");
        };
        assert!(r.starts_with(reason), "{text}: {r}");
        assert!(column == 0 || *c == column, "{text}: {c}");
    }
    let error = try_named("a.json", b"[{\"email\":\"\xff\"}]")
        .err()
        .expect("not UTF-8");
    assert!(
        matches!(
            error.problem,
            Problem::Undecodable {
                line: 1,
                offset: 11,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn csv_with_brackets_is_no_json() {
    let csv = read("email,{name}\na@b.example,[x]\n");
    assert_eq!(csv.columns, ["email", "{name}"]);
    let csv = try_named("-", b"[name],email\nx,a@b.example\n").expect("CSV");
    assert_eq!(csv.columns, ["[name]", "email"]);
}
