//! MJML becomes HTML whose parts have a place.

mod no_panic;

use std::collections::BTreeMap;

use super::*;

const LETTER: &str = "<mjml>
  <mj-head>
    <mj-title>Hi {{ a }}</mj-title>
    <mj-style inline=\"inline\">.x { color: red }</mj-style>
  </mj-head>
  <mj-body>
    {# no comment #}
    <!-- nor {{ this }} -->
    <mj-section css-class=\"top\">
      <mj-column>
        <mj-text>Hello {{ a }},<p>unclosed &nbsp; <a href='https://x.example/?a={{ a | f(x=\"y\") }}'>1</a></mj-text>
        <mj-raw>{% if a %}</mj-raw>
        <mj-image src=\"{{ a | f(x=\"y\") }}.png\" alt='An {{ a }} \"e\u{301}\\\"'
           href=\"https://y.example/?a=1&amp;b=2\" />
        <mj-raw>{% endif %}</mj-raw>
        <mj-button href=\"https://z.example\" href=\"https://no.example\">Go</mj-button>
      </mj-column>
    </mj-section>
    <mj-include path=\"./parts/foot.mjml\" />
  </mj-body>
</mjml>
";
const FOOT: &str = "<mj-section>
  <mj-column><mj-text>Bye <a href=\"{{ a }}\">leave</a></mj-text></mj-column>
</mj-section>
<mj-include path=\"../more.html\" type=\"html\"/>
";

fn compiled(files: &[(&str, &str)]) -> Result<CompiledMjml, Vec<MjmlError>> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    compile("letter.mjml", &|name| files.get(name).copied())
}

