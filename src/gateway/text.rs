//! Texts cut to a length, and as the search has them.

pub(super) use crate::web::cut;

/// The text with the letter that the index does not take for the accented one that it is to Poles.
pub(super) fn folded(text: &str) -> String {
    text.replace('ł', "l").replace('Ł', "L")
}
