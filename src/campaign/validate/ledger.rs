//! `[ledger]`, validated.

use std::time::Duration;

use super::Validator;
use crate::campaign::{LedgerSettings, SecretKey, file};
use crate::finding::{Finding, Place};
use crate::ledger_url::LedgerUrl;

const MIN_LEASE: Duration = Duration::from_secs(2);
/// The environment variable with the password, as PostgreSQL's own programs have it.
const PASSWORD: &str = "PGPASSWORD";

impl Validator<'_> {
    /// `None` if the URL is invalid.
    pub(super) fn ledger(&mut self, ledger: file::LedgerTable) -> Option<LedgerSettings> {
        let lease = ledger.lease.map(|text| {
            let lease = self.duration(Some(&text), MIN_LEASE);
            if lease < MIN_LEASE {
                self.bad_value(
                    text.span(),
                    "`lease` is shorter than 2 seconds",
                    "write for example “60s”: a pause of the network must not end it",
                );
            }
            lease
        });
        let password = match ledger.password_command {
            Some(command) => self.secret_command("password_command", command),
            None => SecretKey::Env(PASSWORD.to_owned()),
        };
        let url = match LedgerUrl::parse(ledger.url.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                // Without an excerpt, because the URL may contain a password.
                let before = self.source.text.get(..ledger.url.span().start);
                let line = 1 + before.unwrap_or_default().matches('\n').count() as u64;
                let place = Place::file(&self.source.path).at_line(line);
                let finding = Finding::error("bad-value", place, error.message).help(error.help);
                self.findings.push(finding);
                return None;
            }
        };
        Some(LedgerSettings {
            url,
            password,
            lease,
        })
    }
}