#[test]
fn html_and_tags_of_the_template_stay_as_they_are() {
    let files = [
        ("letter.mjml", LETTER),
        ("parts/foot.mjml", FOOT),
        ("more.html", "<p>"),
    ];
    let compiled = compiled(&files).expect("HTML");
    let html = compiled.html();
    for part in [
        "<title>Hi {{ a }}</title>",
        ".x { color: red }",
        ">Hello {{ a }},<p>unclosed &nbsp; <a href='https://x.example/?a={{ a | f(x=\"y\") }}'>1</a></div>",
        "{% if a %}",
        "src=\"{{ a | f(x=\"y\") }}.png\"",
        "alt=\"An {{ a }} &quot;e\u{301}\\&quot;\"",
        "href=\"https://y.example/?a=1&amp;b=2\"",
        "Bye <a href=\"{{ a }}\">leave</a>",
        "{% include \"more.html\" %}",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for part in ["mailrun", "no.example", "comment", "this", "inline="] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    let place = |part: &str, file: &str| {
        let at = html.find(part).expect("the part");
        let place = compiled.place(&(at..at + part.len())).expect("a place");
        assert_eq!(place.file, file, "{part}");
        let text = files
            .iter()
            .find(|(name, _)| *name == file)
            .expect("a file")
            .1;
        text[place.span].to_owned()
    };
    assert_eq!(
        place("<a href='https://x", "letter.mjml"),
        "<a href='https://x"
    );
    assert!(place("<img alt", "letter.mjml").starts_with("<mj-image src"));
    assert!(place("<a href=\"https://z", "letter.mjml").starts_with("<mj-button"));
    assert!(place("<title", "letter.mjml").starts_with("<mj-head"));
    assert_eq!(
        place("{{ a }}\">leave", "parts/foot.mjml"),
        "{{ a }}\">leave"
    );
}

#[test]
fn mistakes_have_a_place_and_a_help() {
    let body = |inner: &str| format!("<mjml><mj-body>{inner}</mj-body></mjml>");
    for (mjml, at, message, help) in [
        (
            body("{% if a %}<mj-section/>{% endif %}"),
            "{% if a %}",
            "between elements",
            "<mj-raw>{% if a %}</mj-raw>",
        ),
        (
            body("<mj-section>{{ a }}</mj-section>"),
            "{{ a }}",
            "between elements",
            "<mj-text>{{ a }}</mj-text>",
        ),
        (
            body("<mj-section {% if a %}x=\"1\"{% endif %}/>"),
            "{% if a %}",
            "between attributes",
            "in the value",
        ),
        (
            body("<mj-section>Hello</mj-section>"),
            "Hello",
            "not in an element that shows text",
            "<mj-text>",
        ),
        (
            body("<mj-sectoin/>"),
            "<mj-sectoin/>",
            "not an element of MJML",
            "<mj-section>",
        ),
        (
            body("<p>x</p>"),
            "<p>",
            "not an element of MJML",
            "<mj-raw>",
        ),
        (
            body("<mj-section><mj-column></mj-section>"),
            "</mj-section>",
            "</mj-column> is expected",
            "close <mj-column> in line 1",
        ),
        (
            body("<mj-hero><mj-text>x</mj-hero>"),
            "<mj-text>",
            "never closed",
            "</mj-text>",
        ),
        (
            body("<mj-section>"),
            "</mj-body>",
            "</mj-section> is expected",
            "",
        ),
        (
            "<mjml><mj-body>".to_owned(),
            "<mjml>",
            "never closed",
            "</mjml>",
        ),
        (
            body("<mj-section a=b />"),
            "a",
            "not an attribute",
            "name=\"value\"",
        ),
        (body("<mj-section a=\"b"), "<", "never closed", ">"),
        (
            body("<mj-section><mj-column width=\"{{ a }}%\" /></mj-section>"),
            "{{ a }}",
            "has no effect",
            "the same for all rows",
        ),
        (
            body("<mj-section><mj-column mj-class=\"{{ a }}\" /></mj-section>"),
            "{{ a }}",
            "has no effect",
            "the same for all rows",
        ),
        (
            body("<mj-section><mj-section/></mj-section>"),
            "<mj-section/>",
            "<mj-section> can't be in <mj-section>",
            "can contain <mj-column>, <mj-group>, <mj-raw>",
        ),
        (
            body("<mj-section><mj-text>a</mj-text></mj-section>"),
            "<mj-text>",
            "<mj-text> can't be in <mj-section>",
            "<mj-column><mj-text>",
        ),
        (
            body("<mj-column/>"),
            "<mj-column/>",
            "<mj-column> can't be in <mj-body>",
            "can contain <mj-section>",
        ),
        (
            body("<mj-include path=\"../x.mjml\" />"),
            "../x.mjml",
            "out of templates/",
            "relative",
        ),
        (
            body("<mj-include path=\"/etc/passwd\" />"),
            "/etc/passwd",
            "out of templates/",
            "relative",
        ),
        (
            body("<mj-include path=\"x.mjml\" />"),
            "x.mjml",
            "no file templates/x.mjml",
            "relative",
        ),
        (
            body("<mj-include path=\"letter.mjml\" />"),
            "letter.mjml",
            "includes itself",
            "remove",
        ),
        (
            body("<mj-include />"),
            "<mj-include />",
            "no attribute `path`",
            "path=",
        ),
        (
            body("<mj-hero><mj-carousel><mj-raw>{% if a %}</mj-raw></mj-carousel></mj-hero>"),
            "<mj-raw>",
            "<mj-raw> can't be in <mj-carousel>",
            "before and after the whole <mj-carousel>",
        ),
        (
            body("<mj-hero><mj-social><mj-text>a</mj-text></mj-social></mj-hero>"),
            "<mj-text>",
            "<mj-text> can't be in <mj-social>",
            "can contain <mj-social-element>, <mj-raw>",
        ),
        ("<mjml>".repeat(200), "<mjml>", "nested more than", "close"),
    ] {
        let errors = compiled(&[("letter.mjml", &mjml)]).err();
        let Some(errors) = errors else {
            assert!(message.is_empty(), "no error for {mjml}");
            continue;
        };
        let error = &errors[0];
        assert!(error.message.contains(message), "{mjml}: {error:?}");
        assert_eq!(&mjml[error.place.span.clone()], at, "{mjml}: {error:?}");
        assert!(
            error.help.as_deref().unwrap_or_default().contains(help),
            "{mjml}: {error:?}"
        );
    }
}

#[test]
fn an_included_file_closes_only_its_own_elements() {
    let section = "<mj-section><mj-include path=\"x.mjml\" /></mj-section>";
    let letter = format!("<mjml><mj-body>{section}</mj-body></mjml>");
    let files = [
        ("letter.mjml", letter.as_str()),
        ("x.mjml", "</mj-section>"),
    ];
    let errors = compiled(&files).expect_err("an error");
    let place = &errors[0].place;
    assert_eq!((place.file.as_str(), &place.span), ("x.mjml", &(0..13)));
    assert!(errors[0].message.contains("closes nothing"), "{errors:?}");
}

#[test]
fn includes_that_multiply_are_an_error() {
    let include = |number: usize| format!("<mj-include path=\"{number}.mjml\" />");
    let twice = |number: usize| (format!("{number}.mjml"), include(number + 1).repeat(2));
    let mut files: BTreeMap<String, String> = (1..90).map(twice).collect();
    let letter = format!("<mjml><mj-body>{}</mj-body></mjml>", include(1));
    files.insert("letter.mjml".to_owned(), letter);
    files.insert("90.mjml".to_owned(), String::new());
    let read = |name: &str| files.get(name).map(String::as_str);
    let errors = compile("letter.mjml", &read).expect_err("an error");
    let [error] = errors.as_slice() else {
        panic!("{} errors", errors.len());
    };
    assert!(error.message.contains("includes more than 16777216 bytes"));
    let SourcePlace { file, span } = &error.place;
    assert!(files[file][span.clone()].ends_with(".mjml"), "{error:?}");
}

#[test]
fn a_mistake_in_a_file_that_is_included_twice_is_reported_once() {
    let section =
        "<mj-section><mj-include path=\"x.mjml\" /><mj-include path=\"x.mjml\" /></mj-section>";
    let letter = format!("<mjml><mj-body>{section}</mj-body></mjml>");
    let files = [("letter.mjml", letter.as_str()), ("x.mjml", "Hello")];
    assert_eq!(compiled(&files).expect_err("an error").len(), 1);
}

#[test]
fn conditions_stand_between_the_parts_of_an_element() {
    for (element, part) in [
        (
            "mj-social",
            "<mj-social-element name=\"github\" href=\"#\">GitHub</mj-social-element>",
        ),
        (
            "mj-navbar",
            "<mj-navbar-link href=\"#\">Shop</mj-navbar-link>",
        ),
        (
            "mj-accordion",
            "<mj-accordion-element><mj-accordion-title>A</mj-accordion-title><mj-accordion-text>B</mj-accordion-text></mj-accordion-element>",
        ),
    ] {
        let letter = |before: &str, after: &str| {
            format!(
                "<mjml><mj-body><mj-section><mj-column><{element}>{part}{before}{part}{after}</{element}></mj-column></mj-section></mj-body></mjml>"
            )
        };
        let of = |letter: &str| {
            let compiled = compiled(&[("letter.mjml", letter), ("end.html", "")]);
            compiled.unwrap_or_else(|errors| panic!("{element}: {errors:?}"))
        };
        let with = letter(
            "<mj-raw>{% if a %}</mj-raw>",
            "<mj-raw /><mj-include type=\"html\" path=\"end.html\" />",
        );
        let html = of(&with);
        let html = html.html();
        let (before, rest) = html.split_once("{% if a %}").expect("the condition");
        let (inside, after) = rest
            .split_once("{% include \"end.html\" %}")
            .expect("its end");
        let word = part.rsplit_once("</mj-").expect("a part").0;
        let word = word.trim_end_matches("</mj-accordion-text>");
        let word = &word[word.rfind('>').expect("a tag") + 1..];
        for text in [before, inside] {
            assert!(text.contains(word), "{element}: no {word} in {text}");
        }
        assert!(!after.contains(word), "{element}: {after}");
        assert!(!html.contains("mailrun"), "{element}: {html}");
        let place = of(&with).place(&(before.len()..before.len() + 1));
        assert_eq!(place.map(|it| it.span.start), with.find("{% if"));
    }
}

#[test]
fn images_are_not_wider_than_their_column() {
    let width = |column: &str, image: &str| {
        let image = format!("<mj-image src=\"a.png\" {image} />");
        let column = format!("<mj-section><mj-column {column}>{image}</mj-column></mj-section>");
        let letter = format!("<mjml><mj-body>{column}</mj-body></mjml>");
        let html = compiled(&[("letter.mjml", &letter)]).expect("HTML").html;
        let (_, image) = html.split_once("<img").expect("an image");
        let (_, width) = image.split_once("width=\"").expect("a width");
        width[..width.find('"').expect("an end")].to_owned()
    };
    for (column, image, expected) in [
        (
            "width=\"200px\"",
            "width=\"184px\" padding=\"0 25px\"",
            "150",
        ),
        (
            "width=\"200\"",
            "width=\"184\" padding=\"5px\n 0  0 25\"",
            "175",
        ),
        ("width=\"50%\"", "width=\"800px\" padding-left=\"0\"", "275"),
        ("padding=\"0 10px\"", "width=\"800px\" padding=\"0\"", "580"),
        ("", "width=\"120\"", "120"),
    ] {
        assert_eq!(width(column, image), expected, "{column} {image}");
    }
}
