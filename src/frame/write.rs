//! A page written within bounds: to escape a long text without a tag takes a time that grows with its
//! square.

use std::io::{self, Write};

use html2text::RcDom;
use jiff::Timestamp;

use super::tree::MAX_TIME;
use crate::clock::Clock;

/// How much is written between two looks at the time.
const WRITES: u32 = 64;

/// Writes a page. False if it had to end before the page did; then it ends with a text or after a tag.
pub(super) fn page(dom: &RcDom, clock: &Clock) -> (String, bool) {
    let mut page = Page {
        bytes: Vec::new(),
        writes: 0,
        end: clock.now().checked_add(MAX_TIME).ok(),
        clock,
    };
    let whole = dom.serialize(&mut page).is_ok();
    let mut text = String::from_utf8_lossy(&page.bytes).into_owned();
    if !whole {
        // What stands for itself is escaped: a `<` without a `>` is a tag that is not closed.
        let after_tag = text.rfind('>').map_or(0, |at| at + 1);
        let begun = text[after_tag..].find('<');
        text.truncate(begun.map_or(text.len(), |at| after_tag + at));
        // In these no tag is one; elsewhere their ends say nothing.
        text.push_str("</style></title></textarea>");
    }
    (text, whole)
}

struct Page<'a> {
    bytes: Vec<u8>,
    writes: u32,
    end: Option<Timestamp>,
    clock: &'a Clock,
}

impl Write for Page<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes = self.writes.wrapping_add(1);
        if self.writes.is_multiple_of(WRITES) && self.end.is_some_and(|end| self.clock.now() > end)
        {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::frame::CUT;

    /// The page, written while the time goes on by 20 ms with each look.
    fn cut(html: &str) -> String {
        let looks = AtomicI64::new(0);
        let clock = Clock::new(move || {
            let millis = 20 * looks.fetch_add(1, Ordering::Relaxed);
            Timestamp::from_millisecond(millis).expect("a time")
        });
        let page = crate::frame::page(html, &|_| None, &clock);
        let before = page.strip_suffix(CUT).expect("it is cut, and says so");
        let before = before.strip_suffix("</style></title></textarea>");
        before.expect("what reads no tags is closed").to_owned()
    }

    #[test]
    fn writing_ends_in_time() {
        let many = "&x ".repeat(20_000);
        let text = cut(&format!("<p>one</p><p>{many}"));
        assert!(text.contains("<p>one</p><p>&amp;x &amp;x "), "{text}");
        assert!(text.len() < 60_000);
        // A tag that is not whole is left out.
        let tag = cut(&format!("<p>one</p><p title='{many}'>two"));
        assert!(tag.ends_with("<p>one</p>"), "{tag}");
        assert!(cut(&format!("<title>{many}")).contains("<title>&amp;x "));
    }
}
