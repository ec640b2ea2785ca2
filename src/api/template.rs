//! `POST sendmail_templates`: one request with values of placeholders for each recipient, and
//! `POST add_template`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::decode::{Fields, NOT_ONE_VALUE, map, refuse};
use super::form::{self, Map, Value};
use super::{DecodeError, FormDialect, Recipient, Request};

/// The path below the API's base URL.
pub const SENDMAIL_TEMPLATES: &str = "sendmail_templates";
/// The path below the API's base URL.
pub const ADD_TEMPLATE: &str = "add_template";

/// The values of placeholders, by name.
pub type Vars = BTreeMap<String, String>;

/// A request with placeholders, written `{{NAME}}`, in its subject and bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRequest {
    /// Its bodies may come from the template.
    pub request: Request<'static>,
    /// The ID of a stored template.
    pub template_id: Option<String>,
    /// The values for all recipients.
    pub global: Vars,
    /// The values for each recipient of the request, without those in `global`.
    pub own: Vec<Arc<Vars>>,
}

/// A template to be stored. A body may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pub html: String,
    pub text: String,
}

impl TemplateRequest {
    /// Decodes the variables of a form.
    ///
    /// # Errors
    /// The same as for [`Request::decode`].
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut fields = Fields(form::nest(pairs.clone())?);
        let template_id = fields.text("template_id")?.map(Cow::into_owned);
        let global = vars("global_vars", fields.map("global_vars")?)?;
        let all = match fields.0.take("to") {
            Some(Value::Map(to)) => recipients_vars(to, &global)?,
            _ => HashMap::new(),
        };
        let request = Request::from_pairs(pairs, FormDialect::NewSendmail)?;
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
    /// Decodes the variables of a form.
    ///
    /// # Errors
    /// The same as for [`Request::decode`], and if both bodies are missing.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut fields = Fields(form::nest(pairs)?);
        let html = fields.required("html")?.into_owned();
        let text = fields
            .either("text", "txt")?
            .map_or_else(String::new, Cow::into_owned);
        if html.is_empty() && text.is_empty() {
            return refuse("html", "is missing, and so is text");
        }
        Ok(Self { html, text })
    }
}

/// Fills the placeholders of a text, each from the first of `vars` that has a value. Placeholders without a
/// value stay. `None` if the result is longer than `max` bytes: a short text may repeat a long value.
pub fn fill<'a>(text: &'a str, vars: [&Vars; 2], max: usize) -> Option<Cow<'a, str>> {
    let value = |name: &str| vars.iter().find_map(|vars| vars.get(name.trim()));
    let mut filled = String::new();
    let mut rest = text;
    while let Some(end) = rest.find("}}") {
        let begin = rest[..end].rfind("{{");
        let placeholder = begin.and_then(|begin| Some((begin, value(&rest[begin + 2..end])?)));
        let (before, value) = match placeholder {
            Some((begin, value)) => (&rest[..begin], value.as_str()),
            None => (&rest[..end + 2], ""),
        };
        if filled.len() + before.len() + value.len() > max {
            return None;
        }
        filled.push_str(before);
        filled.push_str(value);
        rest = &rest[end + 2..];
    }
    if filled.len() + rest.len() > max {
        return None;
    }
    if filled.is_empty() && rest.len() == text.len() {
        return Some(Cow::Borrowed(text));
    }
    filled.push_str(rest);
    Some(Cow::Owned(filled))
}

/// The values of each recipient, by address.
fn recipients_vars(to: Map, global: &Vars) -> Result<HashMap<String, Arc<Vars>>, DecodeError> {
    let mut all = HashMap::new();
    for (key, value) in to {
        let Value::Map(mut recipient) = value else {
            continue;
        };
        let field = format!("to[{key}][vars]");
        let own = map(recipient.take("vars"), || field.clone())?;
        let mut own = vars(&field, own)?;
        own.retain(|name, _| !global.contains_key(name));
        let address = match recipient.take("email") {
            Some(Value::Text(email)) if !email.is_empty() => email,
            _ => key,
        };
        all.insert(address, Arc::new(own));
    }
    Ok(all)
}

fn vars(field: &str, map: Map) -> Result<Vars, DecodeError> {
    let one = |(name, value)| match value {
        Value::Text(value) => Ok((name, value)),
        Value::Map(_) => refuse(format!("{field}[{name}]"), NOT_ONE_VALUE),
    };
    map.into_iter().map(one).collect()
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
    fn texts_over_the_maximum_are_not_filled() {
        let (own, global) = (vars_of(&[("a", "123")]), vars_of(&[("b", "4567")]));
        let fill = |text, max| fill(text, [&own, &global], max);
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
        // The search takes linear time.
        let braces = "{{".repeat(500_000);
        assert_eq!(fill(&braces, usize::MAX).as_deref(), Some(&*braces));
    }

    #[test]
    fn global_values_win() {
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
