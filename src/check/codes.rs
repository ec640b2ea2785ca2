//! The codes of findings that are no rule's: what has them can't be sent or read at all, so that they
//! can't be turned off.

/// A code, and what has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, such as `bad-address`.
    pub code: &'static str,
    /// What has it.
    pub finds: &'static str,
}

const fn code(code: &'static str, finds: &'static str) -> Code {
    Code { code, finds }
}

/// Those of the campaign first, then those of rows.
const CODES: &[Code] = &[
    code(
        "no-campaign",
        "there is no campaign.toml, or it can't be read",
    ),
    code("bad-toml", "a campaign.toml that is not TOML"),
    code("unknown-key", "a key of campaign.toml that means nothing"),
    code(
        "missing-key",
        "a key of campaign.toml that has to be there and is not",
    ),
    code("bad-value", "a value of campaign.toml that can't be meant"),
    code(
        "no-file",
        "a file that the campaign names and that is not there",
    ),
    code("name-clash", "a name in `[vars]` that a column has too"),
    code("template-syntax", "a template that can't be read"),
    code("no-template", "a template's name that is that of no file"),
    code(
        "undefined-variable",
        "a template that uses what there is not",
    ),
    code("template-error", "a template that does not render"),
    code("html", "HTML that can't be worked on"),
    code(
        "over-limit",
        "a message that is longer or larger than the API takes, or a line break in a header",
    ),
    code(
        "attachment",
        "an attachment that is missing, or not inside the campaign's folder",
    ),
    code(
        "attachment-changed",
        "an attachment that has changed since the run was planned",
    ),
    code(
        "recipients",
        "recipients or a suppression list that can't be read, or read only by a guess",
    ),
    code(
        "bad-address",
        "no address, more than one, or one that can't be sent to",
    ),
    code(
        "field-count",
        "a row with more or fewer fields than the header has",
    ),
    code(
        "text-after-quote",
        "text between a closing quote and the delimiter",
    ),
    code("nul", "a NUL character in a cell"),
    code("duplicate", "the address of an earlier row"),
    code("suppressed", "an address on a suppression list"),
    code(
        "already-sent",
        "an address that has got the message from another run",
    ),
];

/// The codes of findings that are no rule's.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    CODES.iter()
}
