//! Templates with folded constants render what the templates render as they are written.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::address::Mailbox;
use crate::html::marks::mark;
use crate::recipients::ReadSettings;
use crate::render::context::Columns;
use crate::render::filters::new_tera;
use crate::render::renderer::Renderer;
use crate::render::row::Row;
use crate::render::tags::tags;
use crate::source::Source;

const HEADER: [&str; 4] = ["a", "b", "c", "First name"];

const TEMPLATES: [&str; 42] = [
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
    // Constants, alone and among columns.
    "{{ v }} {{- number }} {{ v ~ number -}} \n {{ a }} \n {{- v -}} \n{{ b }}",
    "{% for x in list -%} <li>{{ x }} {%- if not loop.last %}, {% endif %}</li> {%- endfor %} {{ a }}",
    "{%- if number > 3 %} many {{ v }} {% else %}few{% endif -%} {{ a }} {%- if v is defined %} x {% endif %}",
    "{% for x in list %}<a href='{{ x }}?{{ a }}'>{{ x | upper }}</a>{{ loop.index }}/{{ number }}{% endfor %}",
    "{% set x = v ~ number %}{{ x }} {{ x | lower }}{{ a }}{% set y = x ~ a %}{{ y }}",
    "{% if a %}{% set x = v %}{% else %}{% set x = 'none' %}{% endif %}{{ x }}",
    "{% for x in list %}{% for y in list %}{{ x ~ y }}{% endfor %}{{ y | default(value='-') }}{% endfor %}{{ a }}",
    "{% for x in list %}{% if x == 'x' %}{% break %}{% endif %}{{ x }}{% else %}{{ a }}{% endfor %}",
    "{% for a in list %}{{ a }}{% endfor %}{% if a %}{{ a }}{% endif %}",
    "{{ map.a }}{{ map['b'] }}{{ map.list | join(sep=', ') }}{{ a }}{{ map[a] | default(value='?') }}",
    "{{ v | safe }}{{ v | escape }}{{ list }}{{ number | round }}{{ now() }}{{ true }}{{ a }}",
    "{% filter upper %}{{ v }}{% for x in list %}{{ x }}{{ a }}{% endfor %}{% endfilter %}",
    "{% set x %}{{ v }} {{ number }}{% endset %}{{ x }}{{ x | safe }}{{ a }}",
    "{% for n in range(end=3) %}{{ n }}{{ a }}{% endfor %}{% for n in range(end=3) %}{{ n }}{% endfor %}",
    "{{ missing }}{{ a }}",
    "{% if missing is defined %}{{ missing }}{% else %}{{ v }}{% endif %}{{ missing | default(value=a) }}",
    "{{ number / 0 }}{{ a }}",
    "{% for x in list %}{% include 'part' %}{{ x }}{% endfor %}{{ x | default(value=a) }}",
];
const NAME: &str = "the template";
const OTHERS: [(&str, &str); 2] = [
    (
        "part",
        "part {{ a }}{% if c %}!{% endif %}{{ v }}{{ x | default(value=number) }}",
    ),
    (
        "base",
        "<p>{{ v }}{% block inner %}base {{ number }}{{ c }}{% endblock %}</p>{{ a }}",
    ),
];

struct Fixture {
    text: Tera,
    html: Tera,
    columns: Columns,
    renderer: Renderer,
}

