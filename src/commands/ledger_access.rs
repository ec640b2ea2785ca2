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

    /// Whether MAILRUN_LEDGER names a ledger.
    pub(super) fn is_in_environment() -> bool {
        variable(URL).is_some()
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_password_of_a_campaign_is_not_for_another_server() {
        let campaign = LedgerSettings {
            url: LedgerUrl::parse("postgres://localhost/campaign").expect("a URL"),
            password: SecretKey::Command(["echo", "hush"].map(str::to_owned).to_vec()),
            lease: None,
        };
        let find = |option| {
            let access = LedgerAccess::find(option, Some(&campaign));
            let access = access.ok().flatten().expect("a ledger");
            let password = access.password.map(|it| it.expose_secret().to_owned());
            (access.url.to_string(), password)
        };
        let hush = Some("hush".to_owned());
        assert_eq!(find(None), (campaign.url.to_string(), hush.clone()));
        let (url, password) = find(Some("postgres://localhost/option"));
        assert_eq!(url, "postgres://localhost/option");
        assert_ne!(password, hush);
    }
}
