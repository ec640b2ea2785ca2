//! The secrets of a campaign, from the environment or from a command.

use std::path::Path;

use secrecy::SecretString;

use super::failure::Failure;
use super::secret_command::secret_from_command;
use crate::campaign::{ApiSettings, Campaign, SecretKey, SmtpSettings, TransportSettings};
use crate::clock::Clock;
use crate::ledger::Target;
use crate::regular_file;
use crate::transport::{HttpSettings, HttpTransport, SetupError};
use crate::unsubscribe::FeedbackKeys;

/// The environment variable with the key of new links to unsubscribe,
const FEEDBACK_KEY: &str = "MAILRUN_FEEDBACK_KEY";
/// and the one with older keys, whose links still work.
const RETIRED_KEYS: &str = "MAILRUN_FEEDBACK_RETIRED_KEYS";
/// The largest file with a key, in bytes.
const MAX_KEY: u64 = 64 << 10;

pub(super) enum Secrets {
    Api(ApiKeys),
    Smtp(SmtpSecrets),
}

#[derive(Default)]
pub(super) struct SmtpSecrets {
    /// If there is a user name.
    pub(super) password: Option<SecretString>,
    /// The private key in PEM, if messages are signed.
    pub(super) dkim: Option<SecretString>,
}

pub(super) struct ApiKeys {
    pub(super) app_key: SecretString,
    pub(super) secret_key: SecretString,
}

impl Secrets {
    /// `folder` is that of the original campaign.
    ///
    /// # Errors
    /// Names the variables that are not set, or says why the command gave no secret.
    pub(super) fn load(campaign: &Campaign, folder: &Path) -> Result<Self, Failure> {
        Ok(match &campaign.transport {
            TransportSettings::Api(api) => Self::Api(ApiKeys::load(api)?),
            TransportSettings::Smtp(smtp) => Self::Smtp(SmtpSecrets {
                password: password(smtp)?,
                dkim: match &smtp.dkim {
                    Some(dkim) => Some(dkim_key(&folder.join(&dkim.key))?),
                    None => None,
                },
            }),
        })
    }
}

fn dkim_key(file: &Path) -> Result<SecretString, Failure> {
    let key = regular_file::read(file, MAX_KEY)
        .and_then(|key| String::from_utf8(key).map_err(std::io::Error::other));
    let key = key.map_err(|error| {
        Failure::with_help(
            "no-keys",
            format!("can't read the DKIM key {}: {error}", file.display()),
            "write the path of the private key, in PEM, in `key` of [smtp.dkim]",
        )
    })?;
    Ok(key.into())
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
    /// The settings are invalid.
    pub(super) fn transport(
        &self,
        api: &ApiSettings,
        concurrency: u32,
    ) -> Result<HttpTransport, SetupError> {
        HttpTransport::new(&HttpSettings {
            url: &api.url,
            dialect: api.dialect,
            smtp_account: &api.smtp_account,
            app_key: &self.app_key,
            secret_key: &self.secret_key,
            timeout: api.timeout,
            concurrency,
            clock: Clock::system(),
        })
    }

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

/// The keys that sign links to unsubscribe, if the messages of the run have such links. Tests and local runs have test
/// links.
///
/// # Errors
/// A key is missing or malformed.
pub(super) fn feedback_keys(
    campaign: &Campaign,
    target: Target,
) -> Result<Option<FeedbackKeys>, Failure> {
    match target {
        Target::Real if campaign.feedback.url.is_some() => load_feedback_keys().map(Some),
        Target::Real | Target::Local | Target::Test => Ok(None),
    }
}

/// # Errors
/// A key is missing or malformed.
pub(super) fn load_feedback_keys() -> Result<FeedbackKeys, Failure> {
    let newest = variable(FEEDBACK_KEY).ok_or_else(|| {
        Failure::with_help(
            "no-keys",
            format!("the key for links to unsubscribe is missing: {FEEDBACK_KEY} is not set"),
            "load the file that `mailrun init --feedback` wrote: `set -a; . CAMPAIGN/feedback.env; set +a`",
        )
    })?;
    let retired = variable(RETIRED_KEYS).unwrap_or_default();
    FeedbackKeys::parse(&newest, &retired).map_err(|error| {
        Failure::with_help(
            "no-keys",
            format!("{FEEDBACK_KEY} or {RETIRED_KEYS} is malformed: {error}"),
            "use the file that `mailrun init --feedback` wrote; `openssl rand -hex 32` makes a new key",
        )
    })
}

/// The value of an environment variable, unless it is blank.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}
