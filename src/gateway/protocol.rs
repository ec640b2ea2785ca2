//! The two protocols of the API: forms below `/api/`, and JSON below `/v2.1/`.

use axum::http::StatusCode;

use crate::api::{Answer, Dialect, FormDialect, V2, V2Answer, V2Error};

/// The protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Forms,
    V2,
}

impl Protocol {
    pub(super) fn of_path(path: &str) -> Self {
        if path.starts_with("/v2.1/") {
            Self::V2
        } else {
            Self::Forms
        }
    }

    /// The media type of a request's body.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Forms => FormDialect::Sendmail.content_type(),
            Self::V2 => V2.content_type(),
        }
    }

    /// The body of an answer that refuses a whole request.
    pub(super) fn refusal(self, status: StatusCode, message: String, req_id: &str) -> Vec<u8> {
        let code = status.as_u16();
        match self {
            Self::Forms => Answer::error(code, message, req_id.to_owned()).encode(),
            Self::V2 => {
                let error = V2Error {
                    title: status.canonical_reason().unwrap_or_default().to_owned(),
                    message,
                    code: format!("E-0-{code}"),
                    value: String::new(),
                };
                let answer = V2Answer {
                    data: Vec::new(),
                    errors: vec![error],
                };
                answer.encode(code, req_id)
            }
        }
    }
}
