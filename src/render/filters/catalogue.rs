//! The names that templates can call, with their arguments. Tera has no list of what is registered.

use crate::finding::near;

/// How a name is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum CallKind {
    Filter,
    Test,
    Function,
}

/// A name and its arguments. The first argument is the one that other engines take without a name.
type Entry = (&'static str, &'static [&'static str]);

const FILTERS: &[Entry] = &[
    ("abs", &[]),
    ("capitalize", &[]),
    ("date", &["format", "locale", "timezone", "input"]),
    ("default", &["value", "boolean"]),
    ("escape", &[]),
    ("escape_html", &[]),
    ("escape_json", &[]),
    ("escape_xml", &[]),
    ("first", &[]),
    ("float", &[]),
    ("get", &["key", "default"]),
    ("group_by", &["attribute"]),
    ("indent", &["width", "indentation", "first", "blank"]),
    ("int", &["base"]),
    ("join", &["sep"]),
    ("keys", &[]),
    ("last", &[]),
    ("length", &[]),
    ("lower", &[]),
    ("money", &["currency", "locale", "decimals", "decimal"]),
    ("newlines_to_br", &[]),
    ("nth", &["n"]),
    ("number", &["decimals", "locale", "decimal"]),
    ("pairs", &[]),
    (
        "plural",
        &[
            "other", "zero", "one", "two", "few", "many", "locale", "decimal",
        ],
    ),
    ("pluralize", &["plural", "singular"]),
    ("replace", &["from", "to"]),
    ("reverse", &[]),
    ("round", &["precision", "method"]),
    ("safe", &[]),
    ("sort", &["attribute"]),
    ("split", &["pat"]),
    ("str", &[]),
    ("title", &[]),
    ("trim", &["pat"]),
    ("trim_end", &["pat"]),
    ("trim_start", &["pat"]),
    ("truncate", &["length", "end"]),
    ("unique", &[]),
    ("upper", &[]),
    ("urlencode", &[]),
    ("urlencode_strict", &[]),
    ("values", &[]),
    ("wordcount", &[]),
];

const TESTS: &[Entry] = &[
    ("after", &["other", "inclusive", "input"]),
    ("array", &[]),
    ("before", &["other", "inclusive", "input"]),
    ("bool", &[]),
    ("containing", &["pat"]),
    ("defined", &[]),
    ("divisible_by", &["divisor"]),
    ("ending_with", &["pat"]),
    ("even", &[]),
    ("float", &[]),
    ("integer", &[]),
    ("iterable", &[]),
    ("map", &[]),
    ("none", &[]),
    ("number", &[]),
    ("odd", &[]),
    ("starting_with", &["pat"]),
    ("string", &[]),
    ("undefined", &[]),
];

const FUNCTIONS: &[Entry] = &[
    ("now", &["timezone"]),
    ("range", &["end", "start", "step_by"]),
    ("throw", &["message"]),
];

/// Filters of Tera 1, Jinja, Twig, Liquid and Handlebars, and what to write in their place.
const ELSEWHERE: &[(&str, &str)] = &[
    ("append", "`~`: {{ a ~ b }}"),
    ("as_str", "`str`"),
    ("capfirst", "`capitalize`"),
    ("ceil", "`round(method=\"ceil\")`"),
    ("concat", "`~`: {{ a ~ b }}"),
    ("count", "`length`"),
    ("currency", "`money(currency=\"EUR\")`"),
    ("date_format", "`date(format=\"%d.%m.%Y\")`"),
    ("downcase", "`lower`"),
    ("e", "`escape`"),
    ("floor", "`round(method=\"floor\")`"),
    (
        "format",
        "`number(decimals=2)`, `money(currency=\"EUR\")` or `date(format=\"%d.%m.%Y\")`",
    ),
    ("format_currency", "`money(currency=\"EUR\")`"),
    ("format_date", "`date(format=\"%d.%m.%Y\")`"),
    ("format_number", "`number(decimals=2)`"),
    ("intcomma", "`number`"),
    ("linebreaks", "`newlines_to_br`"),
    ("linebreaksbr", "`newlines_to_br`"),
    ("nl2br", "`newlines_to_br`"),
    ("newline_to_br", "`newlines_to_br`"),
    ("number_format", "`number(decimals=2)`"),
    ("price", "`money(currency=\"EUR\")`"),
    ("raw", "`safe`"),
    ("size", "`length`"),
    ("strftime", "`date(format=\"%d.%m.%Y\")`"),
    ("strip", "`trim`"),
    ("thousands", "`number`"),
    ("titlecase", "`title`"),
    ("upcase", "`upper`"),
    ("uppercase", "`upper`"),
    ("lowercase", "`lower`"),
    ("url_encode", "`urlencode`"),
];

fn entries(kind: CallKind) -> &'static [Entry] {
    match kind {
        CallKind::Filter => FILTERS,
        CallKind::Test => TESTS,
        CallKind::Function => FUNCTIONS,
    }
}

/// The arguments of a name. `None` if there is no such name.
pub(in crate::render) fn arguments(kind: CallKind, name: &str) -> Option<&'static [&'static str]> {
    let mut entries = entries(kind).iter();
    entries
        .find(|(known, _)| *known == name)
        .map(|(_, arguments)| *arguments)
}

