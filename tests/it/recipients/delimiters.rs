//! Detecting the delimiter.

use mailrun::recipients::{Problem, ReadSettings};

use super::{bytes, refused_bytes, try_bytes};

#[test]
fn the_delimiter_gives_the_header_an_address_column() {
    for delimiter in [',', ';', '\t', '|'] {
        let text = "name:E-mail:note\nAnn:a@example.com:\"x:y\"\nBob:b@example.com:1,2;3|4\t5\n"
            .replace(':', &delimiter.to_string());
        let contents = bytes(text.as_bytes());
        assert_eq!(char::from(contents.format.delimiter), delimiter);
        assert_eq!(contents.rows[0].cells[2], *format!("x{delimiter}y"));
    }
    let commas = bytes(b"email;a,b,c\na@example.com;1,2,3\n");
    assert_eq!(commas.header.columns(), ["email", "a,b,c"]);
    let lone = bytes(b"email\na@example.com\n");
    assert_eq!(lone.addresses(), ["a@example.com"]);
}

#[test]
fn without_an_address_column_the_delimiter_gives_rows_as_long_as_the_header() {
    let error = refused_bytes(b"who;a,b,c\nAnn;1\nBob;2\n");
    assert!(
        error
            .to_string()
            .ends_with("the columns are “who”, “a,b,c”"),
        "{error}"
    );
}

#[test]
fn a_sep_line_sets_the_delimiter_unless_the_user_does() {
    let text = b"SEP=^\nemail^a;b,c\na@example.com^1;2,3\n";
    let contents = bytes(text);
    assert_eq!(contents.format.delimiter, b'^');
    assert_eq!(contents.cells(), [["a@example.com", "1;2,3"]]);
    assert_eq!(contents.rows[0].line, 3);

    let settings = ReadSettings {
        delimiter: Some(b';'),
        ..ReadSettings::default()
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
        let settings = ReadSettings {
            delimiter: Some(delimiter),
            ..ReadSettings::default()
        };
        let error = try_bytes(b"email\n", &settings).expect_err("no delimiter");
        assert!(
            matches!(error.problem, Problem::Delimiter(d) if d == delimiter),
            "{error}"
        );
    }
}
