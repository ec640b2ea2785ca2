use super::*;

/// The body of a page with this CSS, and what stays of the CSS.
fn inlined(css: &str, body: &str) -> (String, String) {
    let html =
        format!("<!DOCTYPE html><html><head><style>{css}</style></head><body>{body}</body></html>");
    let inlined = inline_css(&html);
    let sheet = inlined.split_once("<style>").map_or("", |(_, rest)| {
        rest.split_once("</style>").map_or("", |(sheet, _)| sheet)
    });
    let (_, body) = inlined.split_once("<body>").expect("a body");
    let body = body.strip_suffix("</body></html>").expect("an end");
    (body.to_owned(), sheet.trim().to_owned())
}

fn assert_inlined(css: &str, body: &str, expected_body: &str, expected_css: &str) {
    let (body, sheet) = inlined(css, body);
    assert_eq!(body, expected_body, "{css}");
    assert_eq!(sheet, expected_css, "{css}");
}

#[test]
fn rules_move_into_elements() {
    assert_inlined(
        "p { color: red; margin: 0 } .a { color: blue } #b{color:#333333!important}",
        "<p class=a>x</p><p id=b style='color:green;top:0'>y</p>",
        "<p class=\"a\" style=\"margin: 0; color: blue;\">x</p>\
         <p id=\"b\" style=\"margin: 0; color:green;top:0; color: #333333 !important;\">y</p>",
        "",
    );
    assert_inlined(
        "a:link { font-family: \"Open Sans\",\n serif; background: url(\"x y.png\") }",
        "<a href=x>y</a>",
        "<a href=\"x\" style=\"font-family: 'Open Sans',\n serif; background: url('x y.png');\">y</a>",
        "",
    );
}

#[test]
fn what_cannot_move_stays() {
    for css in [
        "@media print { p { color: red } }",
        "p:hover { color: red }",
        "p::before { content: 'x' }",
        "#outlook a { padding: 0 }",
        "@font-face { font-family: x; src: url(x) }",
        "p::-moz-x, p { color: red }",
    ] {
        assert_inlined(css, "<p>x</p>", "<p>x</p>", css);
    }
    assert_inlined(
        "p, p:hover, .gone { top: 0 } i { left: 0 }",
        "<p>x</p><i></i>",
        "<p style=\"top: 0;\">x</p><i style=\"left: 0;\"></i>",
        "p:hover, .gone { top: 0 !important }",
    );
}

#[test]
fn kept_rules_win_as_before() {
    // The kept rule won by its place.
    assert_inlined(
        "p { color: red } @media (max-width: 600px) { p { color: blue; top: 0 } }",
        "<p>x</p>",
        "<p style=\"color: red;\">x</p>",
        "@media (max-width: 600px) { p { color: blue !important; top: 0 } }",
    );
    // The kept rule lost.
    assert_inlined(
        "@media (max-width: 600px) { p { color: blue } } p { color: red }",
        "<p>x</p>",
        "<p style=\"color: red;\">x</p>",
        "@media (max-width: 600px) { p { color: blue } }",
    );
    // Both are important: shown on phones only.
    assert_inlined(
        ".m { display: none !important } @media (max-width: 600px) { .m { display: block !important } }",
        "<p class=m>x</p>",
        "<p class=\"m\" style=\"display: none;\">x</p>",
        "@media (max-width: 600px) { .m { display: block !important } }",
    );
    // A shorthand against its part.
    assert_inlined(
        "td { padding: 10px } td:hover { padding-left: 0 }",
        "<table><tbody><tr><td>x</td></tr></tbody></table>",
        "<table><tbody><tr><td style=\"padding: 10px;\">x</td></tr></tbody></table>",
        "td:hover { padding-left: 0 !important }",
    );
    // The attribute beat the rule in @media, which another element makes important.
    assert_inlined(
        "p { color: red } @media print { p { color: blue } }",
        "<p>x</p><p style='color:green'>y</p>",
        "<p style=\"color: red;\">x</p><p style=\"color:green !important;\">y</p>",
        "@media print { p { color: blue !important } }",
    );
    // A client adds an attribute around the element.
    assert_inlined(
        ".t { color: red } [data-ogsc] .t { color: white }",
        "<p class=t>x</p>",
        "<p class=\"t\" style=\"color: red;\">x</p>",
        "[data-ogsc] .t { color: white !important }",
    );
}