fn fixture(template: &str) -> Fixture {
    let mut text = new_tera(Timestamp::UNIX_EPOCH, None);
    text.autoescape_on(Vec::<&str>::new());
    let context = text.global_context();
    context.insert("v", "<v>");
    context.insert("number", &42);
    context.insert("list", &["gold", "x", "<i>"]);
    let map = serde_json::json!({ "a": "<1>", "b": 2, "list": ["y", "&"] });
    context.insert("map", &map);
    let all: Vec<(&str, &str)> = OTHERS.into_iter().chain([(NAME, template)]).collect();
    text.add_raw_templates(all.clone()).expect("templates");
    let mut html = text.clone();
    html.autoescape_on([""]);
    let header = HEADER.map(str::to_owned);
    let campaign = Source {
        path: "campaign.toml".into(),
        text: String::new(),
    };
    let mut sources = Sources::new(&campaign, &header, &[]);
    for (name, text) in all {
        sources.add_file(name, text);
    }
    let names = Names::new(&sources, &header, &[]);
    let used = HEADER.iter().chain(&["row"]).map(|it| (*it).to_owned());
    Fixture {
        renderer: Renderer::new(&text, &sources, names.as_ref(), false),
        columns: Columns::new(&header, &ReadSettings::default(), &used.collect(), None),
        text,
        html,
    }
}

fn row(cells: impl IntoIterator<Item = impl Into<String>>) -> Row {
    Row {
        number: 1,
        mailbox: Mailbox::parse("a@b.example").expect("an address"),
        cells: cells.into_iter().map(Into::into).collect(),
        json: Vec::new(),
        variant: None,
        resends: 0,
        others: Vec::new(),
        recorded: Vec::new(),
    }
}

impl Fixture {
    fn values(&self, cells: [&str; 4]) -> Vec<String> {
        let row = row(cells);
        let rendered = self.renderer.html(NAME, &self.columns.of_row(&row));
        let rendered = rendered.expect("HTML");
        rendered.values().map(str::to_owned).collect()
    }
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => Just("gold".to_owned()),
        2 => Just("x".to_owned()),
        1 => Just("a".to_owned()),
        1 => Just(" \n".to_owned()),
        1 => Just(mark(0)),
        1 => Just("{{ b }}".to_owned()),
        1 => Just("a,b\nc".to_owned()),
        3 => "[a-z&<>\"' ]{0,8}",
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn folded_templates_render_what_is_written(
        rows in prop::collection::vec(prop::collection::vec(cell(), HEADER.len()), 1..12),
    ) {
        for template in TEMPLATES {
            let fixture = fixture(template);
            for cells in &rows {
                let row = row(cells.clone());
                let variables = fixture.columns.of_row(&row);
                let context = variables.context();
                let error = |error: tera::Error| error.to_string();
                let written = fixture.text.render(NAME, context).map_err(error);
                // Twice, because the output of constant templates is kept.
                for _ in 0..2 {
                    let text = fixture.renderer.text(NAME, &variables);
                    let text = text.map(|text| text.to_string()).map_err(error);
                    prop_assert_eq!(&text, &written, "{} {:?}", template, cells);
                }
                let written = fixture.html.render(NAME, context).map_err(error);
                let html = fixture.renderer.html(NAME, &variables);
                let html = html.map(|html| html.html().to_owned()).map_err(error);
                prop_assert_eq!(html, written, "{} {:?}", template, cells);
            }
        }
    }
}

/// A template after folding, and its constants.
fn folded(template: &str) -> (String, Vec<String>) {
    let fixture = fixture(template);
    let header = HEADER.map(str::to_owned);
    let campaign = Source {
        path: "campaign.toml".into(),
        text: String::new(),
    };
    let mut sources = Sources::new(&campaign, &header, &[]);
    sources.add_file(NAME, template);
    let mut fold = Fold {
        tera: &fixture.html,
        names: &Names::new(&sources, &header, &[]).expect("names"),
        escape: true,
        constants: Vec::new(),
        numbers: HashMap::new(),
    };
    let folded = fold.template(template, &tags(template).expect("tags"));
    (folded, fold.constants)
}

