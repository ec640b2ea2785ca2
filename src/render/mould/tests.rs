//! That a row gets from a mould what the engine writes for it.

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::bodies::Maker;
use super::super::recorder::Rendered;
use super::super::skeleton::Wanted;
use super::super::values::{Columns, new_tera};
use super::*;

const HEADER: [&str; 4] = ["a", "b", "c", "First name"];

/// Templates that are taken apart in all ways there are, and some that are not.
const TEMPLATES: [&str; 24] = [
    "Hi {{ a }}, {{- b -}} and {{ row['First name'] }} & {{ v }}<b>{{ a }}</b>",
    "{% if a %}{{ a }}{% elif b == 'gold' %}B {{ b }}{% else %}-{% endif %}{% if c != \"x\" %}{{ c }}{% endif %}",
    "{% if a and not b or c == 'x' %}1{% else %}2{% endif %}{{ a or 'friend' }}",
    "{{ a | upper }} {{ b | default(value='x') }} {{ c | urlencode }} {{ a ~ b ~ v }}",
    "{{ a | safe }}{{ b | newlines_to_br }}{{ c | escape }}",
    "{{ a | length }} {{ a == b }} {{ a | length * 2 }}{{ 2 if a else 3 }}",
    "{% for x in a | split(pat=',') %}[{{ x }}{{ loop.index }}{{ b }}]{% endfor %}{{ c }}",
    "{% for x in list %}{{ x }}{% if x == b %}={% endif %}{{ a }}{% endfor %}",
    "{% set x = a | trim %}{{ x }}{% if x == 'gold' %}G{% endif %}{{ b }}",
    "{% set a = 'own' %}{{ a }}{{ b }}",
    "{% for b in list %}{{ b }}{% endfor %}{{ b }}",
    "{% filter upper %}{{ a }}{% endfilter %}{{ b }}",
    "{% set x %}{{ a }}{% endset %}{{ x }}",
    "{% include 'part' %}{{ b }}",
    "{% extends 'base' %}{% block inner %}{{ super() }}{{ a }}{% if b %}{{ b }}{% endif %}{% endblock %}",
    "{{ row[c | default(value='a')] }}",
    "{% if row.a %}{{ row.a }}{% endif %}{{ row['b'] }}",
    "{{ [x for x in list if x == a] }}{{ b }}",
    "{{ 'yes' if a else b }}{{ a in ['gold', 'x'] }}",
    "{% if a is containing(pat='o') %}{{ a }}{% endif %}{% if a | length > 3 %}long{% endif %}",
    "{{ 1 / a | length }}{{ b }}",
    "{% if a %}{{ 1 / b | length }}{% endif %}",
    "{% raw %}{{ a }}{% endraw %}{{ b }}",
    "{# {{ a }} #}\u{fdd0}0\u{fdd1}{{ b }}<a href=\"x?{{ b }}\" class='{{ c }}'>{{ \"}}\" ~ a }}</a>",
];
const NAME: &str = "the template";
const OTHERS: [(&str, &str); 2] = [
    ("part", "part {{ a }}{% if c %}!{% endif %}"),
    (
        "base",
        "<p>{% block inner %}base {{ c }}{% endblock %}</p>{{ a }}",
    ),
];

struct Fixture {
    tera: Tera,
    html_tera: Tera,
    columns: Columns,
    moulds: Moulds,
    maker: Maker,
}

/// One template alone: what one gives names to is told of all.
fn fixture(template: &str) -> Fixture {
    told(template, template)
}

/// The engine has a template, and moulds are told of another.
fn told(template: &str, told: &str) -> Fixture {
    let mut tera = new_tera(Timestamp::UNIX_EPOCH);
    tera.autoescape_on(Vec::<&str>::new());
    tera.global_context().insert("v", "<v>");
    tera.global_context().insert("list", &["gold", "x", "<i>"]);
    let all: Vec<(&str, &str)> = OTHERS.into_iter().chain([(NAME, template)]).collect();
    tera.add_raw_templates(all.clone()).expect("templates");
    let mut html_tera = tera.clone();
    html_tera.autoescape_on([""]);
    let header = HEADER.map(str::to_owned);
    let used = HEADER.iter().chain(&["row"]).map(|it| (*it).to_owned());
    Fixture {
        moulds: Moulds::new(&tera, &[OTHERS[0], OTHERS[1], (NAME, told)], &header),
        columns: Columns::new(&header, &used.collect()),
        tera,
        html_tera,
        maker: Maker::new(Wanted {
            inline_css: false,
            text: false,
        }),
    }
}

impl Fixture {
    fn text(&self, cells: &[String]) -> Result<String, String> {
        let view = self.columns.view(cells);
        let own = || self.tera.render(NAME, view.context());
        let text = self
            .moulds
            .text(NAME, &view, || own().map_err(|error| error.to_string()));
        text.map(Arc::unwrap_or_clone)
    }

