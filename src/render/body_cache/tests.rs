//! Bodies made with templates equal those that are made row by row.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::html::marks::mark;
use crate::html::normalized;
use crate::render::value_spans::{ValueSpans, write_value};

const PROCESSING: Processing = Processing {
    inline_css: true,
    text: true,
};

/// HTML with a value at each `§`.
const TEMPLATES: [&str; 48] = [
    "<style>p{color:red}</style><p>Hi §, you have § points</p>",
    "<style>p{color:red} @media print{p{color:blue}}</style><p title='§'><a href=\"§?u=§\">x</a></p>",
    "<style>.gold{color:gold}</style><p class=\"§\">§</p>",
    "<style>#x{color:gold}</style><p id=§>§</p>",
    "<style>[title=gold]{color:gold}</style><p title=\"§\">§</p>",
    "<style>p:empty{color:gold}</style><p>§</p><p></p>",
    "<style>.a{color:§}</style><p class=a>§</p>",
    "<style>p{color:red}</style><p style=\"width: §px; color: §\">§</p>",
    "<style>td{color:red}</style><table>§<tr>§<td>§</td></tr></table>",
    "<style>p{color:red}</style><!-- § --><!--[if mso]><p>§</p><![endif]--><p>§",
    "<style>p{color:red}</style><title>§</title><textarea>§</textarea><pre>\n§\n §</pre>",
    "<style>p{color:red}</style><p §>x</p><§>y</§>",
    "<style>p{color:red}</style><noscript>§</noscript><script>var a = '§';</script><p>§</p>",
    "<style>p{color:red}</style><p>a</p><!--[if mso]><v:rect href=\"https://x/§\" data-a='§'>§ </v:rect>§<br><![endif]-->",
    "<style>p{color:red}</style><p>a</p><!--[if mso]><p class=\"§\">x</p><![endif]-->",
    "<style>p{color:red}</style><p>a</p><!--[if §]><p>x</p><![endif]-->",
    "<style>p{color:red}</style><p>a</p><!--[if mso]><a href=§>x</a><![endif]--><!--§--><!-- §->",
    "<style>.a{color:§}</style><p class=a title='§'>x</p>",
    "<style>.a{color:red} § .b{color:blue}</style><p class=a title='§'>x</p><a href='§'>x</a>",
    "<style>p{color:red}</style><script type='application/ld+json'>{\"a\": [\"§\"]}</script><img srcset='§ 2x'><a href='§'>x</a>",
    "<style data-x='§'>b{color:blue}</style><p data-x='§'>x <b>y</b></p>",
    "<style>p{color:red}</style><p>Hello <b>x</§ >y</b>",
    "<!DOCTYPE html PUBLIC 'x'><style>[data-x] a[lang=pl], a:hover, #o a{color:gold} a{color:red}</style><p><a href='§' title='§'>§</a></p>",
    "<style>p:not(.x){color:#222} @media print{p{color:#333}}</style><p id='§'>x<a name='§' id=\"§\">y</a></p>",
    "<style>p{color:#222}</style><p><a href=§>x</a> <img alt = §x src='a'></p>",
    "<style>p{color:red} .§ {color:blue}</style><p id='§'>x</p>",
    "<style>p{color:red}</style><p>a</p><!--[if mso]><v:rect style='width:§px' fillcolor=\"§\"><td bgcolor='§' width='§'></v:rect><![endif]-->",
    "<style>#gold\n{\ncolor:gold}\np:not(\n#p\n){color:red}</style><p id='§'>x</p><p id=\"§\">y</p>",
    "<style>p{color:red}</style><p>&§ &#x§;<a href=https://x/?q=\"§\">x</a><a href='x?a=1&§'>y</a> <img src=a alt=1\u{a0}§>",
    "<style>[data-gold=p]{color:gold}</style><p data-§='§'>x</p>",
    "<style>/* § */ p{color:red}</style><p>x</p><i id='§'>o</i>",
    "<p>§<b>§</p>§</b><ul><li>§<li><img alt='§' src='§'></ul><hr><a href='§'>§</a><a href='§'>§</a>",
    "<style>td{padding:8px}.card td{color:#222}</style><table class=card bgcolor=\"#fff\"><tr><td>§<table><tr><td align=center><a href=\"§\">§</a></td></tr></table></td></tr></table>",
    "<style>a{color:red}</style><!--[if mso]><table width=600><tr><td><![endif]--><div>§</div><!--[if mso]></td></tr></table><![endif]-->",
    "<style>p{color:red}</style><!--[if !mso]><!--><p>§</p><!--<![endif]--><!--[if gte mso 9]><xml><o:PixelsPerInch>§</o:PixelsPerInch></xml><![endif]-->",
    "<style>li:nth-child(2){color:red} h1 + p{color:blue} h1 ~ a{color:green}</style><h1>§</h1><p>§</p><a href=x>§</a><ul><li>§</li><li>§</li></ul>",
    "<style>.pre{display:none}</style><div class=pre>§ &zwnj;&nbsp;</div><p style=\"font-weight:bold\">§</p>",
    "<style>@media (prefers-color-scheme:dark){.a{color:#fff !important}} .a{color:#000}</style><p class=a>§</p><style>.a{font-size:2em}</style>",
    "<style>a[href^=\"https://\"]{color:red}</style><a href=\"§\">§</a><a href=\"https://x/§\">y</a>",
    "<style>p{color:red}</style><select><option value='§'>§</option></select><input type=text value=\"§\" placeholder='§'>",
    "<style>p{color:red}</style><svg><text>§</text></svg><math><mi>§</mi></math><p>§",
    "<style>p{color:red}</style><base href='§'><link rel=icon href=\"§\"><meta name=x content='§'><p lang='§' dir='§'>x</p>",
    "<style>p{color:red}</style><a href=\"mailto:§?subject=§&amp;body=§\">§</a><br>§<br/>§<hr>§",
    "<style>.x>.y{color:red}</style><div class=x><p class=y>§<span class='§'>§</span></p></div>",
    "<style>td{color:red}</style><table><tr><td background=\"https://x/§.png\" width=\"§\" height='50'>§</td></tr></table>",
    "<style>p{color:red}</style><p>§§</p><p>§ §</p>\n§\n",
    "<style>#a{color:red}#b{color:blue}</style><p id=a>§</p><p id=\"§\" title='§'>§</p>",
    "<html><head><style>h1,h2{margin:0}</style></head><body><h1>§</h1><h2>§</h2><blockquote cite='§'>§</blockquote><ol><li>§<li>§</ol></body></html>",
];

