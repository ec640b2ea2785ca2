//! The output of a template, up to a size: a loop could fill the memory.

use std::io::{self, Write};

use tera::{Context, Tera, TeraResult};

/// The most bytes that a template may write. A message may have 15,000,000.
pub(super) const MAX_OUTPUT: usize = 16 << 20;

/// # Errors
/// If an output of this length is too long. Tera keeps only the kind of the error.
pub(super) fn check(length: usize) -> io::Result<()> {
    match length > MAX_OUTPUT {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(()),
    }
}

/// Renders a template as text.
pub(super) fn render(tera: &Tera, name: &str, context: &Context) -> TeraResult<String> {
    let mut output = LimitedOutput::default();
    tera.render_to(name, context, &mut output)?;
    Ok(String::from_utf8(output.0)?)
}

/// Renders part of a template.
pub(super) fn render_part(
    tera: &Tera,
    part: &str,
    context: &Context,
    escape: bool,
) -> TeraResult<String> {
    let mut output = LimitedOutput::default();
    tera.render_str_to(part, context, escape, &mut output)?;
    Ok(String::from_utf8(output.0)?)
}

#[derive(Default)]
struct LimitedOutput(Vec<u8>);

impl Write for LimitedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check(self.0.len() + bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
