//! `POST sendmail_templates`: one request, and for each recipient its own values of the placeholders;
//! `POST add_template`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::form::{self, Map, Value};
use super::{DecodeError, Dialect, Recipient, Request};

/// The endpoint's path below the API's base URL.
pub const SENDMAIL_TEMPLATES: &str = "sendmail_templates";
/// The endpoint's path below the API's base URL.
pub const ADD_TEMPLATE: &str = "add_template";

/// The values of placeholders, by their names.
pub type Vars = BTreeMap<String, String>;

/// A request whose subject and bodies have placeholders, written `{{NAME}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRequest {
    /// The request; its bodies may come from the template.
    pub request: Request<'static>,
    /// A template that was added before.
    pub template_id: Option<String>,
    /// The values for all.
    pub global: Vars,
    /// For each recipient of the request its own values. Where there is one for all, there is no own one.
    pub own: Vec<Arc<Vars>>,
}

/// A template to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Its HTML body, or nothing.
    pub html: String,
    /// Its text body, or nothing.
    pub text: String,
}

impl TemplateRequest {
    /// Reads a form's variables.
    ///
    /// # Errors
    /// A form that PHP would not read whole, or a field of another shape than the API's.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut form = form::nest(pairs.clone())?;
        let template_id = text(&mut form, "template_id")?;
        let global = vars("global_vars", form.take("global_vars"))?;
        let all = match form.take("to") {
            Some(Value::Map(to)) => recipients_vars(to, &global)?,
            _ => HashMap::new(),
        };
        let request = Request::from_pairs(pairs, Dialect::NewSendmail)?;
        let own = |recipient: &Recipient<'_>| all.get(&*recipient.address).cloned();
        let own = request.to.iter().map(|to| own(to).unwrap_or_default());
        Ok(Self {
            template_id,
            global,
            own: own.collect(),
            request,
        })
    }
}

impl Template {
    /// Reads a form's variables.
    ///
    /// # Errors
    /// A form that PHP would not read whole, a field of another shape than the API's, or neither body.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut form = form::nest(pairs)?;
        let html = text(&mut form, "html")?.unwrap_or_default();
        let (plain, short) = (text(&mut form, "text")?, text(&mut form, "txt")?);
        let text = plain.or(short).unwrap_or_default();
        if html.is_empty() && text.is_empty() {
            return Err(DecodeError::Field {
                field: "html".to_owned(),
                problem: "is missing, and so is the text",
            });
        }
        Ok(Self { html, text })
    }
}

