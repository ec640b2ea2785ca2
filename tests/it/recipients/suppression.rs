//! Suppression lists.

use std::path::Path;

use mailrun::address::{Address, AddressError};
use mailrun::recipients::{
    LineNumbers, Notice, Problem, ReadError, RowFault, SuppressionList, spool,
};

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
fn a_suppression_list_matches_every_spelling_of_an_address() {
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
fn lines_without_an_address_are_reported() {
    let list = list(b"a@example.com\nnobody\nb@example.com\n\nc@example.com d@example.com\n")
        .expect("a list");
    let lines = LineNumbers {
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
fn an_address_in_a_faulty_row_counts() {
    let list = list(b"email,why\na@example.com\nb@example.com,x,y\nc@example.com,\"x\" y\n")
        .expect("a list");
    for address in ["a@example.com", "b@example.com", "c@example.com"] {
        assert!(has(&list, address), "{address}");
    }
}

#[test]
fn a_suppression_list_without_an_address_column_is_refused() {
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
fn an_empty_suppression_list_is_a_warning() {
    let list = list(b"\n").expect("a list");
    assert!(list.is_empty());
    assert_eq!(list.warnings()[0].notice, Notice::NothingSuppressed);
}

#[test]
fn the_list_that_suppresses_an_address_is_named() {
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
