//! Calls libraries that read HTML: never with HTML over a limit, and a panic in one is an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::limits::HtmlLimit;
use super::nesting::check_limits;

/// Why HTML was not processed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprocessed {
    #[error(transparent)]
    Limit(#[from] HtmlLimit),
    /// With the message of the panic.
    #[error("mailrun can't process this HTML, because of a bug: {0}; please report the bug")]
    Panic(String),
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `process` if the HTML is within all limits.
///
/// # Errors
/// The limit that the HTML exceeds, or the panic of `process`.
pub(crate) fn guarded<T>(html: &str, process: impl FnOnce() -> T) -> Result<T, Unprocessed> {
    catch_panic(|| check_limits(html))??;
    catch_panic(process)
}

/// Calls `process`, and returns its panic as an error.
///
/// # Errors
/// The panic.
pub(crate) fn catch_panic<T>(process: impl FnOnce() -> T) -> Result<T, Unprocessed> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_guarded_panic() {
                report(panic);
            }
        }));
    });
    let outer = IS_GUARDED.replace(true);
    // Libraries keep no state between calls, so a panic leaves nothing half-done behind.
    let result = catch_unwind(AssertUnwindSafe(process));
    IS_GUARDED.set(outer);
    result.map_err(|panic| Unprocessed::Panic(message(&*panic)))
}

/// Whether a panic of this thread will be caught. Panic hooks leave it alone.
pub(crate) fn is_guarded_panic() -> bool {
    IS_GUARDED.get()
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let result = guarded("<p>", || -> u32 { panic!("it failed") });
        assert!(matches!(result, Err(Unprocessed::Panic(text)) if text == "it failed"));
        assert!(!is_guarded_panic());
        assert_eq!(guarded("<p>", || 1).expect("no panic"), 1);
    }
}
