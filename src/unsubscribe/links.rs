//! The links of a run.

use super::{FeedbackKeys, PATH, TEST_TOKEN, UnsubscribeToken};
use crate::address::Address;
use crate::list_name::ListName;

/// Makes the links of a run.
#[derive(Debug)]
pub(crate) struct UnsubscribeLinks {
    /// Ends with a slash.
    base: String,
    list: ListName,
    run: String,
    /// `None` makes test links.
    keys: Option<FeedbackKeys>,
}

impl UnsubscribeLinks {
    /// `base` is the public URL of the server, with a slash at the end.
    pub(crate) fn new(base: &str, list: &ListName, run: &str, keys: Option<FeedbackKeys>) -> Self {
        Self {
            base: base.to_owned(),
            list: list.clone(),
            run: run.to_owned(),
            keys,
        }
    }

    pub(crate) fn of_row(&self, row: u32, address: &Address) -> String {
        let Some(keys) = &self.keys else {
            return test_link(&self.base);
        };
        let token = keys.token(&UnsubscribeToken {
            list: self.list.clone(),
            run: self.run.clone(),
            row,
            address: address.clone(),
        });
        format!("{}{PATH}/{token}", self.base)
    }
}

/// The link that unsubscribes nobody.
fn test_link(base: &str) -> String {
    format!("{base}{PATH}/{TEST_TOKEN}")
}

/// Whether an address is that of a link: of a recipient, or for tests.
pub(crate) fn is_link(base: &str, address: &str) -> bool {
    let path = address.strip_prefix(base);
    let token = path.and_then(|path| path.strip_prefix(PATH)?.strip_prefix('/'));
    token.is_some_and(|token| !token.is_empty())
}
