//! Property tests with arbitrary bytes, tables and addresses.

use encoding_rs::{UTF_8, UTF_16LE, WINDOWS_1250};
use mailrun::address::{Address, Mailbox};
use mailrun::recipients::{ReadSettings, RecipientReader, SuppressionList, spool};
use proptest::prelude::*;

use super::try_bytes;

/// Bytes that are often parts of CSV files and encodings.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let likely = prop::sample::select(vec![
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
        8 => likely.prop_map(<[u8]>::to_vec),
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

fn any_settings() -> impl Strategy<Value = ReadSettings> {
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
        .prop_map(|(email, encoding, delimiter)| ReadSettings {
            email,
            encoding,
            delimiter,
            ..ReadSettings::default()
        })
}

/// Rows of equal length, with cells that often need quotes.
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

/// The table, written by the csv crate.
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
        if let Ok(reader) = RecipientReader::open(spooled.path(), "list.csv", &settings) {
            let mut before = reader.header().line();
            for (row, number) in reader.map_while(Result::ok).zip(1..) {
                prop_assert_eq!(row.number, number);
                prop_assert!(row.line > before);
                prop_assert!(!row.cells.as_slice().contains('\0'));
                before = row.line;
            }
        }
        let _ = SuppressionList::default().add(spooled.path(), "list.csv", &settings);
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
        let settings = ReadSettings { delimiter: set.then_some(delimiter), encoding: Some(UTF_8), ..ReadSettings::default() };
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
