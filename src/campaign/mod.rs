//! A campaign: the contents of `campaign.toml`, validated.

mod file;
mod send_time;
mod template_files;
mod template_syntax;
mod validate;
mod variants;

use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use toml::Spanned;
use url::Url;

use crate::api::{Dialect, WireFormat};
use crate::finding::{Finding, Place};
use crate::html::Colour;
use crate::ledger_url::LedgerUrl;
use crate::list_name::ListName;
use crate::message::MimeFormat;
use crate::pace::Rate;
use crate::regular_file;
use crate::schedule::{Schedule, WeeklyWindow, Zone};
use crate::smtp::ServerConfig;
use crate::source::Source;

pub use file::{AttachmentTemplate, MessageTemplate, SameAddress, Text};
pub(crate) use template_files::template_files;
pub(crate) use template_syntax::{expression, is_identifier, is_template};
pub(crate) use validate::{is_loopback, not_an_expression};
pub use variants::{Sample, Variant};

/// The largest `campaign.toml`, in bytes.
const MAX_SIZE: u64 = 16 << 20;
/// The file in a campaign folder.
pub(crate) const FILE_NAME: &str = "campaign.toml";
/// The file name of recipients from standard input, in messages.
pub(crate) const STANDARD_INPUT: &str = "standard input";
/// The folder for runs in a campaign folder.
pub(crate) const RUNS: &str = "runs";
/// The folder for kept lists in a campaign folder, unless the campaign names another one.
const LISTS: &str = "lists";
/// The folder for templates in a campaign folder.
pub(crate) const TEMPLATES: &str = "templates";

#[derive(Debug, Clone)]
pub struct Campaign {
    /// The campaign folder.
    pub dir: PathBuf,
    /// The text of the file, for findings about it.
    pub source: Source,
    pub name: String,
    pub transport: TransportSettings,
    /// If there are variants, each of them replaces some of its keys.
    pub message: MessageTemplate,
    /// The variants of an A/B test.
    pub variants: Vec<Variant>,
    pub recipients: Recipients,
    pub pace: PaceSettings,
    /// `None` in a frozen copy: a run keeps its own schedule.
    pub(crate) schedule: Option<ScheduleSettings>,
    pub retry: RetrySettings,
    pub breaker: BreakerSettings,
    pub check: CheckSettings,
    /// The ledger, if it is in PostgreSQL.
    pub ledger: Option<LedgerSettings>,
    pub(crate) feedback: FeedbackSettings,
    /// Variables for all templates, beside the columns of a row.
    pub vars: Vec<(Text, toml::Value)>,
}

/// `[api]` or `[smtp]`.
#[derive(Debug, Clone)]
pub enum TransportSettings {
    Api(ApiSettings),
    Smtp(SmtpSettings),
}

/// `[smtp]`
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub(crate) server: ServerConfig,
    pub(crate) username: Option<String>,
    /// The password; used only with a user name.
    pub(crate) password: SecretKey,
    pub(crate) messages_per_connection: NonZeroU32,
    pub(crate) dkim: Option<DkimSettings>,
}

/// `[smtp.dkim]`
#[derive(Debug, Clone)]
pub(crate) struct DkimSettings {
    pub(crate) domain: String,
    pub(crate) selector: String,
    /// The file with the private key, relative to the folder of the original campaign.
    pub(crate) key: PathBuf,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// The base URL, with a slash at the end.
    pub url: Url,
    pub dialect: &'static dyn Dialect,
    pub smtp_account: String,
    /// The longest time for one request.
    pub timeout: Duration,
    /// The environment variable with the App Key.
    pub app_key_env: String,
    pub secret_key: SecretKey,
}

/// Where the Secret Key or a password comes from.
#[derive(Debug, Clone)]
pub enum SecretKey {
    /// An environment variable.
    Env(String),
    /// A program and its arguments, which writes the key to standard output.
    Command(Vec<String>),
}

/// `[recipients]`
#[derive(Debug, Clone, PartialEq)]
pub struct Recipients {
    /// The CSV file; `None` is standard input.
    pub file: Option<PathBuf>,
    pub settings: crate::recipients::ReadSettings,
    /// The expression of `where`: only rows for which it is true are sent.
    pub selection: Option<Text>,
    pub same_address: SameAddress,
    /// The column that tells the rows of an address apart. Only with [`SameAddress::Send`].
    pub row_key: Option<Text>,
    /// The expression of `send --where`. It must be true too for a row that is sent.
    pub(crate) further_selection: Option<String>,
    pub suppress: Vec<SuppressionFile>,
    /// Entries of the suppression lists without a valid address are skipped, instead of stopping `send`.
    pub suppress_skip_invalid: bool,
    /// The lists in `suppress` that mailrun keeps.
    pub kept_lists: Vec<ListName>,
    /// The folder of the kept lists, relative to the campaign folder. `None` if they are in the ledger.
    pub lists: Option<PathBuf>,
}

