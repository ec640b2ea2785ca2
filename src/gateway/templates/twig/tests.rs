//! Templates are filled as Twig fills them, within limits.

use super::*;
use crate::api::V2Vars;

fn vars() -> V2Vars {
    let vars = serde_json::json!({
        "name": "Ann", "empty": "", "zero": 0, "count": 5, "price": 9.5, "five": "5", "yes": true, "no": false,
        "nothing": null, "html": "<b>&\"'",
    });
    serde_json::from_value(vars).expect("values")
}

fn fill_up_to(text: &str, max: usize) -> Result<String, FillError> {
    let (global, own) = (V2Vars::new(), vars());
    let values = Values {
        global: &global,
        own: &own,
    };
    let template = Template::parse(text).expect("a template");
    let filled = template.fill(&values, max, &Deadline::new());
    filled.map(Cow::into_owned)
}

fn fill(text: &str) -> String {
    fill_up_to(text, 1000).expect("a text")
}

fn error(text: &str) -> String {
    Template::parse(text).expect_err("an error").to_string()
}

#[test]
fn values_are_written_as_php_does() {
    for (template, expected) in [
        ("", ""),
        ("plain { } text", "plain { } text"),
        ("Hello {{ name }}!", "Hello Ann!"),
        ("{{name}}{{ other }}{{ nothing }}", "Ann"),
        ("{{ count }} {{ price }} {{ yes }}{{ no }}", "5 9.5 1"),
        ("{{ html }}", "<b>&\"'"),
        ("{{ html|e }}", "&lt;b&gt;&amp;&quot;&#039;"),
        ("{{ html | escape | raw }}", "&lt;b&gt;&amp;&quot;&#039;"),
        (
            "{{ other|default('you') }} {{ empty|default(name) }}",
            "you Ann",
        ),
        (
            "{{ name|upper }}{{ name|lower }}{{ ' x '|trim }}",
            "ANNannx",
        ),
        ("a {#- {{ name }} -#} b", "ab"),
        ("a {{- name -}} b", "aAnnb"),
        ("{{ '}}' }}{{ \"a\\\"b\" }}", "}}a\"b"),
    ] {
        assert_eq!(fill(template), expected, "{template}");
    }
}

#[test]
fn the_first_branch_that_holds_is_written() {
    let text =
        "{% if count > 5 %}\nmany\n{% elseif count == 5 %}\nfive\n{% else %}\nfew\n{% endif %}\n.";
    assert_eq!(fill(text), "five\n.");
    let holds = |condition: &str| {
        fill(&format!(
            "{{% if {condition} %}}1{{% else %}}0{{% endif %}}"
        )) == "1"
    };
    for condition in [
        "name",
        "yes",
        "price",
        "name == 'Ann'",
        "count == 5",
        "count != 6",
        "count < 6",
        "count >= 5",
        "price <= 9.5",
        "not no",
        "not (no or zero)",
        "name and count",
        "no or name",
        "name is defined",
        "other is not defined",
        "empty is empty",
        "nothing is null",
        "name is not empty",
        "no == false",
        "yes == true",
        "no or not no and yes",
        "'a' < 'b'",
        "count > -1",
    ] {
        assert!(holds(condition), "{condition}");
    }
    for condition in [
        "no",
        "zero",
        "empty",
        "nothing",
        "other",
        "name == 'ann'",
        "name != 'Ann'",
        "not name",
        "count > 5",
        "other is defined",
        "name is empty",
        "no and name",
        "0 is empty",
    ] {
        assert!(!holds(condition), "{condition}");
    }
    assert_eq!(
        fill("{%if yes%}{% if no %}a{%elif yes%}b{% endif %}{%- endif -%} c"),
        "bc"
    );
}

#[test]
fn errors_have_a_line() {
    for (template, expected) in [
        ("\n\n{{ name", "line 3: "),
        ("{% if name %}", "line 1: "),
        ("a\n{% endif %}", "line 2: "),
        ("{% else %}", "line 1: "),
        ("{% if a %}{% else %}{% else %}{% endif %}", "line 1: "),
        (
            "{% for a in b %}{% endfor %}",
            "the tag {% for %} is not supported",
        ),
        (
            "{% include '/etc/passwd' %}",
            "the tag {% include %} is not supported",
        ),
        ("{% set a = 1 %}", "is not supported"),
        ("{%- raw %}{{ a ~ b }}{% endraw %}", "is not supported"),
        ("{{ a ~ b }}", "“~” is not supported"),
        ("{{ 'x' * 1000000 }}", "“*” is not supported"),
        ("{{ [a, a] }}", "“[” is not supported"),
        ("{{ a|join }}", "the filter join is not supported"),
        (
            "{% if a is odd %}{% endif %}",
            "the test odd is not supported",
        ),
        ("{{ }}", "line 1: "),
        ("{{ 'a }}", "is not closed"),
        ("{# a", "is not closed"),
        ("{{ a b }}", "line 1: "),
        ("{% endif a %}", "line 1: "),
    ] {
        let error = error(template);
        assert!(error.contains(expected), "{template}: {error}");
    }
}

#[test]
fn time_and_memory_are_limited() {
    assert_eq!(
        fill_up_to("{{ name }}{{ name }}", 5),
        Err(FillError::TooLong)
    );
    assert_eq!(fill_up_to("plain", 4), Err(FillError::TooLong));
    let many = "{{ name }}".repeat(MAX_TAGS + 1);
    assert!(error(&many).contains("20000 tags"));
    let nested = "{% if a %}".repeat(1000);
    assert!(error(&nested).contains("recursion"));
    error(&format!("{{{{ {}a }}}}", "(".repeat(1000)));
    let long = format!(
        "{{% if {} %}}{{% endif %}}",
        vec!["no"; 300_000].join(" or ")
    );
    assert!(error(&long).contains("more than 2000 bytes"));
    let (global, mut own) = (V2Vars::new(), vars());
    fn values<'v>(global: &'v V2Vars, own: &'v V2Vars) -> Values<'v> {
        Values { global, own }
    }
    let template = Template::parse("{{ name }}").expect("a template");
    let late = Deadline(Instant::now() - Duration::from_secs(1));
    let filled = template.fill(&values(&global, &own), 1000, &late);
    assert_eq!(filled, Err(FillError::TooSlow));
    own.insert("name".to_owned(), "x".repeat(MAX_VALUE + 1).into());
    let filled = template.fill(&values(&global, &own), 1000, &Deadline::new());
    assert!(matches!(filled, Err(FillError::Invalid(_))));
}
