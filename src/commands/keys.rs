//! The keys, from where the campaign says that they are.

use std::process::{Command, Stdio};

use secrecy::SecretString;

use super::failure::Failure;
use crate::campaign::{Api, SecretKey};

/// The login of the API.
pub(super) struct Keys {
    pub(super) app_key: SecretString,
    pub(super) secret_key: SecretString,
}

/// Finds the keys.
///
/// # Errors
/// Which variables are missing, or why the command gave no key.
pub(super) fn keys(api: &Api) -> Result<Keys, Failure> {
    let app_key = variable(&api.app_key_env);
    let secret_env = match &api.secret_key {
        SecretKey::Env(name) => Some(name),
        SecretKey::Command(_) => None,
    };
    let missing: Vec<&str> = [Some(&api.app_key_env), secret_env]
        .into_iter()
        .flatten()
        .filter(|name| variable(name).is_none())
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "the API's keys are missing: {} not set",
            is_or_are(&missing)
        );
        let help =
            "set the environment variables, or rehearse without keys: `mailrun send … --local`";
        return Err(Failure::with_help("no-keys", message, help));
    }
    let secret_key = match &api.secret_key {
        SecretKey::Env(name) => variable(name).unwrap_or_default(),
        SecretKey::Command(command) => from_command("secret_key_command", command)?,
    };
    Ok(Keys {
        app_key: app_key.unwrap_or_default().into(),
        secret_key: secret_key.into(),
    })
}

fn is_or_are(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        names => format!("{} are", names.join(" and ")),
    }
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

/// A secret from the standard output of a command, which a file names by `key`.
pub(super) fn from_command(key: &str, command: &[String]) -> Result<String, Failure> {
    let failed = |why: String| Failure::new("no-keys", format!("`{key}` gave no secret: {why}"));
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| failed("it is empty".to_owned()))?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let output = output.map_err(|error| failed(format!("{program}: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("{program} ended with {}", output.status)));
    }
    let key = String::from_utf8(output.stdout)
        .map_err(|_| failed(format!("{program} wrote something that is not text")))?;
    let key = key.trim_end_matches(['\r', '\n']);
    if key.is_empty() {
        Err(failed(format!("{program} wrote nothing")))
    } else {
        Ok(key.to_owned())
    }
}
