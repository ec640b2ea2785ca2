//! mailrun
fn main() {}
