//! Texts that nobody writes are errors at a place in them.

use proptest::prelude::*;

use super::compiled;

#[test]
fn no_mjml_makes_it_panic() {
    let parts = proptest::sample::select(vec![
        "<mjml>",
        "</mjml>",
        "<mj-body>",
        "</mj-body>",
        "<mj-section>",
        "</mj-section>",
        "<mj-column>",
        "</mj-column>",
        "<mj-text>",
        "</mj-text>",
        "<mj-raw>",
        "</mj-raw>",
        "<mj-image src=\"",
        "\"",
        "'",
        ">",
        "/>",
        "<",
        "{{ a }}",
        "{% if a %}",
        "{{",
        "{#",
        "#}",
        "<!--",
        "-->",
        "<mj-head>",
        "</mj-head>",
        "<mj-style>",
        "</mj-style>",
        "<mj-attributes>",
        "</mj-attributes>",
        "<mj-all a=\"b\"/>",
        "<mj-include path=\"",
        "é",
        " ",
        "\n",
        "x",
        "<mj-group>",
        "</mj-group>",
        "<mj-hero width=\"1px\">",
        "</mj-hero>",
        "<mj-column width=\"-5%\"/>",
        "mailrun-kept-0-",
        "<mj-carousel>",
        "</mj-carousel>",
        "<mj-social mode=\"x\"/>",
        "<mj-navbar hamburger=\"hamburger\"/>",
        "<mj-wrapper>",
        "</mj-wrapper>",
    ]);
    let mjml = proptest::collection::vec(parts, 0..30).prop_map(|parts| parts.concat());
    let whole = mjml
        .clone()
        .prop_map(|inner| format!("<mjml><mj-body>{inner}</mj-body></mjml>"));
    proptest!(|(mjml in prop_oneof![mjml, whole])| {
        if let Err(errors) = compiled(&[("letter.mjml", &mjml)]) {
            for error in errors {
                prop_assert!(!error.message.contains("because of a bug"), "{mjml}: {error:?}");
                prop_assert!(mjml.get(error.place.span.clone()).is_some(), "{mjml}: {error:?}");
            }
        }
    });
}
