//! `GET emails`: looks up messages at the API, to find out whether it accepted a message whose response was
//! lost.

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, form};

/// The path below the API's base URL.
pub const EMAILS: &str = "emails";

/// The query for messages with this ID.
pub(super) fn emails_query(message_id: &str) -> String {
    let mut query = b"filter=message_id::".to_vec();
    form::encode_into(message_id.as_bytes(), &mut query);
    // Percent-encoded text is ASCII.
    String::from_utf8_lossy(&query).into_owned()
}

/// The list in a response.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Value,
}

/// The message IDs in the body of a successful response.
pub(super) fn emails_in(answer: &Answer, body: &[u8]) -> Vec<String> {
    rows_in(answer, body).iter().filter_map(id).collect()
}

/// The rows in the body of a successful response.
pub(super) fn rows_in(answer: &Answer, body: &[u8]) -> Vec<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match serde_json::from_slice::<List>(body) {
        Ok(list) if answer.is_success() => rows(list.data),
        _ => Vec::new(),
    }
}

/// A list of rows. An object is one row, or a list with gaps as PHP encodes it.
fn rows(data: Value) -> Vec<Value> {
    match data {
        Value::Array(rows) => rows,
        Value::Object(row) if row.contains_key("message_id") || row.contains_key("email") => {
            vec![Value::Object(row)]
        }
        Value::Object(rows) => rows.into_iter().map(|(_, row)| row).collect(),
        _ => Vec::new(),
    }
}

fn id(row: &Value) -> Option<String> {
    row.get("message_id")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Vec<String> {
        let answer = Answer::decode(body.as_bytes()).expect("the API's JSON");
        emails_in(&answer, body.as_bytes())
    }

    #[test]
    fn an_id_cannot_add_a_filter() {
        assert_eq!(
            emails_query("0a.1.2@sender.example"),
            "filter=message_id::0a.1.2%40sender.example"
        );
        assert_eq!(
            emails_query("a|to::b&limit=9#+ %"),
            "filter=message_id::a%7Cto%3A%3Ab%26limit%3D9%23%2B%20%25"
        );
    }

    #[test]
    fn ids_are_read_from_every_list_that_php_writes() {
        let list = r#"{"code":200,"status":"success","number_of_elements":2,"data":[{"id":"1","message_id":"a@x","to":"b@y"},{"message_id":"c@x"}]}"#;
        assert_eq!(ids(list), ["a@x", "c@x"]);
        let gaps = r#"{"code":"200","status":"success","data":{"3":{"message_id":"a@x"}}}"#;
        assert_eq!(ids(gaps), ["a@x"]);
        let one = "\u{feff}{\"code\":200,\"status\":\"success\",\"data\":{\"message_id\":\"a@x\"}}";
        assert_eq!(ids(one), ["a@x"]);
    }

    #[test]
    fn other_values_have_no_ids() {
        for body in [
            r#"{"code":200,"status":"success","data":[]}"#,
            r#"{"code":200,"status":"success"}"#,
            r#"{"code":200,"status":"success","data":[{"message_id":7},{"message_id":null},"a@x",{"subject":"a@x"}]}"#,
            r#"{"code":404,"status":"error","message":"No items","data":[{"message_id":"a@x"}]}"#,
            r#"{"code":200,"status":"error","data":[{"message_id":"a@x"}]}"#,
        ] {
            assert_eq!(ids(body), [""; 0], "{body}");
        }
    }
}
