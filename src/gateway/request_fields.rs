//! The fields of a request, as they are stored for people to read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
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

/// The fields of a JSON body, with names such as `to[0].email`. The fields in `omitted` are `null`, because the stored
/// messages contain them.
pub(super) fn json_to_fields(body: &[u8], omitted: &[&str]) -> String {
    let mut fields = JsonFields {
        omitted,
        fields: Vec::new(),
    };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    // The body was decoded before, so that it is JSON.
    let _ = JsonField(&mut fields, String::new()).deserialize(&mut json);
    Value::Array(fields.fields).to_string()
}

/// The most fields of a JSON body that are stored.
const MAX_JSON_FIELDS: usize = 10_000;
/// The longest name of such a field, in bytes. Names contain those of all levels above.
const MAX_JSON_NAME: usize = 200;
const OMITTED_FIELDS: &str = "…";

struct JsonFields<'a> {
    omitted: &'a [&'a str],
    fields: Vec<Value>,
}

impl JsonFields<'_> {
    fn push(&mut self, name: &str, value: impl Into<Value>) {
        if self.fields.len() < MAX_JSON_FIELDS {
            self.fields.push(json!([name, value.into()]));
        } else if self.fields.len() == MAX_JSON_FIELDS {
            self.fields.push(json!([OMITTED_FIELDS, ""]));
        }
    }

    fn is_full(&self) -> bool {
        self.fields.len() > MAX_JSON_FIELDS
    }
}

/// Reads one value, which has this name, without keeping more of it than is stored.
struct JsonField<'a, 'b>(&'a mut JsonFields<'b>, String);

impl<'de> DeserializeSeed<'de> for JsonField<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_full() {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        if let Some((end, _)) = self.1.char_indices().find(|(at, _)| *at > MAX_JSON_NAME) {
            let name = format!("{}…", &self.1[..end]);
            self.0.push(&name, OMITTED_FIELDS);
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonField<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self(fields, parent) = self;
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            let name = match parent.as_str() {
                "" => key.into_owned(),
                parent => format!("{parent}.{key}"),
            };
            entries.next_value_seed(JsonField(fields, name))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self(fields, parent) = self;
        let mut index = 0;
        while (entries.next_element_seed(JsonField(fields, format!("{parent}[{index}]")))?)
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let Self(fields, name) = self;
        if name.starts_with("attachments[") && name.ends_with("].fileContent") {
            fields.push(&name, base64_size(text));
        } else if !text.is_empty() && fields.omitted.contains(&&*name) {
            fields.push(&name, Value::Null);
        } else {
            fields.push(&name, text);
        }
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(&self.1, value.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push(&self.1, value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.push(&self.1, value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.push(&self.1, value.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(&self.1, "null");
        Ok(())
    }
}

fn base64_size(content: &str) -> String {
    format!("({} characters of base64)", content.len())
}

fn encode(form: &[(String, String)], is_omitted: impl Fn(&str) -> bool) -> String {
    let pair = |(name, value): &(String, String)| {
        if name.starts_with("files[") && name.ends_with("[content]") {
            json!([name, base64_size(value)])
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

    #[test]
    fn json_becomes_a_flat_list() {
        let body = r#"{"to": [{"email": "a@x", "vars": {"n": 1}}], "content": {"html": "<p>", "text": ""}, "tags": [],
            "attachments": [{"fileContent": "AAAA", "inline": true}], "replyTo": null}"#;
        assert_eq!(
            json_to_fields(body.as_bytes(), &["content.html", "content.text"]),
            r#"[["to[0].email","a@x"],["to[0].vars.n","1"],["content.html",null],["content.text",""],"#
                .to_owned()
                + r#"["attachments[0].fileContent","(4 characters of base64)"],["attachments[0].inline","true"],"#
                + r#"["replyTo","null"]]"#
        );
        assert_eq!(
            json_to_fields(body.as_bytes(), &[]).matches("<p>").count(),
            1
        );
    }

    #[test]
    fn long_and_many_json_fields_are_not_stored() {
        let name = "n".repeat(100_000);
        let deep = format!(
            "{}1{}",
            format!(r#"{{"{name}":"#).repeat(50),
            "}".repeat(50)
        );
        assert!(json_to_fields(deep.as_bytes(), &[]).len() < 300);
        let deep = format!(
            "{{\"a\": 1, \"b\": {}{}}}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        let fields = json_to_fields(deep.as_bytes(), &[]);
        assert!(fields.starts_with(r#"[["a","1"],["b[0][0]"#), "{fields}");
        assert!(fields.len() < 1000, "{fields}");
        let many = format!("{{\"a\": [{}]}}", vec!["0"; 50_000].join(","));
        let fields = json_to_fields(many.as_bytes(), &[]);
        assert!(fields.ends_with(r#"["a[9999]","0"],["…",""]]"#));
    }
}