/// A text with its placeholders filled from the first of `vars` that has a value; those without one stay
/// as they are. None when it comes out longer than `most` bytes: a short text may hold a long value often.
pub fn fill<'a>(text: &'a str, vars: [&Vars; 2], most: usize) -> Option<Cow<'a, str>> {
    let value = |name: &str| vars.iter().find_map(|vars| vars.get(name.trim()));
    let mut out = String::new();
    let mut rest = text;
    while let Some(end) = rest.find("}}") {
        let begin = rest[..end].rfind("{{");
        let found = begin.and_then(|begin| Some((begin, value(&rest[begin + 2..end])?)));
        let (before, value) = match found {
            Some((begin, value)) => (&rest[..begin], value.as_str()),
            None => (&rest[..end + 2], ""),
        };
        if out.len() + before.len() + value.len() > most {
            return None;
        }
        out.push_str(before);
        out.push_str(value);
        rest = &rest[end + 2..];
    }
    if out.len() + rest.len() > most {
        return None;
    }
    if out.is_empty() && rest.len() == text.len() {
        return Some(Cow::Borrowed(text));
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Each recipient's own values, by its address.
fn recipients_vars(to: Map, global: &Vars) -> Result<HashMap<String, Arc<Vars>>, DecodeError> {
    let mut all = HashMap::new();
    for (key, value) in to {
        let Value::Map(mut recipient) = value else {
            continue;
        };
        let name = format!("to[{key}][vars]");
        let mut own = vars(&name, recipient.take("vars"))?;
        own.retain(|name, _| !global.contains_key(name));
        let address = match recipient.take("email") {
            Some(Value::Text(email)) if !email.is_empty() => email,
            _ => key,
        };
        all.insert(address, Arc::new(own));
    }
    Ok(all)
}

fn vars(field: &str, value: Option<Value>) -> Result<Vars, DecodeError> {
    let map = match value {
        None => return Ok(Vars::new()),
        Some(Value::Text(text)) if text.is_empty() => return Ok(Vars::new()),
        Some(Value::Text(_)) => {
            return Err(DecodeError::Field {
                field: field.to_owned(),
                problem: "is one value where it must be an array",
            });
        }
        Some(Value::Map(map)) => map,
    };
    let one = |(name, value)| match value {
        Value::Text(value) => Ok((name, value)),
        Value::Map(_) => Err(DecodeError::Field {
            field: format!("{field}[{name}]"),
            problem: "is an array where it must be one value",
        }),
    };
    map.into_iter().map(one).collect()
}

fn text(form: &mut Map, name: &str) -> Result<Option<String>, DecodeError> {
    match form.take(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(Value::Map(_)) => Err(DecodeError::Field {
            field: name.to_owned(),
            problem: "is an array where it must be one value",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars_of(pairs: &[(&str, &str)]) -> Vars {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn placeholders_with_a_value_are_filled_once() {
        let vars = vars_of(&[("user", "Jan {{test}}"), ("test", "<b>")]);
        let none = Vars::new();
        let filled = |text| {
            fill(text, [&vars, &none], 99)
                .expect("no more")
                .into_owned()
        };
        assert_eq!(filled("{{user}} {{ test }}!"), "Jan {{test}} <b>!");
        for same in ["{{other}}", "{{", "{{user", "}} {{ {{", "plain"] {
            assert_eq!(filled(same), same);
        }
        assert_eq!(filled("{{{test}}}"), "{<b>}");
        assert_eq!(filled("{{other}}}} {{test}}"), "{{other}}}} <b>");
    }

    #[test]
    fn what_comes_out_too_long_does_not_come_out() {
        let (own, global) = (vars_of(&[("a", "123")]), vars_of(&[("b", "4567")]));
        let fill = |text, most| fill(text, [&own, &global], most);
        assert_eq!(fill("{{a}}-{{b}}.", 9).as_deref(), Some("123-4567."));
        for text in [
            "{{a}}-{{b}}.",
            "{{b}}{{b}}.",
            "0123456789",
            "{{{{{{{{{",
            "{{c}}{{d}}",
        ] {
            assert_eq!(fill(text, 8).as_deref(), None, "{text}");
        }
        // Nothing is looked at twice.
        let braces = "{{".repeat(500_000);
        assert_eq!(fill(&braces, usize::MAX).as_deref(), Some(&*braces));
    }

    #[test]
    fn what_goes_for_all_wins() {
        let pairs = [
            ("to[a@x][vars][n]", "own"),
            ("to[a@x][vars][m]", "own"),
            ("to[b@x]", ""),
            ("global_vars[n]", "all"),
            ("template_id", "t"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read = TemplateRequest::from_pairs(pairs.to_vec()).expect("a request");
        assert_eq!(read.template_id.as_deref(), Some("t"));
        assert_eq!(read.global, vars_of(&[("n", "all")]));
        assert_eq!(*read.own[0], vars_of(&[("m", "own")]));
        assert_eq!(*read.own[1], Vars::new());
        let wrong = [("to[a@x][vars]".to_owned(), "one".to_owned())];
        let error = TemplateRequest::from_pairs(wrong.to_vec()).expect_err("an error");
        assert!(error.to_string().contains("to[a@x][vars]"), "{error}");
    }
}
