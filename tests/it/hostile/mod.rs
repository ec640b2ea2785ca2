//! Hostile and extreme input: an error or a message, never a crash.

mod html;
mod paths;
