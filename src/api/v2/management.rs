//! The other endpoints of the API v2.1: the queries of lists, templates, and blacklists.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::blacklist::{BlacklistEntry, BlacklistReason};
use super::super::form;
use super::super::list::{DEFAULT_LIMIT, ListError, ListQuery, number};
use super::posted::{List, Record, V2DecodeError, decode_json, nullable};
use crate::address::Address;

/// The most rows of a list (vendor's documentation).
const MAX_LIMIT: u32 = 1000;
/// The longest account, template ID and template name, in bytes.
const MAX_NAME: usize = 255;
/// The longest comment of a blacklist, in bytes.
const MAX_COMMENT: usize = 1000;

impl ListQuery {
    /// Decodes the query of a URL of the API v2.1. `filters` are the names in the query, each with its field. Others
    /// are ignored.
    ///
    /// # Errors
    /// If a value is invalid.
    pub fn decode_v2(query: &str, filters: &[(&str, &str)]) -> Result<Self, ListError> {
        let mut list = Self {
            offset: 0,
            limit: DEFAULT_LIMIT,
            sort: None,
            filters: Vec::new(),
            from_time: None,
        };
        for (name, value) in form::pairs(query.as_bytes())? {
            match name.as_str() {
                _ if value.is_empty() => {}
                "offset" => list.offset = number("offset", &value, u32::MAX)?,
                "limit" => list.limit = number("limit", &value, MAX_LIMIT)?,
                _ => {
                    let Some((_, field)) = filters.iter().find(|(known, _)| *known == name) else {
                        continue;
                    };
                    list.filters.retain(|(known, _)| known != field);
                    let value = match *field {
                        "message_id" => without_brackets(&value).to_owned(),
                        _ => value,
                    };
                    list.filters.push(((*field).to_owned(), value));
                }
            }
        }
        Ok(list)
    }
}

fn without_brackets(id: &str) -> &str {
    let inside = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    inside.unwrap_or(id)
}

/// A template of an account, to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct V2Template {
    #[serde(default, deserialize_with = "nullable")]
    pub smtp_account: String,
    /// The ID that the client chose. May be empty.
    #[serde(default, deserialize_with = "nullable")]
    pub external_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub html: String,
    #[serde(default, deserialize_with = "nullable")]
    pub text: String,
}

impl V2Template {
    /// # Errors
    /// If a field is missing, too long or has a wrong type.
    pub fn decode(body: &[u8]) -> Result<Self, V2DecodeError> {
        let Record(template) = decode_json::<Record<Self>>(body)?;
        required("smtpAccount", &template.smtp_account)?;
        short("externalId", &template.external_id)?;
        short("name", &template.name)?;
        if template.html.is_empty() && template.text.is_empty() {
            return Err(V2DecodeError::new(
                "the html is missing, and so is the text",
            ));
        }
        Ok(template)
    }
}

/// The IDs of templates to be deleted.
///
/// # Errors
/// If the body is not valid.
pub fn v2_external_ids(body: &[u8]) -> Result<Vec<String>, V2DecodeError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Posted {
        #[serde(default)]
        external_id: List<String>,
    }
    let Record(posted) = decode_json::<Record<Posted>>(body)?;
    not_empty("externalId", posted.external_id.0)
}

/// The addresses or domains to be removed from a blacklist.
///
/// # Errors
/// If the body is not valid.
pub fn v2_ids(body: &[u8]) -> Result<Vec<String>, V2DecodeError> {
    #[derive(Deserialize)]
    struct Posted {
        #[serde(default)]
        id: List<String>,
    }
    let Record(posted) = decode_json::<Record<Posted>>(body)?;
    not_empty("id", posted.id.0)
}

/// The domains to be blocked: `{"domain": "x.example"}`, or a list of domains.
///
/// # Errors
/// If the body is not valid.
pub fn v2_domains(body: &[u8]) -> Result<Vec<String>, V2DecodeError> {
    #[derive(Deserialize)]
    struct Posted {
        #[serde(default, deserialize_with = "nullable")]
        domain: String,
    }
    let is_list = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_list {
        return not_empty("list of domains", decode_json::<List<String>>(body)?.0);
    }
    let Record(posted) = decode_json::<Record<Posted>>(body)?;
    required("domain", &posted.domain)?;
    Ok(vec![posted.domain])
}