/// A file in `suppress`.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionFile {
    pub path: PathBuf,
    pub settings: crate::recipients::ReadSettings,
}

/// `[pace]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceSettings {
    /// Limits that all apply at once.
    pub rate: Vec<Rate>,
    /// The most requests in flight.
    pub concurrency: NonZeroU32,
    /// The most recipients in a request.
    pub batch: NonZeroU32,
    /// Additional limits for single domains.
    pub per_domain: Vec<DomainRate>,
    /// The limits of the first, the second and each later day on which something is posted. The last one stays.
    pub ramp: Vec<Rate>,
    /// All runs with this name, on this machine or in the ledger, share the limits per day. Without a name, the runs of the
    /// campaign share them.
    pub pace_group: Option<String>,
}

/// `[schedule]`
#[derive(Debug, Clone)]
pub(crate) struct ScheduleSettings {
    pub(crate) start: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) window: Option<WeeklyWindow>,
    pub(crate) zone: Zone,
    /// The column with the time zone of each row.
    pub(crate) timezone_column: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRate {
    /// A-labels in lower case.
    pub domain: String,
    pub rate: Rate,
}

/// `[breaker]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// How many of the latest messages count.
    pub messages: NonZeroU32,
    /// The run stops if a greater share of them, 0 to 1, was refused or has an unknown outcome.
    pub share: f64,
}

/// `[check]`
#[derive(Debug, Clone, Default)]
pub struct CheckSettings {
    /// Rules that are turned off, each with the reason.
    pub off: Vec<(Text, Text)>,
    /// Families of mail clients by their names on caniemail.com. Empty for the default families.
    pub clients: Vec<Text>,
    /// Selectors of the DKIM keys that sign the messages.
    pub dkim: Vec<String>,
}

/// `[ledger]`
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    pub url: LedgerUrl,
    /// The password. The variable may be unset: not every server wants one.
    pub password: SecretKey,
    /// How long rows stay claimed by a process that no longer responds.
    pub lease: Option<Duration>,
}

/// `[feedback]`
#[derive(Debug, Clone)]
pub(crate) struct FeedbackSettings {
    /// The public URL of the server for unsubscribes, with a slash at the end.
    pub(crate) url: Option<Url>,
    /// The kept list that bounces, complaints and unsubscribes go to.
    pub(crate) list: Option<ListName>,
    /// After how many soft bounces in a row an address is suppressed.
    pub(crate) soft_bounces: NonZeroU32,
    /// The name of the panel, which the webhooks of the old panel sign.
    pub(crate) panel: Option<String>,
    pub(crate) page: PageSettings,
}

/// `[feedback.page]`: what differs from the page as it comes. Texts replace those of all languages.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageSettings {
    /// The language of the texts; without it, that of the reader.
    pub(crate) lang: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) button: Option<String>,
    pub(crate) done: Option<String>,
    pub(crate) done_text: Option<String>,
    pub(crate) undo: Option<String>,
    pub(crate) undone: Option<String>,
    pub(crate) undone_text: Option<String>,
    pub(crate) background: Option<PageColour>,
    pub(crate) foreground: Option<PageColour>,
    pub(crate) accent: Option<PageColour>,
}

/// A CSS colour, and its place in the file.
#[derive(Debug, Clone)]
pub(crate) struct PageColour {
    pub(crate) colour: Colour,
    pub(crate) text: Text,
}

/// `[retry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// The most attempts for a row.
    pub attempts: u32,
    /// The longest pause between two attempts.
    pub max_delay: Duration,
}

impl ScheduleSettings {
    /// The schedule of a run. `zones` are the time zones of rows whose zone is not the campaign's.
    pub(crate) fn for_run(&self, zones: Vec<Zone>) -> Schedule {
        let mut all = vec![self.zone.clone()];
        all.extend(zones);
        Schedule {
            start: self.start,
            until: self.until,
            window: self.window.clone(),
            zones: all,
        }
    }

    /// The index of the column with the time zones.
    pub(crate) fn column_in(&self, header: &[String]) -> Option<usize> {
        let name = self.timezone_column.as_ref()?.get_ref().trim();
        let exact = header.iter().position(|column| column == name);
        exact.or_else(|| {
            header
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        })
    }
}

impl Campaign {
    /// Reads the campaign at `path`: a campaign folder, or its `campaign.toml`.
    ///
    /// # Errors
    /// All mistakes in the file, each with its place.
    pub fn load(path: &Path) -> Result<Self, Vec<Finding>> {
        Self::read(path, false)
    }

    /// Reads the frozen copy in a run folder, which has no recipients and no suppression lists.
    ///
    /// # Errors
    /// As [`Campaign::load`].
    pub(crate) fn load_frozen(dir: &Path) -> Result<Self, Vec<Finding>> {
        Self::read(dir, true)
    }

