use super::*;

fn shown(code: &str, value: f64) -> String {
    let mut formats = CellFormats::new(false);
    formats.add(164, Some(code));
    formats.number(0, value)
}

#[test]
fn numbers_without_a_format() {
    for (value, text) in [
        (100_000.0, "100000"),
        (5_901_234_123_457.0, "5901234123457"),
        (0.1 + 0.2, "0.3"),
        (7.000_000_000_000_001, "7"),
        (1234.5, "1234.5"),
        (-0.25, "-0.25"),
        (1.0 / 3.0, "0.333333333"),
        (12_345_678_901.25, "12345678901.25"),
        (1e15, "1E+15"),
        (1.5e-10, "1.5E-10"),
        (-0.0, "0"),
    ] {
        assert_eq!(general(value), text, "{value}");
    }
}

#[test]
fn numbers_by_their_format() {
    for (code, value, text) in [
        ("00000", 950.0, "00950"),
        ("00-000", 950.0, "00-950"),
        ("0.00", 34.3, "34.30"),
        ("#,##0.00", 1234.5, "1,234.50"),
        ("0%", 0.23, "23%"),
        ("#,##0.00\\ \"zł\"", 1234.5, "1,234.50 zł"),
        ("#,##0.00\\ [$€-407]", -3.0, "-3.00 €"),
        (
            "_-* #,##0.00\\ \"zł\"_-;\\-* #,##0.00\\ \"zł\"_-",
            12.0,
            "12.00 zł",
        ),
        ("0.00E+00", 12_345.0, "1.23E+04"),
        ("0.00E+00", 0.999_999_9, "1.00E+00"),
        ("0.00E+00", -9.996e-5, "-1.00E-04"),
        ("0.00E+00", 12_450.0, "1.25E+04"),
        ("0E+00", 0.000_95, "1E-03"),
        ("##0.0E+0", 999_960.0, "1.0E+6"),
        ("##0.0E+0", 123_456.0, "123.5E+3"),
        ("[>=1000000000]000\\-000\\-000;General", 48.0, "48"),
        ("General\" kg\"", 1234.5, "1234.5 kg"),
        ("General\" kg\"", -5.0, "-5 kg"),
        ("General\" kg\"", 5_901_234_123_457.0, "5901234123457 kg"),
        ("\"No. \"General", 17.0, "No. 17"),
        ("\"General \"General", 17.0, "General 17"),
        ("[Red]General", 5_901_234_123_457.0, "5901234123457"),
        ("0;\"minus \"General", -5.0, "minus 5"),
        ("yyyy\\-mm\\-dd;@", 46_027.0, "2026-01-05"),
        ("dd.mm.yyyy", 46_027.0, "05.01.2026"),
        ("d/m/yyyy\\ h:mm", 46_027.5, "5/1/2026 12:00"),
        ("[h]:mm", 1.25, "30:00"),
        (
            "yyyy-mm-dd hh:mm:ss",
            46_027.999_999_9,
            "2026-01-06 00:00:00",
        ),
        ("0.00", 1.005, "1.01"),
        ("0.00", 0.285, "0.29"),
        ("0%", 0.285, "29%"),
        ("0.00", -1_234_567.005, "-1234567.01"),
        ("0.00", 0.284_999_999, "0.28"),
        ("#,##0", 5_901_234_123_457.0, "5,901,234,123,457"),
        ("#,##0,", 123_456_789.0, "123,457"),
        ("#,##0,", 400.0, "0"),
        ("0", 1.140_2e25, "1.1402E+25"),
        ("0.00E+00", 1e20, "1.00E+20"),
        ("dd.mm.yyyy", -1.0, "-1"),
        ("[h]:mm", -0.5, "-0.5"),
        (";;;", 5.0, ""),
        ("0;-0;;@", 0.0, ""),
        ("0;-0;;@", 7.0, "7"),
        ("[$-407]d/\\ mmmm\\ yyyy;@", 46_027.0, "5. Januar 2026"),
        ("dd/mm/yyyy", 46_027.0, "05/01/2026"),
        ("[$-415]d\\ mmmm\\ yyyy", 46_027.0, "5 stycznia 2026"),
        ("[$-409]d\\-mmm\\-yy", 46_027.0, "5-Jan-26"),
        ("[$-419]d\\ mmmm\\ yyyy", 46_027.0, "2026-01-05"),
        (
            "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy",
            46_027.0,
            "2026-01-05",
        ),
    ] {
        assert_eq!(shown(code, value), text, "{code}");
    }
}

#[test]
fn texts_by_their_format() {
    for (code, text) in [
        ("\"Mr. \"@", Some("Mr. Bob")),
        ("dd.mm.yyyy;@", Some("Bob")),
        ("0;-0;0;@\" B.\"", Some("Bob B.")),
        ("0.00", None),
        ("@", None),
    ] {
        let mut formats = CellFormats::new(false);
        formats.add(164, Some(code));
        assert_eq!(formats.text(0, "Bob").as_deref(), text, "{code}");
    }
}

#[test]
fn dates_in_the_computers_own_format() {
    let mut formats = CellFormats::new(false);
    formats.add(14, None);
    formats.add(22, None);
    assert_eq!(formats.number(0, 46_027.0), "2026-01-05");
    assert_eq!(formats.number(0, 1.0), "1900-01-01");
    assert_eq!(formats.number(0, 61.0), "1900-03-01");
    assert_eq!(formats.number(1, 46_027.75), "2026-01-05 18:00");
    assert_eq!(formats.number(1, 46_027.999_999_9), "2026-01-06 00:00");
    let mut formats = CellFormats::new(true);
    formats.add(14, None);
    assert_eq!(formats.number(0, 44_565.0), "2026-01-05");
    assert_eq!(formats.serial("2026-01-05T06:00:00"), Some(44_565.25));
    formats.add(164, Some("yyyy\\-mm\\-dd\\ hh:mm"));
    formats.add(165, Some("[h]:mm"));
    formats.add(166, Some("dddd"));
    for (style, value, text) in [
        (1, 0.75, "1904-01-01 18:00"),
        (1, 44_565.25, "2026-01-05 06:00"),
        (1, 2_957_004.0, "2957004"),
        (2, 0.75, "18:00"),
        (2, 1.25, "30:00"),
        (3, 0.0, "Friday"),
        (3, 44_565.0, "Monday"),
    ] {
        assert_eq!(formats.number(style, value), text);
    }
}
