//! The decision about a row: whether it gets a message, and why not.

use std::fmt;

use crate::finding::Finding;
use crate::ledger::Status;
use crate::list_name::ListName;
use crate::recipients::RowFault;
use crate::suppression::Reason;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExclusionReason {
    /// The row is hidden in its sheet.
    Hidden,
    /// This expression does not select the row.
    NotSelected(&'static str),
    /// The address is on this kept list.
    OnList(ListName, Reason),
    /// The address is in this suppression file.
    Suppressed(String),
    /// This earlier row has the same address, and the same key if rows have one.
    Duplicate(u32),
    /// It is in the message of this earlier row.
    Grouped(u32),
}

impl ExclusionReason {
    pub(crate) const SUPPRESSED: &str = "suppressed";
    pub(crate) const NOT_SELECTED: &str = "not-selected";
    pub(crate) const DUPLICATE: &str = "duplicate";
    pub(crate) const GROUPED: &str = "grouped";
    pub(crate) const HIDDEN: &str = "hidden";
    pub(crate) const CODES: [&str; 5] = [
        Self::SUPPRESSED,
        Self::NOT_SELECTED,
        Self::DUPLICATE,
        Self::GROUPED,
        Self::HIDDEN,
    ];

    /// A stable name for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::OnList(..) | Self::Suppressed(_) => Self::SUPPRESSED,
            Self::Duplicate(_) => Self::DUPLICATE,
            Self::Grouped(_) => Self::GROUPED,
            Self::NotSelected(_) => Self::NOT_SELECTED,
            Self::Hidden => Self::HIDDEN,
        }
    }
}

impl fmt::Display for ExclusionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSelected(expression) => write!(f, "not selected by `{expression}`"),
            Self::OnList(list, reason) => {
                write!(f, "on the list {list}: {}", reason.description())
            }
            Self::Suppressed(file) => write!(f, "on the suppression list {file}"),
            Self::Hidden => f.write_str("the row is hidden in the sheet"),
            Self::Duplicate(earlier) => write!(f, "duplicate of row {earlier}"),
            Self::Grouped(first) => write!(f, "in the message of row {first}"),
        }
    }
}

/// A row that gets no message.
pub(crate) struct LeftOutRow {
    /// `invalid` or `skipped`.
    pub(crate) status: Status,
    /// A stable name for scripts.
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    /// The earlier row that has its address.
    pub(crate) duplicate_of: Option<u32>,
}

impl LeftOutRow {
    /// The code of a row whose key is empty.
    pub(crate) const NO_KEY: &str = "no-row-key";

    /// A row for which the expression of `where` can't be computed.
    pub(crate) fn undecided(finding: &Finding) -> Self {
        Self {
            status: Status::Invalid,
            code: finding.code,
            reason: finding.message.clone(),
            duplicate_of: None,
        }
    }
}

impl From<&RowFault> for LeftOutRow {
    fn from(fault: &RowFault) -> Self {
        Self {
            status: Status::Invalid,
            code: fault.code(),
            reason: fault.to_string(),
            duplicate_of: None,
        }
    }
}

impl From<ExclusionReason> for LeftOutRow {
    fn from(reason: ExclusionReason) -> Self {
        Self {
            status: Status::Skipped,
            code: reason.code(),
            reason: reason.to_string(),
            duplicate_of: match reason {
                ExclusionReason::Duplicate(earlier) => Some(earlier),
                _ => None,
            },
        }
    }
}

/// The decision about a row.
pub(crate) enum Decision {
    Send,
    LeaveOut(LeftOutRow),
    /// It is in the message of this earlier row.
    Join(u32),
    /// It should be in the message of this earlier row, but it is invalid, and so is the message.
    Spoil(u32, LeftOutRow),
    /// An expression can't be computed for it.
    Fail(Box<Finding>),
}

impl From<ExclusionReason> for Decision {
    fn from(reason: ExclusionReason) -> Self {
        Self::LeaveOut(reason.into())
    }
}
