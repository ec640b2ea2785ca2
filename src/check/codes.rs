//! The codes of findings that no rule has. They can't be turned off: what they are about can't be read or sent.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingCode {
    /// The name that scripts use, such as `bad-address`.
    pub code: &'static str,
    /// The status of a row with this code in the results. Only findings about rows have one.
    pub status: Option<&'static str>,
    pub means: &'static str,
}

/// The code, the status or `-`, and the meaning, one code a line.
const CODES: &str = "\
no-campaign - `campaign.toml` is missing or can't be read
bad-toml - `campaign.toml` is not valid TOML
unknown-key - `campaign.toml` has a key that does not exist
missing-key - a required key of `campaign.toml` is missing
bad-value - `campaign.toml` has an invalid value
no-file - the campaign names a file that does not exist
no-list - the campaign names a kept list that does not exist
name-clash - a name in `[vars]` is also the name of a column
template-syntax - a template has a syntax error
mjml - a letter in MJML, or a file that it includes, has a mistake
template-encoding - a template is not UTF-8
recipients - the recipients or a suppression list can't be read, or only by a guess
no-template invalid a template names another one that does not exist
undefined-variable invalid a template uses an undefined variable
template-error invalid a template can't be rendered, or calls `throw`
html invalid the HTML can't be processed
over-limit invalid the message exceeds a limit of the API, or a header contains a line break
attachment invalid an attachment is missing or not inside the campaign's folder
attachment-changed invalid an attachment has changed since the run was planned
bad-address invalid an address is missing or invalid, or there is more than one
field-count invalid the row has more or fewer fields than the header
bad-json invalid the line of a JSON Lines file is not an object, or an object has a key twice
cell-error invalid a cell of a spreadsheet has an error, such as `#N/A`, or a formula that was never calculated
text-after-quote invalid there is text between a closing quote and the delimiter
nul invalid a cell contains a NUL character
hidden skipped the row is hidden in the sheet, by hand or by a filter
no-row-key invalid the row has no key, which `row_key` needs
grouped - the row is in the message of an earlier row of its address
duplicate skipped an earlier row has the same address
not-selected skipped `where` does not select the row
suppressed skipped the address is on a suppression list
already-sent skipped another run sent the message to this address, or may have sent it
forgotten skipped the person was forgotten before the message was sent";

/// All codes that no rule has: those of the campaign, then those of rows.
pub fn codes() -> impl Iterator<Item = FindingCode> {
    CODES.lines().filter_map(|line| {
        let (code, rest) = line.split_once(' ')?;
        let (status, means) = rest.split_once(' ')?;
        let status = (status != "-").then_some(status);
        Some(FindingCode {
            code,
            status,
            means,
        })
    })
}
