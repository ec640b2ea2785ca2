//! Hostile and extreme input: an error or a message, never a crash.

mod answers;
mod files;
mod html;
mod limits;
mod paths;
mod terminal;
