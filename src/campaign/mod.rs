//! A campaign: what `campaign.toml` says, validated once.

mod duration;
mod file;
mod limits;
mod validate;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::api::Dialect;
use crate::finding::{Finding, Place};
use crate::pace::Rate;
use crate::source::Source;

pub use file::Text;
pub use validate::{is_identifier, is_loopback, is_template};

/// The file's name inside a campaign's folder.
pub const FILE_NAME: &str = "campaign.toml";
/// What recipients from standard input are called.
pub const STANDARD_INPUT: &str = "standard input";
/// The folder of the templates inside a campaign's folder.
pub const TEMPLATES: &str = "templates";

/// A campaign: a folder with a `campaign.toml` in it.
#[derive(Debug)]
pub struct Campaign {
    /// The campaign's folder.
    pub dir: PathBuf,
    /// The text of the file, for what is said about it later.
    pub source: Source,
    /// The campaign's name.
    pub name: String,
    /// Which server, and how to speak to it.
    pub api: Api,
    /// The message; every string of it is a template.
    pub message: Message,
    /// Who gets it.
    pub recipients: Recipients,
    /// How fast.
    pub pace: Pace,
    /// How often.
    pub retry: Retry,
    /// When to stop because too much goes wrong.
    pub breaker: Breaker,
    /// What `check` looks for.
    pub check: Check,
    /// What templates see beside the row's columns.
    pub vars: Vec<(Text, toml::Value)>,
}

/// `[api]`: which server, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Api {
    /// The base URL, with a slash at its end.
    pub url: Url,
    /// Which endpoint is spoken.
    pub dialect: Dialect,
    /// The SMTP account to send through.
    pub smtp_account: String,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// The name of the environment variable with the App Key.
    pub app_key_env: String,
    /// Where the Secret Key is.
    pub secret_key: SecretKey,
}

/// Where the Secret Key comes from.
#[derive(Debug, Clone)]
pub enum SecretKey {
    /// An environment variable.
    Env(String),
    /// A program and its arguments; its standard output is the key.
    Command(Vec<String>),
}

/// `[message]`: every string is a template.
#[derive(Debug, Clone)]
pub struct Message {
    /// The sender's address.
    pub from: Text,
    /// The sender's display name.
    pub from_name: Option<Text>,
    /// The subject.
    pub subject: Text,
    /// The file of the HTML body in `templates/`.
    pub html: Option<Text>,
    /// The file of the text body in `templates/`; made from the HTML when there is none.
    pub text: Option<Text>,
    /// Whether the CSS of `<style>` is put into the elements.
    pub inline_css: bool,
    /// The address for replies.
    pub reply_to: Option<Text>,
    /// The address of a copy.
    pub cc: Option<Text>,
    /// Its display name.
    pub cc_name: Option<Text>,
    /// The address of a blind copy.
    pub bcc: Option<Text>,
    /// Its display name.
    pub bcc_name: Option<Text>,
    /// The tags.
    pub tags: Vec<Text>,
    /// Extra headers; the names are no templates.
    pub headers: Vec<(String, Text)>,
    /// The attachments.
    pub attachments: Vec<Attachment>,
}

/// `[[message.attachments]]`
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The file inside the campaign's folder.
    pub path: Text,
    /// Shown in the HTML by `<img src="cid:NAME">`.
    pub inline: bool,
}

/// `[recipients]`: who gets it.
#[derive(Debug, Clone)]
pub struct Recipients {
    /// The CSV file; `None` is standard input.
    pub file: Option<PathBuf>,
    /// How the file is read.
    pub settings: crate::recipients::Settings,
    /// The suppression lists.
    pub suppress: Vec<PathBuf>,
}

/// `[pace]`: how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// The limits; all hold at once.
    pub rate: Vec<Rate>,
    /// The most requests in flight.
    pub concurrency: NonZeroU32,
    /// The most recipients of a request.
    pub batch: NonZeroU32,
    /// The limits of single domains, which hold as well.
    pub per_domain: Vec<DomainRate>,
}

/// The limit of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRate {
    /// The domain, as A-labels in lower case.
    pub domain: String,
    /// How fast.
    pub rate: Rate,
}

/// `[breaker]`: when to stop because too much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// How many of the last messages are looked at.
    pub messages: NonZeroU32,
    /// The share of them, 0 to 1, that may be refused or in doubt.
    pub share: f64,
}

/// `[check]`: what `check` looks for.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// The rules that are turned off, each with the reason.
    pub off: Vec<(Text, Text)>,
    /// The families of mail clients to care about, as caniemail names them; without any, those
    /// that most people have.
    pub clients: Vec<Text>,
    /// The selectors of the DKIM keys that the messages are signed with.
    pub dkim: Vec<String>,
}

/// `[retry]`: how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The most attempts of a row.
    pub attempts: u32,
    /// The longest pause between two.
    pub max_delay: Duration,
}

impl Campaign {
    /// Reads the campaign at `path`: a folder with a `campaign.toml` in it, or the file itself.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each with its place.
    pub fn load(path: &Path) -> Result<Self, Vec<Finding>> {
        Self::read(path, false)
    }

    /// Reads the copy of a campaign in a run's folder: the recipients and the suppression lists are
    /// not there.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each with its place.
    pub fn load_frozen(dir: &Path) -> Result<Self, Vec<Finding>> {
        Self::read(dir, true)
    }

    /// The file of the campaign at `path`, whether it is there or not.
    pub fn file(path: &Path) -> PathBuf {
        if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.to_owned()
        }
    }

    /// The file of the recipients, with its path through the campaign's folder.
    pub fn recipients_path(&self) -> PathBuf {
        match &self.recipients.file {
            Some(file) => self.dir.join(file),
            None => PathBuf::from(STANDARD_INPUT),
        }
    }

    /// A file of the recipients or of a suppression list, with its path through the campaign's folder:
    /// as it can be opened from where the user is.
    pub fn through_folder(&self, file: &str) -> PathBuf {
        if file == STANDARD_INPUT {
            PathBuf::from(file)
        } else {
            self.dir.join(file)
        }
    }

    /// The recipients and the suppression lists that the campaign at `path` names, be they there or
    /// not, and whatever else is wrong with it; none if it is no campaign at all.
    pub fn lists(path: &Path) -> Vec<PathBuf> {
        let source = Self::source(path).ok();
        let file = source.and_then(|source| source.parse::<file::File>().ok());
        let recipients = file.map(|file| file.recipients).unwrap_or_default();
        let named = recipients.file.into_iter().chain(recipients.suppress);
        let dir = Self::file(path);
        let dir = dir.parent().unwrap_or(Path::new(""));
        named.map(|name| dir.join(name.into_inner())).collect()
    }

    fn read(path: &Path, frozen: bool) -> Result<Self, Vec<Finding>> {
        let source = Self::source(path)?;
        let file = source.parse().map_err(|finding| vec![*finding])?;
        validate::validate(source, file, frozen)
    }

    fn source(path: &Path) -> Result<Source, Vec<Finding>> {
        let path = Self::file(path);
        let text =
            std::fs::read_to_string(&path).map_err(|error| vec![unreadable(&path, &error)])?;
        Ok(Source { path, text })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let place = Place::file(path);
    match error.kind() {
        std::io::ErrorKind::NotFound => Finding::error(
            "no-campaign",
            place,
            format!("there is no {}", path.display()),
        )
        .help("a campaign is a folder with a campaign.toml; `mailrun init DIR` makes one"),
        _ => Finding::error(
            "no-campaign",
            place,
            format!("can't read {}: {error}", path.display()),
        ),
    }
}