/// `.f a` must win over `a:hover`, which is important now, and lose to the rule in `@media`.
#[test]
fn a_rule_between_two_kept_ones_is_repeated() {
    assert_inlined(
        "a { color: blue } a:hover { color: red } .f a { color: gray } \
         @media (prefers-color-scheme: dark) { .f a { color: silver } }",
        "<a href=x>x</a><p class=f><a href=y>y</a></p>",
        "<a href=\"x\" style=\"color: blue;\">x</a>\
         <p class=\"f\"><a href=\"y\" style=\"color: gray;\">y</a></p>",
        "a:hover { color: red !important } .f a {color: gray !important} \
         @media (prefers-color-scheme: dark) { .f a { color: silver !important } }",
    );
}

/// An important rule of low specificity can't keep its rank among rules that become important.
#[test]
fn properties_that_cannot_be_resolved_are_not_inlined() {
    let css =
        "p { color: red; top: 0 } @media print { p { color: blue !important } .a { color: lime } }";
    assert_inlined(
        css,
        "<p class=a>x</p>",
        "<p class=\"a\" style=\"top: 0;\">x</p>",
        "p {color: red} @media print { p { color: blue !important } .a { color: lime } }",
    );
}

#[test]
fn important_declarations_keep_their_order() {
    assert_inlined(
        "p { color: red !important; top: 0 !important }",
        "<p style='color:green;top:1px !important;*zoom:1'>x</p>",
        "<p style=\"color: green; color: red !important; top: 0 !important; top: 1px !important;\">x</p>",
        "",
    );
    assert_inlined(
        "p { top: 0 }",
        "<p style='color:green !important;*zoom:1'>x</p>",
        "<p style=\"top: 0; color:green !important;*zoom:1;\">x</p>",
        "",
    );
}

#[test]
fn fallbacks_and_valid_values_stay() {
    assert_inlined(
        "p { background: #b00; background: linear-gradient(red, blue); width: 50%; width: calc(1px + 2px) }",
        "<p>x</p>",
        "<p style=\"background: #b00; background: linear-gradient(red, blue); \
         width: 50%; width: calc(1px + 2px);\">x</p>",
        "",
    );
    assert_inlined(
        "p { border: 2px solid }",
        "<p style='border:1px dashed solid'>x</p>",
        "<p style=\"border: 2px solid; border:1px dashed solid;\">x</p>",
        "",
    );
    assert_inlined(
        "p { color: red } p { color: blue }",
        "<p>x</p>",
        "<p style=\"color: blue;\">x</p>",
        "",
    );
}

#[test]
fn a_page_with_too_many_declarations_is_not_inlined() {
    let css = "p{top:0;top:1px}".repeat(2000);
    let body = "<p>x</p>".repeat(20);
    assert_inlined(&css, &body, &body, &css);
}

#[test]
fn rules_that_outlook_uses_stay() {
    assert_inlined(
        ".a { width: 10px } .b { width: 20px }",
        "<p class=a>x</p><!--[if mso]><td class=\"a\"><![endif]--><p class=b></p>",
        "<p class=\"a\" style=\"width: 10px;\">x</p><!--[if mso]><td class=\"a\"><![endif]-->\
         <p class=\"b\" style=\"width: 20px;\"></p>",
        ".a { width: 10px }",
    );
}

#[test]
fn doctypes_and_other_styles_stay() {
    let doctype = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \
                   \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">";
    let html = format!(
        "{doctype}<html><head><style media=\"print\">p{{top:0}}</style></head><body><p>x</p></body></html>"
    );
    assert_eq!(inline_css(&html), html);
}