/// The argument that other engines take without a name.
pub(in crate::render) fn first_argument(name: &str) -> Option<&'static str> {
    let mut kinds = [CallKind::Filter, CallKind::Function, CallKind::Test].into_iter();
    kinds.find_map(|kind| arguments(kind, name)?.first().copied())
}

/// Help for an error such as ``Unknown filter `formt` ``.
pub(in crate::render) fn help_for_unknown(message: &str) -> Option<String> {
    let (word, name) = message.strip_prefix("Unknown ")?.split_once(" `")?;
    let name = name.strip_suffix('`')?;
    let kind = match word {
        "filter" => CallKind::Filter,
        "test" => CallKind::Test,
        "function" => CallKind::Function,
        _ => return None,
    };
    if kind == CallKind::Filter
        && let Some((_, instead)) = ELSEWHERE.iter().find(|(other, _)| *other == name)
    {
        return Some(format!("write {instead}"));
    }
    let as_filter = arguments(CallKind::Filter, name).is_some();
    let as_function = arguments(CallKind::Function, name).is_some();
    let as_test = arguments(CallKind::Test, name).is_some();
    match kind {
        CallKind::Function if as_filter => {
            return Some(format!(
                "`{name}` is a filter: write {{{{ value | {name} }}}}"
            ));
        }
        CallKind::Function | CallKind::Filter if as_test => {
            return Some(format!(
                "`{name}` is a test: write {{% if value is {name} %}}"
            ));
        }
        CallKind::Filter if as_function => {
            return Some(format!("`{name}` is a function: write {{{{ {name}() }}}}"));
        }
        _ => {}
    }
    let names = || entries(kind).iter().map(|(name, _)| *name);
    let mut near = near(name, names());
    near.truncate(3);
    Some(match near.as_slice() {
        [] => format!(
            "the {word}s are: {}",
            names().collect::<Vec<_>>().join(", ")
        ),
        near => format!("did you mean {}?", alternatives(near)),
    })
}

/// Help for an argument that a filter, test or function does not have.
pub(in crate::render) fn help_for_argument(argument: &str, arguments: &[&str]) -> String {
    if arguments.is_empty() {
        return "it takes no arguments".to_owned();
    }
    let mut near = near(argument, arguments.iter().copied());
    near.truncate(3);
    match near.as_slice() {
        [] => format!("its arguments are: {}", arguments.join(", ")),
        near => format!("did you mean {}?", alternatives(near)),
    }
}

/// `a`, `b` or `c`
fn alternatives(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::render::filters::new_tera;

    #[test]
    fn the_lists_are_those_of_the_engine() {
        let tera = format!("{:?}", new_tera(Timestamp::UNIX_EPOCH, None));
        for (field, entries) in [
            ("filters", FILTERS),
            ("tests", TESTS),
            ("functions", FUNCTIONS),
        ] {
            assert!(
                tera.contains(&format!("{field}: {}", entries.len())),
                "{field}: {tera}"
            );
            assert!(entries.is_sorted(), "{field}");
        }
        let calls = FILTERS
            .iter()
            .map(|(name, _)| format!("{{{{ 1 | {name} }}}}"));
        let calls = calls.chain(
            TESTS
                .iter()
                .map(|(name, _)| format!("{{{{ 1 is {name} }}}}")),
        );
        let calls = calls.chain(
            FUNCTIONS
                .iter()
                .map(|(name, _)| format!("{{{{ {name}() }}}}")),
        );
        for call in calls {
            let mut tera = new_tera(Timestamp::UNIX_EPOCH, None);
            assert!(tera.add_raw_template("a", &call).is_ok(), "{call}");
        }
    }

    #[test]
    fn unknown_names_have_near_ones() {
        for (message, help) in [
            ("Unknown filter `mony`", "did you mean `money`?"),
            (
                "Unknown filter `format`",
                "write `number(decimals=2)`, `money(currency=\"EUR\")` or `date(format=\"%d.%m.%Y\")`",
            ),
            (
                "Unknown filter `now`",
                "`now` is a function: write {{ now() }}",
            ),
            (
                "Unknown filter `even`",
                "`even` is a test: write {% if value is even %}",
            ),
            (
                "Unknown function `date`",
                "`date` is a filter: write {{ value | date }}",
            ),
            (
                "Unknown function `today`",
                "the functions are: now, range, throw",
            ),
            (
                "Unknown test `startingwith`",
                "did you mean `starting_with` or `string`?",
            ),
        ] {
            assert_eq!(
                help_for_unknown(message).as_deref(),
                Some(help),
                "{message}"
            );
        }
        let all = help_for_unknown("Unknown filter `xyz`").expect("help");
        assert!(
            all.starts_with("the filters are: abs, capitalize, date, "),
            "{all}"
        );
        assert_eq!(help_for_unknown("Unknown template `x`"), None);
    }
}