#[test]
fn constant_parts_are_rendered_once() {
    for (template, is, constants) in [
        (
            "a {{ v }}, {{ number }} b {{ a }} {{- v -}} {{ c }}",
            "a {{ mailrun_constant_0 }} b {{ a }} {{- mailrun_constant_1 -}} {{ c }}",
            &["&lt;v&gt;, 42", "&lt;v&gt;"][..],
        ),
        (
            "{%- for x in list -%}<i>{{ x }}</i>{%- if x == v %}!{% endif %}{% endfor %}{% if number > 40 %}more{% endif %}{{ a }}",
            "{{- mailrun_constant_0 }}{{ a }}",
            &["<i>gold</i><i>x</i><i>&lt;i&gt;</i>more"],
        ),
        (
            "{% for x in list %}{{ x ~ '.' }}{{ map.a }}{{ a }}{% endfor %}",
            "{% for x in list %}{{ (x ~ '.') | mailrun_constant }}{{ mailrun_constant_0 }}{{ a }}{% endfor %}",
            &["&lt;1&gt;"],
        ),
        (
            "{% for a in list %}{{ a }}{% endfor %}{% if a %}{{ a }}{% endif %}",
            "{{ mailrun_constant_0 }}{% if a %}{{ a }}{% endif %}",
            &["goldx&lt;i&gt;"],
        ),
        (
            "{% set x = v %}{{ x }}{% set y = a %}{{ y }}{% set z = y %}{{ z }}",
            "{% set x = v %}{{ (x) | mailrun_constant }}{% set y = a %}{{ y }}{% set z = y %}{{ z }}",
            &[],
        ),
        (
            "{{ 1 / 0 }}{{ missing }}{{ super() }}",
            "{{ (1 / 0) | mailrun_constant }}{{ (missing) | mailrun_constant }}{{ super() }}",
            &[],
        ),
    ] {
        let (folded, values) = folded(template);
        assert_eq!(folded, is, "{template}");
        assert_eq!(values, constants, "{template}");
    }
}

#[test]
fn templates_that_hide_names_are_left_as_they_are() {
    let header = HEADER.map(str::to_owned);
    for template in [
        "{% component x() %}{{ a }}{% endcomponent x %}",
        "{{ __tera_context }}",
        "{{ mailrun_constant_0 }}",
    ] {
        let campaign = Source {
            path: "campaign.toml".into(),
            text: String::new(),
        };
        let mut sources = Sources::new(&campaign, &header, &[]);
        sources.add_file(NAME, template);
        assert!(Names::new(&sources, &header, &[]).is_none(), "{template}");
    }
}

#[test]
fn only_values_that_depend_on_a_column_are_values_of_the_row() {
    for (template, values) in [
        ("{{ v }}{{ a }}{{ v ~ b }}", &["A", "&lt;v&gt;B"][..]),
        (
            "{% for x in list %}{{ x }}{{ a }}{{ x ~ b }}{% endfor %}",
            &["A", "goldB", "A", "xB", "A", "&lt;i&gt;B"],
        ),
        (
            "{% for x in a | split(pat=',') %}{{ x }}{{ v }}{{ loop.index }}{% endfor %}",
            &["A"],
        ),
        (
            "{% set x = v %}{{ x }}{% set y = x ~ a %}{{ y }}",
            &["&lt;v&gt;A"],
        ),
        ("{% include 'part' %}{{ row['First name'] }}", &["A", "D"]),
        (
            "{% extends 'base' %}{% block inner %}{{ v }}{{ b }}{% endblock %}",
            &["B", "A"],
        ),
        ("{{ map.list | join(sep=', ') }}{{ map.b }}{{ now() }}", &[]),
    ] {
        assert_eq!(
            fixture(template).values(["A", "B", "C", "D"]),
            values,
            "{template}"
        );
    }
}

#[test]
fn errors_have_their_place_in_the_template_as_it_is_written() {
    let template = "{% for x in list %}{{ x }}{% endfor %}\n{{ v }}{{ a.b }}";
    let fixture = fixture(template);
    let row = row(HEADER);
    let variables = fixture.columns.of_row(&row);
    let error = fixture
        .renderer
        .html(NAME, &variables)
        .expect_err("no field");
    let tera::ErrorKind::RenderingError(report) = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(Some(report.span().range.start), template.find("b }}"));
}
