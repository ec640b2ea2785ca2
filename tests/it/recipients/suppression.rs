//! Suppression lists.

use std::path::Path;

use mailrun::address::{Address, AddressError};
use mailrun::recipients::{
    LineNumbers, Notice, Problem, ReadError, ReadSettings, RowFault, SuppressionList, spool,
};

fn list(text: &[u8]) -> Result<SuppressionList, ReadError> {
    read(SuppressionList::default(), text)
}

fn read(mut list: SuppressionList, text: &[u8]) -> Result<SuppressionList, ReadError> {
    let spooled = spool(text).expect("a temporary file");
    list.add(spooled.path(), "gone.csv", &ReadSettings::default())?;
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
fn lines_without_an_address_are_refused_unless_they_are_skipped() {
    let text = b"a@example.com\nnobody\nb@example.com\n\nc@example.com d@example.com\n";
    let error = list(text).map(|_| ()).expect_err("two lines");
    assert_eq!(
        error.to_string(),
        "gone.csv, line 2: no valid address in lines 2, 5: not an email address: it must look like name@example.com: “nobody”"
    );
    assert!(
        error.help().contains("`suppress_skip_invalid = true`"),
        "{}",
        error.help()
    );
    let list = read(SuppressionList::skipping_invalid(), text).expect("a list");
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
fn empty_cells_comments_and_links_are_no_invalid_entries() {
    let text = b"# unsubscribed\nBob <bob@example.com>\n\n# from the postcards\nMAILTO:cid@example.com?subject=stop\nBaker, Ann <ann@example.com>\n";
    let list = list(text).expect("a list");
    assert_eq!(list.warnings(), []);
    for address in ["bob@example.com", "cid@example.com", "ann@example.com"] {
        assert!(has(&list, address), "{address}");
    }
    let list = self::list(b"email,name\na@example.com,A\n,B\n").expect("a list");
    assert!(
        list.warnings()[0]
            .to_string()
            .contains("in line 3: the address is empty")
    );
    // A coded character may be a part of the address.
    assert!(self::list(b"mailto:a%40x@example.com\n").is_err());
}

#[test]
fn the_only_column_with_addresses_is_found_whatever_its_name() {
    for text in [
        "\"Email Address\",\"First Name\"\n\"Ann@Example.com\",\"Ann\"\n",
        "time,type,address\n2026-01-02,hard,ann@example.com\n2026-01-03,soft,\n",
    ] {
        let list = list(text.as_bytes()).expect(text);
        assert!(has(&list, "ann@example.com"), "{text}");
    }
    let two = b"sender,recipient\nnews@example.com,ann@example.com\n";
    let error = list(two).map(|_| ()).expect_err("two columns");
    assert!(
        error
            .help()
            .contains("`{ file = \"gone.csv\", email = \"…\" }` in `suppress`"),
        "{}",
        error.help()
    );
    let spooled = spool(&two[..]).expect("a temporary file");
    let settings = ReadSettings {
        email: Some("recipient".to_owned()),
        ..ReadSettings::default()
    };
    let mut list = SuppressionList::default();
    list.add(spooled.path(), "gone.csv", &settings)
        .expect("a list");
    assert!(has(&list, "ann@example.com") && !has(&list, "news@example.com"));
}

#[test]
fn a_suppression_list_without_an_address_column_is_refused() {
    assert!(matches!(
        list(b"who,why\na@example.com,x\nleft,y\n")
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
    let settings = ReadSettings::default();
    assert!(
        list.add(Path::new("no/such/file.csv"), "file.csv", &settings)
            .is_err()
    );
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
    let settings = ReadSettings::default();
    list.add(one.path(), "one.csv", &settings).expect("a list");
    list.add(two.path(), "two.csv", &settings).expect("a list");
    let file_of = |text| {
        list.file_of(&Address::parse(text).expect(text))
            .map(str::to_owned)
    };
    assert_eq!(file_of("a@example.com").as_deref(), Some("one.csv"));
    assert_eq!(file_of("b@example.com").as_deref(), Some("two.csv"));
    assert_eq!(file_of("c@example.com"), None);
}