    /// Whether the campaign at `path` has a table `[ledger]`. It may be invalid otherwise.
    pub(crate) fn names_ledger(path: &Path) -> bool {
        let file = match path.is_dir() {
            true => path.join(FILE_NAME),
            false => path.to_owned(),
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.parse::<toml::Table>()
            .is_ok_and(|table| table.contains_key("ledger"))
    }

    /// The API, unless messages go by SMTP.
    pub(crate) fn api(&self) -> Option<&ApiSettings> {
        match &self.transport {
            TransportSettings::Api(api) => Some(api),
            TransportSettings::Smtp(_) => None,
        }
    }

    /// Whether the server can be asked about unknown rows.
    pub(crate) fn can_reconcile(&self) -> bool {
        self.api()
            .is_some_and(|api| api.dialect.chooses_message_ids())
    }

    /// The account that requests name. SMTP has none.
    pub(crate) fn smtp_account(&self) -> &str {
        self.api().map_or("", |api| &api.smtp_account)
    }

    /// The account and the server that messages go through, for messages.
    pub(crate) fn server(&self) -> String {
        match &self.transport {
            TransportSettings::Api(api) => {
                let host = api.url.host_str().unwrap_or_default();
                format!("{} ({host})", api.smtp_account)
            }
            TransportSettings::Smtp(smtp) => {
                format!("{}:{} (SMTP)", smtp.server.host, smtp.server.port)
            }
        }
    }

    /// How messages are written for the server.
    pub(crate) fn format(&self) -> &'static dyn WireFormat {
        match &self.transport {
            TransportSettings::Api(api) => api.dialect.as_format(),
            TransportSettings::Smtp(_) => &MimeFormat,
        }
    }

    /// The path of the `campaign.toml` for `path`, even if it doesn't exist.
    pub(crate) fn file(path: &Path) -> PathBuf {
        if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.to_owned()
        }
    }

    /// The path of the recipients, for messages.
    pub(crate) fn recipients_path(&self) -> PathBuf {
        match &self.recipients.file {
            Some(file) => self.dir.join(file),
            None => PathBuf::from(STANDARD_INPUT),
        }
    }

    /// The path of a list, for messages: prefixed with the campaign folder, so that the user can open it.
    pub(crate) fn through_folder(&self, file: &str) -> PathBuf {
        if file == STANDARD_INPUT {
            PathBuf::from(file)
        } else {
            self.dir.join(file)
        }
    }

    /// The recipients and the suppression lists that the campaign at `path` names. They may be missing,
    /// and the campaign may have other mistakes; the list is empty if it can't be parsed.
    pub(crate) fn lists(path: &Path) -> Vec<PathBuf> {
        let source = Self::source(path).ok();
        let file = source.and_then(|source| source.parse::<file::CampaignFile>().ok());
        let recipients = file.map(|file| file.recipients).unwrap_or_default();
        let folder = recipients.lists.unwrap_or_else(|| PathBuf::from(LISTS));
        let lists = recipients.suppress.into_iter();
        let lists = lists.flat_map(|entry| match entry.into_inner() {
            file::SuppressEntry::File(file) => vec![file.file],
            file::SuppressEntry::KeptList(name) => {
                let name: Option<ListName> = name.parse().ok();
                let names = name.map(|name| name.file_names().map(|name| folder.join(name)));
                names.into_iter().flatten().collect()
            }
        });
        let files = recipients.file.map(Spanned::into_inner);
        let files = files.into_iter().chain(lists);
        let path = Self::file(path);
        let dir = path.parent().unwrap_or(Path::new(""));
        files.map(|file| dir.join(file)).collect()
    }

    fn read(path: &Path, frozen: bool) -> Result<Self, Vec<Finding>> {
        let source = Self::source(path)?;
        let file = source.parse().map_err(|finding| vec![*finding])?;
        validate::validate(source, file, frozen)
    }

    fn source(path: &Path) -> Result<Source, Vec<Finding>> {
        let path = Self::file(path);
        let text = regular_file::read(&path, MAX_SIZE)
            .and_then(|text| String::from_utf8(text).map_err(|_| ErrorKind::InvalidData.into()));
        let text = text.map_err(|error| {
            let (message, help) = match error.kind() {
                ErrorKind::NotFound => (
                    format!("{} does not exist", path.display()),
                    "name a folder with a campaign.toml; `mailrun init DIR` creates one",
                ),
                _ => (
                    format!("can't read {}: {error}", path.display()),
                    "check that it is a UTF-8 text file that you may read",
                ),
            };
            vec![Finding::error("no-campaign", Place::file(&path), message).help(help)]
        })?;
        Ok(Source { path, text })
    }
}
