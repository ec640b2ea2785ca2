//! From a recipient to a message: the template engine and what is done with its output.

mod attachments;
mod bodies;
mod engine;
mod explain;
mod hints;
mod holes;
mod look;
mod mould;
mod over;
mod recorder;
mod selectors;
mod shape;
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
pub use holes::{Hole, MARK, before_marks, fill, is_marked, values_in};
pub use look::{Looked, LookedHtml};
pub use shape::for_outlook;
pub use text::{escaped, unescaped};
