//! The blacklist of an account, read and added to through the API.

use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use super::entry::Reason;
use crate::api::{
    BlacklistEntry, BlacklistOutcome, BlacklistReason, BlockOutcome, BlockedAddress, Dialect,
};
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::outcome::one_line;
use crate::pace::{SpacedLimit, backoff};
use crate::transport::{HttpTransport, PostError};

/// The longest wait after the first answer that could not be used.
const FIRST_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct ApiBlacklist {
    pub(crate) transport: HttpTransport,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) smtp_account: String,
    pub(crate) retry: RetrySettings,
    pub(crate) limit: SpacedLimit,
    pub(crate) clock: Clock,
}

/// The API did not answer, or refuses everything.
#[derive(Debug, thiserror::Error)]
#[error("the API's blacklist: {0}")]
pub(crate) struct BlacklistError(String);

impl Reason {
    pub(crate) fn of_blacklist(reason: BlacklistReason) -> Self {
        match reason {
            BlacklistReason::Unsubscribe => Self::Unsubscribe,
            BlacklistReason::Hardbounce => Self::HardBounce,
            BlacklistReason::SpamComplaint => Self::Complaint,
            BlacklistReason::Other => Self::Imported,
        }
    }

    pub(crate) fn for_blacklist(self) -> BlacklistReason {
        match self {
            Self::Unsubscribe => BlacklistReason::Unsubscribe,
            Self::HardBounce => BlacklistReason::Hardbounce,
            Self::Complaint => BlacklistReason::SpamComplaint,
            Self::SoftBounces | Self::Manual | Self::Imported => BlacklistReason::Other,
        }
    }
}

impl ApiBlacklist {
    /// Reads all addresses.
    ///
    /// # Errors
    /// The API does not answer.
    pub(crate) async fn read(&mut self) -> Result<Vec<BlockedAddress>, BlacklistError> {
        let list = self.dialect.blacklist(&self.smtp_account);
        let mut blocked = Vec::new();
        let (mut offset, mut before) = (0, String::new());
        loop {
            match self.page(&list.page(offset)).await? {
                (0, ..) => return Ok(blocked),
                // The API ignores the offset: this is the whole list.
                (_, first, _) if first == before => return Ok(blocked),
                (rows, first, addresses) => {
                    blocked.extend(addresses);
                    offset += rows;
                    before = first;
                }
            }
        }
    }

    /// The number of rows of a page, the first of them, and the addresses.
    async fn page(
        &mut self,
        path: &str,
    ) -> Result<(u64, String, Vec<BlockedAddress>), BlacklistError> {
        let mut tries = 0;
        loop {
            self.pace().await;
            let (reason, wait) = match self.transport.get(path).await {
                Ok(reply) => match self.dialect.blacklist_outcome(&reply, self.clock.now()) {
                    BlacklistOutcome::Page {
                        rows,
                        first,
                        addresses,
                    } => return Ok((rows, first, addresses)),
                    BlacklistOutcome::Stop { reason } => return Err(BlacklistError(reason)),
                    BlacklistOutcome::Unanswered { reason, wait } => (reason, wait),
                },
                Err(error) => unanswered(&error)?,
            };
            tries += 1;
            self.wait(tries, reason, wait).await?;
        }
    }

    /// Adds an address. Returns why the API does not take it, if it does not.
    ///
    /// # Errors
    /// The API does not answer, or takes no address at all.
    pub(crate) async fn block(
        &mut self,
        entry: &BlacklistEntry,
    ) -> Result<Option<String>, BlacklistError> {
        let request = self.dialect.block(entry);
        let mut tries = 0;
        loop {
            self.pace().await;
            let posted =
                self.transport
                    .post_to(request.path, request.content_type, request.body.clone());
            let (reason, wait) = match posted.await {
                Ok(reply) => match self.dialect.block_outcome(&reply, self.clock.now()) {
                    BlockOutcome::Blocked => return Ok(None),
                    BlockOutcome::Refused { reason } => return Ok(Some(reason)),
                    BlockOutcome::Stop { reason } => return Err(BlacklistError(reason)),
                    BlockOutcome::Unanswered { reason, wait } => (reason, wait),
                },
                Err(error) => unanswered(&error)?,
            };
            tries += 1;
            self.wait(tries, reason, wait).await?;
        }
    }

    /// Waits before the next try, unless this was the last one.
    async fn wait(
        &self,
        tries: u32,
        reason: String,
        wait: Option<Duration>,
    ) -> Result<(), BlacklistError> {
        if tries >= self.retry.attempts {
            return Err(BlacklistError(reason));
        }
        let (longest, chance) = (self.retry.max_delay, rand::random::<f64>());
        sleep(wait.unwrap_or_else(|| backoff(tries, FIRST_RETRY, longest, chance))).await;
        Ok(())
    }

    async fn pace(&mut self) {
        while let Some(ready) = self.limit.ready(1) {
            sleep_until(ready).await;
        }
        self.limit.take(1);
    }
}

fn unanswered(error: &PostError) -> Result<(String, Option<Duration>), BlacklistError> {
    match error {
        PostError::Untrusted(_) => Err(BlacklistError(error.to_string())),
        error => Ok((one_line(&error.to_string()), None)),
    }
}
