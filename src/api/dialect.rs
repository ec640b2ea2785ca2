//! What the rest of the program asks about a dialect of the API.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;

use super::blacklist::{BlacklistEntry, BlacklistOutcome, BlockOutcome, BlockRequest};
use super::reply::HttpReply;
use super::tracking::{TrackingList, TrackingOutcome, TrackingSpan};
use super::{File, Request, Violation};
use crate::address::Address;
use crate::outcome::{LookupOutcome, PostOutcome};

/// How a message is written for a server, and what the server accepts: a dialect of the API, or SMTP.
pub trait WireFormat: fmt::Debug + Send + Sync {
    /// Everything for which the server would reject the request, or that the format can't express. Addresses
    /// are not validated: [`Address`] does that.
    fn violations(&self, request: &Request<'_>) -> Vec<Violation>;

    /// Whether the sender chooses the message IDs.
    fn chooses_message_ids(&self) -> bool;

    /// The most recipients of a request.
    fn max_recipients(&self) -> usize;

    /// The start of the body: the request without its `files`.
    fn encode(&self, request: &Request<'_>) -> Vec<u8>;

    /// The end of the body: the `files`, encoded once for all requests that have the same.
    fn encode_files(&self, files: &[File<'_>]) -> Vec<u8>;
}

/// A dialect of the API over HTTP: its requests, its answers, and their meaning.
pub trait Dialect: WireFormat {
    /// The value of `dialect` in `campaign.toml`.
    fn name(&self) -> &'static str;

    fn as_format(&self) -> &dyn WireFormat;

    /// The API's base URL, with a slash at the end.
    fn default_url(&self) -> &'static str;

    /// The path of the base URL at the gateway, with slashes around it.
    fn local_path(&self) -> &'static str;

    /// The path that messages are posted to, below the base URL.
    fn path(&self) -> &'static str;

    /// The `Content-Type` of a request.
    fn content_type(&self) -> &'static str;

    /// The names and the values of the headers that log in.
    fn login(&self, app_key: &SecretString, secret_key: &SecretString) -> Vec<LoginHeader>;

    /// Interprets an answer for the recipients of its request.
    fn outcome(&self, reply: &HttpReply, to: &[Posted<'_>], now: Timestamp) -> PostOutcome;

    /// The path and the query, below the base URL, that look a message up. `None` if the API chooses the
    /// message IDs: there is no ID to ask about.
    fn lookup(&self, smtp_account: &str, message_id: &str) -> Option<String>;

    /// How long the API finds messages, in words, if that is known to be short.
    fn lookup_period(&self) -> Option<&'static str>;

    /// Interprets the answer to a lookup of this message.
    fn lookup_outcome(&self, reply: &HttpReply, message_id: &str, now: Timestamp) -> LookupOutcome;

    /// The lists with what became of the messages of a run.
    fn tracking_lists(&self, span: &TrackingSpan<'_>) -> Vec<TrackingList>;

    /// Whether the lists lack deliveries and bounces, so that each message has to be looked up.
    fn tracks_by_lookup(&self) -> bool;

    /// Interprets a page of a list, or the answer to a lookup if there is no list.
    fn tracking_outcome(
        &self,
        reply: &HttpReply,
        list: Option<&TrackingList>,
        now: Timestamp,
    ) -> TrackingOutcome;

    /// The blacklist of an account.
    fn blacklist(&self, smtp_account: &str) -> TrackingList;

    /// Interprets a page of the blacklist.
    fn blacklist_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlacklistOutcome;

    /// The request that adds an address to the blacklist. Repeating it changes nothing.
    fn block(&self, entry: &BlacklistEntry) -> BlockRequest;

    /// Interprets the answer to it.
    fn block_outcome(&self, reply: &HttpReply, now: Timestamp) -> BlockOutcome;
}

/// A header that logs in, and its value.
pub type LoginHeader = (&'static str, SecretString);

/// A recipient of a posted request.
#[derive(Debug, Clone, Copy)]
pub struct Posted<'a> {
    pub address: &'a Address,
    /// The message ID that the sender chose.
    pub message_id: Option<&'a str>,
}
