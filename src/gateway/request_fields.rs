//! The fields of a request, as they are stored for people to read.

use serde_json::{Value, json};

use crate::message::is_content_id;

/// The form as a JSON array of `[name, value]`. The content of an attachment is replaced by its size.
pub(super) fn form_to_json(form: &[(String, String)]) -> String {
    encode(form, |_| false)
}

/// As [`form_to_json`], but `html` and `text` are `null` if the stored messages contain them unchanged except for line
/// breaks, so that they are not stored twice.
pub(super) fn form_to_json_without_bodies(form: &[(String, String)]) -> String {
    let is_single = |field: &str| form.iter().filter(|(name, _)| name == field).count() == 1;
    let bodies = ["html", "text"].map(|name| is_single(name).then_some(name));
    let is_name = |field: &str| field.starts_with("files[") && field.ends_with("[name]");
    let mut names = form.iter().filter(|(field, _)| is_name(field));
    // The message shows files with other names by another ID.
    let has_other_ids = names.any(|(_, name)| !is_content_id(name));
    encode(form, |name| {
        bodies.contains(&Some(name)) && !(name == "html" && has_other_ids)
    })
}

/// The fields of a JSON body, with names such as `to[0].email`. The bodies are `null`, because the stored messages
/// contain them.
pub(super) fn json_to_fields(json: &Value) -> String {
    let mut fields = Vec::new();
    flatten(json, "", &mut fields);
    Value::Array(fields).to_string()
}

fn flatten(value: &Value, name: &str, fields: &mut Vec<Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = match name {
                    "" => key.clone(),
                    name => format!("{name}.{key}"),
                };
                flatten(value, &name, fields);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                flatten(value, &format!("{name}[{index}]"), fields);
            }
        }
        Value::String(text) if name.ends_with("].fileContent") => {
            let content = format!("({} characters of base64)", text.len());
            fields.push(json!([name, content]));
        }
        Value::String(_) if matches!(name, "content.html" | "content.text") => {
            fields.push(json!([name, null]));
        }
        Value::String(text) => fields.push(json!([name, text])),
        other => fields.push(json!([name, other.to_string()])),
    }
}

fn encode(form: &[(String, String)], is_omitted: impl Fn(&str) -> bool) -> String {
    let pair = |(name, value): &(String, String)| {
        if name.starts_with("files[") && name.ends_with("[content]") {
            json!([name, format!("({} characters of base64)", value.len())])
        } else if !value.is_empty() && is_omitted(name) {
            json!([name, null])
        } else {
            json!([name, value])
        }
    };
    form.iter().map(pair).collect::<Value>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(n, v)| (n.to_string(), v.to_string())).collect()
    }

    #[test]
    fn attachments_are_left_out() {
        let form = owned(&[("to[0]", "a@x"), ("files[0][content]", "AAAA")]);
        assert_eq!(
            form_to_json(&form),
            r#"[["to[0]","a@x"],["files[0][content]","(4 characters of base64)"]]"#
        );
    }

    #[test]
    fn bodies_are_not_stored_twice() {
        let encode = |pairs: &[(&str, &str)]| form_to_json_without_bodies(&owned(pairs));
        assert_eq!(
            encode(&[("html", "<p>"), ("text", ""), ("subject", "s")]),
            r#"[["html",null],["text",""],["subject","s"]]"#
        );
        assert_eq!(
            encode(&[("html", "<p>"), ("files[0][name]", "a b")]),
            r#"[["html","<p>"],["files[0][name]","a b"]]"#
        );
        // The message contains only one of two.
        assert_eq!(
            encode(&[("text", "a"), ("text", "b"), ("txt", "c")]),
            r#"[["text","a"],["text","b"],["txt","c"]]"#
        );
    }
}
