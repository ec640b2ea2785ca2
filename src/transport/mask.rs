//! Masks keys in what a server answers: some servers repeat the request in an error.

use base64::Engine as _;
use bytes::Bytes;
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// Shorter keys would be found in ordinary text.
const MIN_LENGTH: usize = 6;
const MASK: &[u8] = b"***";

/// The secrets of the requests, in every form that an answer may have them.
pub(super) struct Mask(Vec<SecretString>);

impl Mask {
    pub(super) fn new(app_key: &SecretString, secret_key: &SecretString) -> Self {
        let secret = secret_key.expose_secret();
        let login = format!("{}:{secret}", app_key.expose_secret());
        let login = base64::engine::general_purpose::STANDARD.encode(login);
        let mut forms = Vec::new();
        for secret in [secret, login.as_str()] {
            let json = serde_json::Value::from(secret).to_string();
            let json = json.trim_matches('"').to_owned();
            // PHP escapes slashes in JSON.
            forms.push(json.replace('/', "\\/"));
            forms.push(json);
            forms.push(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
            forms.push(secret.to_owned());
        }
        forms.retain(|form| form.len() >= MIN_LENGTH);
        forms.sort();
        forms.dedup();
        // The longest first: one may contain another.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms.into_iter().map(SecretString::from).collect())
    }

    pub(super) fn bytes(&self, answer: Bytes) -> Bytes {
        self.0.iter().fold(answer, |answer, secret| {
            let secret = secret.expose_secret().as_bytes();
            if memmem::find(&answer, secret).is_none() {
                return answer;
            }
            let mut masked = Vec::with_capacity(answer.len());
            let mut copied = 0;
            for at in memmem::find_iter(&answer, secret) {
                masked.extend_from_slice(&answer[copied..at]);
                masked.extend_from_slice(MASK);
                copied = at + secret.len();
            }
            masked.extend_from_slice(&answer[copied..]);
            masked.into()
        })
    }

    pub(super) fn text(&self, text: String) -> String {
        let masked = self.bytes(text.into_bytes().into());
        String::from_utf8_lossy(&masked).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_in_every_form() {
        let mask = Mask::new(&"app".to_owned().into(), &"se/cr\"et".to_owned().into());
        for text in [
            "a se/cr\"et b",
            "a se/cr\\\"et b",
            "a se\\/cr\\\"et b",
            "a se%2Fcr%22et b",
        ] {
            assert_eq!(mask.text(text.to_owned()), "a *** b");
        }
        let login = base64::engine::general_purpose::STANDARD.encode("app:se/cr\"et");
        assert_eq!(mask.text(format!("Basic {login}")), "Basic ***");
        assert_eq!(mask.text("nothing".to_owned()), "nothing");
    }
}
