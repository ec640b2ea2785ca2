//! From a recipient to a message: the template engine and what is done with its output.

mod attachments;
mod bodies;
mod engine;
mod explain;
mod hints;
mod look;
mod mould;
mod over;
mod recorder;
mod skeleton;
mod slots;
mod tags;
mod templates;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod variables;

pub use attachments::Recorded;
pub use engine::{Engine, Inputs, Prepared, Row};
pub use look::{Looked, LookedHtml};
pub use text::{escaped, unescaped};