fn render(template: &str, values: &[String]) -> RenderedHtml {
    let mut spans = ValueSpans::default();
    let mut values = values.iter().cycle();
    for (number, part) in template.split('§').enumerate() {
        if number > 0 {
            let value = values.next().expect("some values");
            write_value(value, &mut spans).expect("writing to memory");
        }
        spans.write_all(part.as_bytes()).expect("writing to memory");
    }
    spans.finish().expect("UTF-8")
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("gold".to_owned()),
        Just("ignore".to_owned()),
        Just("p".to_owned()),
        Just("copy".to_owned()),
        Just("*/ #gold, /*".to_owned()),
        Just("[title]{color:green}".to_owned()),
        Just("red; } p { color: blue".to_owned()),
        Just("x\" onclick=\"y' z='".to_owned()),
        Just("</p><script>alert(1)</script>&amp;&nope;".to_owned()),
        Just(mark(0)),
        "[a>!-]{1,4}",
        "[a-z&<>\"' ]{0,8}",
        "\\PC{0,12}",
    ]
}

/// Without white space, because lines may break elsewhere.
fn letters(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Asserts that each row gets what it gets without a cache.
fn assert_same(
    template: &str,
    rows: &[Vec<String>],
    processing: Processing,
) -> Result<(), TestCaseError> {
    let cache = BodyCache::new(processing);
    for values in rows {
        let alone = processing.apply(render(template, values).into_html());
        let cached = cache.bodies(render(template, values), false);
        prop_assert_eq!(cached.is_ok(), alone.is_ok(), "{} {:?}", template, values);
        let (Ok(cached), Ok(alone)) = (cached, alone) else {
            continue;
        };
        let cached = cached.bodies;
        let inspected = cache.bodies(render(template, values), true).expect("HTML");
        prop_assert_eq!(&inspected.bodies.html, &cached.html);
        prop_assert_eq!(&inspected.bodies.text, &cached.text);
        prop_assert_eq!(
            normalized(&cached.html),
            normalized(&alone.html),
            "{} {:?}",
            template,
            values
        );
        prop_assert_eq!(cached.text.is_some(), processing.text);
        let text = |bodies: &Bodies| bodies.text.as_ref().map(|text| letters(text));
        prop_assert_eq!(text(&cached), text(&alone), "{} {:?}", template, values);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]
    #[test]
    fn a_row_gets_what_it_gets_without_a_cache(
        rows in prop::collection::vec(prop::collection::vec(value(), 5), 1..4),
        inline_css: bool,
        text: bool,
    ) {
        for template in TEMPLATES {
            assert_same(template, &rows, PROCESSING)?;
            assert_same(template, &rows, Processing { inline_css, text })?;
        }
    }
}

#[test]
fn rows_with_values_that_look_like_markup_get_what_they_get_without_a_cache() {
    let values = [
        "a",
        "x",
        "gold",
        "p",
        "ignore",
        "copy",
        "2014",
        "two words",
        "*/ #gold, /*",
        "[title]{color:green}",
        "red; } p { color: blue",
        "x' y='",
        "-->",
    ];
    let alone = values.map(|value| vec![value]);
    let two = [["*/ #gold, /*", "b"], ["*/ #gold, /*", "gold"]].map(Vec::from);
    let rows = alone.into_iter().chain(two);
    let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    for template in TEMPLATES {
        assert_same(template, &rows, PROCESSING).expect("the same");
    }
}

#[test]
fn rows_that_are_built_alike_share_a_template() {
    let count = |template: &str| {
        let cache = BodyCache::new(PROCESSING);
        for row in 0..20 {
            let values: Vec<String> = (0..5).map(|n| format!("{row} and {n}")).collect();
            cache
                .bodies(render(template, &values), false)
                .expect("HTML");
        }
        let variants = cache.variants.read().expect("no panic");
        let counts = variants.values().flatten().map(|variant| {
            let templates = variant.templates.read().expect("no panic");
            templates.values().flatten().count()
        });
        counts.sum::<usize>()
    };
    assert_eq!(
        TEMPLATES.map(count),
        [
            1, 1, 20, 0, 20, 1, 20, 20, 1, 1, 1, 20, 20, 1, 1, 20, 20, 20, 20, 1, 1, 20, 1, 1, 0,
            20, 1, 20, 0, 20, 20, 1, 1, 1, 1, 1, 1, 1, 20, 20, 1, 20, 1, 20, 20, 1, 20, 1
        ]
    );
}

#[test]
fn the_cache_has_a_limit() {
    let cache = BodyCache::new(PROCESSING);
    let long = "x".repeat(MAX_SIZE / 10);
    for row in 0..30 {
        let template = format!("<style>p{{color:red}}</style><p class=§>{long}</p>");
        cache
            .bodies(render(&template, &[row.to_string()]), false)
            .expect("HTML");
    }
    assert!(cache.size.load(Ordering::Relaxed) < MAX_SIZE * 2);
}

#[test]
fn values_that_contain_marks_stay_as_they_are() {
    let cache = BodyCache::new(Processing {
        inline_css: false,
        text: true,
    });
    let template = "<style>p{color:red}</style><p class='§'>§</p>";
    for class in ["a".to_owned(), mark(1)] {
        let bodies = cache
            .bodies(render(template, &[class.clone(), "Ann".to_owned()]), true)
            .expect("HTML");
        let html = bodies.bodies.html;
        assert!(html.contains(&format!("class='{class}'")), "{html}");
    }
}

#[test]
fn values_that_contain_marks_do_not_affect_other_rows() {
    let cache = BodyCache::new(PROCESSING);
    let template = TEMPLATES[0];
    for (value, is_shared) in [(mark(0), false), ("Ann".to_owned(), true), (mark(0), true)] {
        let bodies = cache
            .bodies(render(template, std::slice::from_ref(&value)), true)
            .expect("HTML");
        assert_eq!(bodies.template.is_some(), is_shared);
        assert!(bodies.bodies.html.contains(&value));
    }
}
