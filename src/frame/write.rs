//! Writes a page within a time limit: escaping a long text without tags takes quadratic time.

use std::io::{self, Write};

use html2text::RcDom;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::html::MAX_TIME;

/// How many writes there are between two checks of the time.
const WRITES: u32 = 64;

/// Writes a page. The flag is false if the time limit ended it early, in a text or after a tag.
pub(super) fn page(dom: &RcDom, clock: &Clock) -> (String, bool) {
    let mut writer = LimitedWriter {
        bytes: Vec::new(),
        writes: 0,
        deadline: clock.now().checked_add(MAX_TIME).ok(),
        clock,
    };
    let is_whole = dom.serialize(&mut writer).is_ok();
    let mut text = String::from_utf8_lossy(&writer.bytes).into_owned();
    if !is_whole {
        // Text is escaped, so a `<` without a `>` begins an incomplete tag.
        let after_tag = text.rfind('>').map_or(0, |at| at + 1);
        let incomplete = text[after_tag..].find('<');
        text.truncate(incomplete.map_or(text.len(), |at| after_tag + at));
        // Ends the elements in which no other tag counts. Elsewhere these end tags have no effect.
        text.push_str("</style></title></textarea>");
    }
    (text, is_whole)
}

struct LimitedWriter<'a> {
    bytes: Vec<u8>,
    writes: u32,
    deadline: Option<Timestamp>,
    clock: &'a Clock,
}

impl Write for LimitedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes = self.writes.wrapping_add(1);
        if self.writes.is_multiple_of(WRITES)
            && self
                .deadline
                .is_some_and(|deadline| self.clock.now() > deadline)
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

    /// The page, written while each check of the time takes 20 ms.
    fn cut(html: &str) -> String {
        let checks = AtomicI64::new(0);
        let clock = Clock::new(move || {
            let millis = 20 * checks.fetch_add(1, Ordering::Relaxed);
            Timestamp::from_millisecond(millis).expect("a time")
        });
        let page = crate::frame::page(html, &|_| None, &clock);
        let before = page.strip_suffix(CUT).expect("the note at the end");
        let before = before.strip_suffix("</style></title></textarea>");
        before.expect("the end tags").to_owned()
    }

    #[test]
    fn writing_ends_at_its_deadline() {
        let many = "&x ".repeat(20_000);
        let text = cut(&format!("<p>one</p><p>{many}"));
        assert!(text.contains("<p>one</p><p>&amp;x &amp;x "), "{text}");
        assert!(text.len() < 60_000);
        // An incomplete tag is removed.
        let tag = cut(&format!("<p>one</p><p title='{many}'>two"));
        assert!(tag.ends_with("<p>one</p>"), "{tag}");
        assert!(cut(&format!("<title>{many}")).contains("<title>&amp;x "));
    }
}