    fn own_html(&self, view: &View<'_>) -> Result<Rendered, String> {
        let mut recorder = Recorder::default();
        let rendered = self
            .html_tera
            .render_to(NAME, view.context(), &mut recorder);
        rendered.map_err(|error| error.to_string())?;
        Ok(recorder.finish().expect("UTF-8"))
    }

    fn html(&self, cells: &[String]) -> Result<String, String> {
        let view = self.columns.view(cells);
        let filled = |cast: &Cast| {
            let mut values = cast.values.iter();
            let is_text = |value: &str| !value.trim().is_empty() && !value.contains('<');
            assert!(values.all(is_text), "{:?}", cast.values);
            cast.family.rendered(&cast.values).html().to_owned()
        };
        let new = match self.moulds.html(NAME, &view) {
            FoundHtml::Cast(cast) => return Ok(filled(&cast)),
            FoundHtml::New(new) => Some(new),
            FoundHtml::Own => None,
        };
        let own = self.own_html(&view)?;
        let made = new.and_then(|new| new.make(&view, &own, |it| self.maker.family(it)));
        Ok(match made {
            Some(cast) => filled(&cast),
            None => own.html().to_owned(),
        })
    }

    /// How many moulds there are of a template, for text and for HTML; nothing where there can be none.
    fn moulds(&self) -> (Option<usize>, Option<usize>) {
        let texts = self.moulds.texts.get(NAME).map(Plan::count);
        (texts, self.moulds.htmls.get(NAME).map(Plan::count))
    }
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => Just("gold".to_owned()),
        2 => Just("x".to_owned()),
        1 => Just("a".to_owned()),
        1 => Just(" \n".to_owned()),
        1 => Just("\u{fdd0}0\u{fdd1}".to_owned()),
        1 => Just("{{ b }}".to_owned()),
        1 => Just("a,b\nc".to_owned()),
        3 => "[a-z&<>\"' ]{0,8}",
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_row_gets_what_the_engine_writes(
        rows in prop::collection::vec(prop::collection::vec(cell(), HEADER.len()), 1..12),
    ) {
        for template in TEMPLATES {
            let fixture = fixture(template);
            for cells in &rows {
                let view = fixture.columns.view(cells);
                let own = fixture.tera.render(NAME, view.context());
                let own = own.map_err(|error| error.to_string());
                prop_assert_eq!(fixture.text(cells), own, "{} {:?}", template, cells);
                let own = fixture.own_html(&view).map(|own| own.html().to_owned());
                prop_assert_eq!(fixture.html(cells), own, "{} {:?}", template, cells);
            }
        }
    }
}

#[test]
fn rows_that_answer_alike_share_a_mould() {
    let counts = TEMPLATES.map(|template| {
        let fixture = fixture(template);
        for row in 0..20 {
            let cells = ["anna", "berta", "cilli", "dora"].map(|cell| format!("{cell}{row}"));
            let (text, html) = (fixture.text(&cells), fixture.html(&cells));
            assert_eq!(text.is_ok(), html.is_ok());
        }
        fixture.moulds()
    });
    let all = (Some(1), Some(1));
    let each = (Some(20), Some(20));
    let none = (None, None);
    assert_eq!(
        counts,
        [
            all,
            all,
            all,
            all,
            all,
            all,
            each,
            each,
            each,
            each,
            each,
            none,
            none,
            all,
            // What a block above writes is not told from other text.
            (Some(1), Some(0)),
            // An error in each row.
            (Some(0), Some(0)),
            all,
            each,
            all,
            all,
            all,
            all,
            none,
            // Marks in the template.
            (Some(0), Some(0)),
        ]
    );
}

#[test]
fn a_mould_that_gives_something_else_than_the_engine_is_not_used() {
    let fixture = told("<b>{{ a }}, {{ b }}</b>", "<b>{{ b }}, {{ a }}</b>");
    for row in 0..3 {
        let cells = ["a", "b", "c", "d"].map(|cell| format!("{cell}{row}"));
        let own = format!("<b>a{row}, b{row}</b>");
        assert_eq!(fixture.text(&cells).as_ref(), Ok(&own));
        assert_eq!(fixture.html(&cells), Ok(own));
    }
    assert_eq!(fixture.moulds(), (Some(0), Some(0)));
}

#[test]
fn one_odd_row_does_not_decide_for_others() {
    let fixture = fixture(TEMPLATES[0]);
    for odd in ["\u{fdd0}0\u{fdd1}", "anna"] {
        let cells = [odd, "b", "c", "d"].map(str::to_owned);
        fixture.text(&cells).expect("a text");
        fixture.html(&cells).expect("HTML");
    }
    assert_eq!(fixture.moulds(), (Some(1), Some(1)));
}

#[test]
fn what_is_remembered_has_an_end() {
    let fixture = fixture(TEMPLATES[6]);
    for row in 0..5000 {
        let cells = ["a", "b", "c", "d"].map(|cell| format!("{cell}{row}"));
        let own = format!("[{}1{}]{}", cells[0], cells[1], cells[2]);
        assert_eq!(fixture.text(&cells), Ok(own));
    }
    assert_eq!(fixture.moulds().0, Some(1024));
}
