//! Letters put into the outbox of a local run, one file each.

use axum::http::StatusCode;

use super::answers::Refusal;
use super::maildir::Maildir;
use super::sendmail::{Letter, Post, Prepared};
use crate::api::{DecodeError, Dialect, Request, form};

/// What became of one recipient.
enum Outcome {
    /// Stored; its message ID.
    Taken(String),
    /// The reason why it never can be.
    Refused(String),
    /// The reason why it could not be stored.
    NotStored(String),
}

/// Takes a form's body. Each recipient's address comes with its message ID, or with the reason
/// why it gets no message.
///
/// # Errors
/// A refusal of the whole request: nothing of it was stored.
pub(super) fn take(
    post: &Post,
    outbox: &Maildir,
    dialect: Dialect,
    body: &[u8],
) -> Result<Vec<(String, String)>, Refusal> {
    let form = form::pairs(body).map_err(DecodeError::from)?;
    let request = Request::from_pairs(form, dialect)?;
    let mut prepared = post.prepare(dialect, request)?;
    let letters = std::mem::take(&mut prepared.letters);
    let outcomes: Vec<_> = letters
        .into_iter()
        .map(|letter| deliver(outbox, &prepared, letter))
        .collect();
    if let Some(reason) = nothing_stored(&outcomes) {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
    }
    let addresses = prepared
        .request
        .to
        .into_iter()
        .map(|recipient| recipient.address.into_owned());
    Ok(addresses
        .zip(outcomes.into_iter().map(Outcome::into_value))
        .collect())
}

fn deliver(outbox: &Maildir, prepared: &Prepared, letter: Result<Letter, String>) -> Outcome {
    let letter = match letter {
        Ok(letter) => letter,
        Err(reason) => return Outcome::Refused(reason),
    };
    let Prepared { draft, now, .. } = prepared;
    let pieces = [
        &*draft.trace(&letter.to),
        &draft.message(&letter.to, &letter.message_id, *now),
    ];
    match outbox.store(&pieces, *now) {
        Ok(_) => Outcome::Taken(letter.message_id),
        Err(error) => Outcome::NotStored(format!("The message could not be stored: {error}")),
    }
}

/// Why no message was stored, where that is the gateway's fault: then all can be posted again.
fn nothing_stored(outcomes: &[Outcome]) -> Option<String> {
    if outcomes
        .iter()
        .any(|outcome| matches!(outcome, Outcome::Taken(_)))
    {
        return None;
    }
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::NotStored(reason) => Some(reason.clone()),
        _ => None,
    })
}

impl Outcome {
    fn into_value(self) -> String {
        match self {
            Self::Taken(value) | Self::Refused(value) | Self::NotStored(value) => value,
        }
    }
}
