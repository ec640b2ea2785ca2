//! Who may send through which account.

use std::collections::BTreeMap;

use super::config::AccountConfig;
use super::senders::Senders;
use crate::address::Address;

/// The senders of each account. Without any account, everyone may send through every account.
#[derive(Debug, Clone, Default)]
pub struct Permits(BTreeMap<String, Senders>);

/// Why a request may not send through an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    #[error("SMTP account is not valid: there is no {0}")]
    Account(String),
    #[error("Sender address is not valid: {address} may not send through {account}")]
    Sender { address: String, account: String },
}

impl Permits {
    pub fn of(accounts: &[AccountConfig]) -> Self {
        let senders = |account: &AccountConfig| (account.name.clone(), account.senders.clone());
        Self(accounts.iter().map(senders).collect())
    }

    pub fn accounts(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether messages are relayed at all.
    pub fn relays(&self) -> bool {
        !self.0.is_empty()
    }

    /// Checks that the author and the envelope sender may use an account.
    ///
    /// # Errors
    /// There is no such account, or it is not for one of these senders.
    pub(crate) fn check(&self, account: &str, senders: [&Address; 2]) -> Result<(), NotPermitted> {
        if !self.relays() {
            return Ok(());
        }
        let unknown = || NotPermitted::Account(account.to_owned());
        let permitted = self.0.get(account).ok_or_else(unknown)?;
        match senders.into_iter().find(|sender| !permitted.allow(sender)) {
            None => Ok(()),
            Some(sender) => Err(NotPermitted::Sender {
                address: sender.as_str().to_owned(),
                account: account.to_owned(),
            }),
        }
    }
}
