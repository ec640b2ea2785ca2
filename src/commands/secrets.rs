//! The secrets of a campaign, from the environment or from a command.

use secrecy::SecretString;

use super::failure::Failure;
use super::secret_command::secret_from_command;
use crate::campaign::{ApiSettings, Campaign, SecretKey, SmtpSettings, TransportSettings};

pub(super) enum Secrets {
    Api(ApiKeys),
    /// The password, if there is a user name.
    Smtp(Option<SecretString>),
}

pub(super) struct ApiKeys {
    pub(super) app_key: SecretString,
    pub(super) secret_key: SecretString,
}

impl Secrets {
    /// # Errors
    /// Names the variables that are not set, or says why the command gave no secret.
    pub(super) fn load(campaign: &Campaign) -> Result<Self, Failure> {
        Ok(match &campaign.transport {
            TransportSettings::Api(api) => Self::Api(ApiKeys::load(api)?),
            TransportSettings::Smtp(smtp) => Self::Smtp(password(smtp)?),
        })
    }
}

fn password(smtp: &SmtpSettings) -> Result<Option<SecretString>, Failure> {
    if smtp.username.is_none() {
        return Ok(None);
    }
    let password = match &smtp.password {
        SecretKey::Env(name) => variable(name).ok_or_else(|| {
            Failure::with_help(
                "no-keys",
                format!("the SMTP password is missing: {name} is not set"),
                "set the environment variable or `password_command`, or rehearse without a password: `mailrun send … --local`",
            )
        })?,
        SecretKey::Command(command) => secret_from_command("password_command", command)?,
    };
    Ok(Some(password.into()))
}

impl ApiKeys {
    /// # Errors
    /// Names the variables that are not set, or says why the command gave no key.
    pub(super) fn load(api: &ApiSettings) -> Result<Self, Failure> {
        let secret_key_env = match &api.secret_key {
            SecretKey::Env(name) => Some(name),
            SecretKey::Command(_) => None,
        };
        let names = [Some(&api.app_key_env), secret_key_env];
        let missing: Vec<&str> = names
            .into_iter()
            .flatten()
            .filter(|name| variable(name).is_none())
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            return Err(Failure::with_help(
                "no-keys",
                format!(
                    "the API keys are missing: {} {verb} not set",
                    missing.join(" and ")
                ),
                "set the environment variables, or rehearse without keys: `mailrun send … --local`",
            ));
        }
        let secret_key = match &api.secret_key {
            SecretKey::Env(name) => variable(name).unwrap_or_default(),
            SecretKey::Command(command) => secret_from_command("secret_key_command", command)?,
        };
        Ok(Self {
            app_key: variable(&api.app_key_env).unwrap_or_default().into(),
            secret_key: secret_key.into(),
        })
    }
}

/// The value of an environment variable, unless it is blank.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}
