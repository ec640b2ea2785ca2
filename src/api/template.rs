//! `POST sendmail_templates`: one request, and for each recipient its own values of the placeholders;
//! `POST add_template`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::form::{self, Map, Value};
use super::{DecodeError, Dialect, Request};

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
    /// For each recipient of the request the values; those for all have come in already.
    pub vars: Vec<Vars>,
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
        let own = match form.take("to") {
            Some(Value::Map(to)) => recipients_vars(to)?,
            _ => HashMap::new(),
        };
        let request = Request::from_pairs(pairs, Dialect::NewSendmail)?;
        let vars = request.to.iter().map(|recipient| {
            let mut vars = own.get(&*recipient.address).cloned().unwrap_or_default();
            vars.extend(global.clone());
            vars
        });
        Ok(Self {
            vars: vars.collect(),
            template_id,
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

/// A text with its placeholders filled; those without a value stay as they are.
pub fn fill<'a>(text: &'a str, vars: &Vars) -> Cow<'a, str> {
    if vars.is_empty() || !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, placeholder) = rest.split_at(at);
        out.push_str(before);
        let name = placeholder[2..].split_once("}}");
        match name.and_then(|(name, after)| Some((vars.get(name.trim())?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = &placeholder[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Each recipient's own values, by its address.
fn recipients_vars(to: Map) -> Result<HashMap<String, Vars>, DecodeError> {
    let mut all = HashMap::new();
    for (key, value) in to {
        let Value::Map(mut recipient) = value else {
            continue;
        };
        let name = format!("to[{key}][vars]");
        let own = vars(&name, recipient.take("vars"))?;
        let address = match recipient.take("email") {
            Some(Value::Text(email)) if !email.is_empty() => email,
            _ => key,
        };
        all.insert(address, own);
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
        assert_eq!(fill("{{user}} {{ test }}!", &vars), "Jan {{test}} <b>!");
        for same in ["{{other}}", "{{", "{{user", "}} {{ {{", "plain"] {
            assert_eq!(fill(same, &vars), same);
        }
        assert_eq!(fill("{{{user}}}", &vars_of(&[("user", "J")])), "{J}");
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
        assert_eq!(read.vars[0], vars_of(&[("n", "all"), ("m", "own")]));
        assert_eq!(read.vars[1], vars_of(&[("n", "all")]));
        let wrong = [("to[a@x][vars]".to_owned(), "one".to_owned())];
        let error = TemplateRequest::from_pairs(wrong.to_vec()).expect_err("an error");
        assert!(error.to_string().contains("to[a@x][vars]"), "{error}");
    }
}