/// A domain in the form in which it is compared. `None` if it is not the domain of addresses.
pub fn v2_domain(text: &str) -> Option<String> {
    let text = text.trim();
    if text.contains(['@', '"']) {
        return None;
    }
    let address = Address::parse(&format!("postmaster@{text}")).ok()?;
    Some(address.ascii_domain().to_owned())
}

impl BlacklistEntry {
    /// Decodes a body of the API v2.1.
    ///
    /// # Errors
    /// If a field is missing or invalid.
    pub fn decode_v2(body: &[u8]) -> Result<Self, V2DecodeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Posted {
            #[serde(default, deserialize_with = "nullable")]
            email: String,
            #[serde(default, deserialize_with = "nullable")]
            smtp_account: String,
            reason: Option<String>,
            #[serde(default, deserialize_with = "nullable")]
            comment: String,
        }
        let Record(posted) = decode_json::<Record<Posted>>(body)?;
        required("smtpAccount", &posted.smtp_account)?;
        if posted.email.is_empty() {
            return Err(V2DecodeError::new("the email is missing"));
        }
        let email = Address::parse(&posted.email)
            .map_err(|error| V2DecodeError::new(format!("the email is not an address: {error}")))?;
        let mut reasons = BlacklistReason::ALL.into_iter();
        let reason = match posted.reason.as_deref() {
            None => Some(BlacklistReason::Other),
            Some(name) => reasons.find(|reason| reason.as_str() == name),
        };
        let Some(reason) = reason else {
            let reasons = "the reason must be unsubscribe, hardbounce, spam_complaint or other";
            return Err(V2DecodeError::new(reasons));
        };
        if posted.comment.len() > MAX_COMMENT {
            let problem = format!("the comment has more than {MAX_COMMENT} bytes");
            return Err(V2DecodeError::new(problem));
        }
        Ok(Self {
            account: posted.smtp_account,
            email,
            reason,
            comment: posted.comment,
            source: String::new(),
        })
    }

    /// The entry as the API v2.1 returns it, without its time.
    pub fn v2_entry(&self) -> Value {
        json!({
            "email": self.email.normalized(),
            "smtpAccount": self.account,
            "reason": self.reason.as_str(),
            "comment": self.comment,
        })
    }
}

fn required(field: &str, text: &str) -> Result<(), V2DecodeError> {
    if text.is_empty() {
        return Err(V2DecodeError::new(format!("the {field} is missing")));
    }
    short(field, text)
}

fn short(field: &str, text: &str) -> Result<(), V2DecodeError> {
    match text.len() > MAX_NAME {
        true => Err(V2DecodeError::new(format!(
            "the {field} has {} bytes; the maximum is {MAX_NAME}",
            text.len()
        ))),
        false => Ok(()),
    }
}

fn not_empty(field: &str, list: Vec<String>) -> Result<Vec<String>, V2DecodeError> {
    match list.is_empty() {
        true => Err(V2DecodeError::new(format!(
            "the {field} is empty or missing"
        ))),
        false => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let filters = [("smtpAccount", "account"), ("messageId", "message_id")];
        let query = "limit=1000&offset=7&messageId=%3Ca%40x%3E&smtpAccount=1&smtpAccount=2&to=ignored&getFullDate=1";
        let list = ListQuery::decode_v2(query, &filters).expect("a query");
        assert_eq!((list.limit, list.offset), (1000, 7));
        let expected = [("message_id", "a@x"), ("account", "2")];
        assert_eq!(
            list.filters,
            expected.map(|(f, v)| (f.to_owned(), v.to_owned()))
        );
        assert!(ListQuery::decode_v2("limit=1001", &filters).is_err());
    }

    #[test]
    fn domains_are_normalized() {
        for (text, expected) in [
            ("Example.COM", Some("example.com")),
            ("a@example.com", None),
            ("", None),
            ("two words.example", None),
        ] {
            assert_eq!(v2_domain(text).as_deref(), expected, "{text}");
        }
        let address = Address::parse("Ann@EXAMPLE.com").expect("an address");
        assert_eq!(
            Some(address.ascii_domain()),
            v2_domain("example.com").as_deref()
        );
        let address = Address::parse("ann@żółw.example").expect("an address");
        assert_eq!(
            Some(address.ascii_domain()),
            v2_domain("xn--w-uga1v8h.example").as_deref()
        );
    }
}
