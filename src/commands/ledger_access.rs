//! Which ledger in PostgreSQL a command uses.

use secrecy::SecretString;

use super::failure::Failure;
use super::secret_command::secret_from_command;
use super::secrets::variable;
use crate::campaign::{LedgerSettings, SecretKey};
use crate::ledger_url::LedgerUrl;

/// The environment variable with the URL.
const URL: &str = "MAILRUN_LEDGER";
/// The environment variable with the password, unless the campaign has a `password_command`.
const PASSWORD: &str = "PGPASSWORD";

pub(super) struct LedgerAccess {
    pub(super) url: LedgerUrl,
    pub(super) password: Option<SecretString>,
}

impl LedgerAccess {
    /// The ledger of the option `--ledger`, of MAILRUN_LEDGER, or of the campaign: the first of them that there is.
    /// The campaign's `password_command` is only for its own URL.
    ///
    /// # Errors
    /// The URL is invalid, or the command gave no password.
    pub(super) fn find(
        option: Option<&str>,
        campaign: Option<&LedgerSettings>,
    ) -> Result<Option<Self>, Failure> {
        if let Some(url) = option {
            return Self::of(url, "--ledger").map(Some);
        }
        if let Some(url) = variable(URL) {
            return Self::of(&url, URL).map(Some);
        }
        let Some(campaign) = campaign else {
            return Ok(None);
        };
        let password = match &campaign.password {
            SecretKey::Env(name) => variable(name),
            SecretKey::Command(command) => Some(secret_from_command("password_command", command)?),
        };
        Ok(Some(Self {
            url: campaign.url.clone(),
            password: password.map(SecretString::from),
        }))
    }

    fn of(url: &str, place: &str) -> Result<Self, Failure> {
        let url = LedgerUrl::parse(url).map_err(|error| {
            Failure::with_help("ledger", format!("{place}: {error}"), error.help).usage()
        })?;
        Ok(Self {
            url,
            password: variable(PASSWORD).map(SecretString::from),
        })
    }
}
