//! `mailrun init`: a campaign that can be tried at once.

use std::fs;
use std::path::Path;

use super::confirm::{ask, can_ask};
use super::failure::Failure;
use super::init_feedback;
use super::output;
use crate::api::{self, Dialect, FormDialect, V2};
use crate::cli::InitArgs;
use crate::exit_code::ExitCode;

macro_rules! starter_files {
    ($folder:literal: $($name:literal),*) => {
        [$(($name, include_str!(concat!("../../templates/", $folder, "/", $name)))),*]
    };
}

/// The files of every starter.
const STARTER: [(&str, &str); 3] = starter_files![
    "starter": "campaign.toml", "recipients.csv", "unsubscribed.csv"
];
const HTML: [(&str, &str); 2] = starter_files![
    "starter": "templates/base.html", "templates/newsletter.html"
];
const MARKDOWN: [(&str, &str); 2] = starter_files![
    "starter-markdown": "templates/base.html", "templates/letter.md"
];
const MJML: [(&str, &str); 1] = starter_files![
    "starter-mjml": "templates/letter.mjml"
];

/// The lines of `campaign.toml` that name the letter in HTML.
const HTML_KEYS: &str = "# A file in templates/.\nhtml = \"newsletter.html\"\n";
const MARKDOWN_KEYS: &str = "# The letter in Markdown, and the layout around it: files in templates/.\n\
                             markdown = \"letter.md\"\nlayout = \"base.html\"\n";
/// The end of the built-in layout, and the end of a layout for the recipients of the starter.
const LINK_IF_KNOWN: &str = "{% if unsubscribe_url is defined %}<tr><td class=\"foot\"><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></td></tr>{% endif %}";
const LINK: &str = "<tr><td class=\"foot\">You receive this letter because you signed up with {{ email }}. <a href=\"{{ site }}/unsubscribe/{{ token }}\">Unsubscribe</a></td></tr>";

/// The table that replaces `[api]` of the starter for `--smtp`.
const SMTP: &str = include_str!("../../templates/starter-smtp.toml");
/// What the starter has for the API only.
const TAGS: &str = "# For the statistics in the panel.\ntags = [\"letter\"]\n";

/// The question on a terminal, unless an option answers it.
const QUESTION: &str = "Which account do you have?
  1  EmailLabs, old panel
  2  EmailLabs, new panel, or MessageFlow or Redlink
  3  another provider or mail server (SMTP)
Number [1]: ";

/// The language of the letter.
#[derive(Clone, Copy)]
enum Language {
    Html,
    Markdown,
    Mjml,
}

impl Language {
    fn of(args: &InitArgs) -> Self {
        match (args.markdown, args.mjml) {
            (true, _) => Self::Markdown,
            (_, true) => Self::Mjml,
            (false, false) => Self::Html,
        }
    }

    fn templates(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Html => &HTML,
            Self::Markdown => &MARKDOWN,
            Self::Mjml => &MJML,
        }
    }

    /// A file of the starter, for this language.
    fn adapted(self, text: &str) -> String {
        match self {
            Self::Html => text.to_owned(),
            Self::Markdown => text
                .replace(HTML_KEYS, MARKDOWN_KEYS)
                .replace(LINK_IF_KNOWN, LINK),
            Self::Mjml => text.replace("\"newsletter.html\"", "\"letter.mjml\""),
        }
    }
}

/// How the new campaign sends.
#[derive(Clone, Copy)]
enum Way {
    Api(&'static dyn Dialect),
    Smtp,
}

impl Way {
    /// # Errors
    /// If the terminal can't be read, or the answer is none of the numbers.
    fn choose(args: &InitArgs) -> Result<Self, Failure> {
        if args.smtp {
            return Ok(Self::Smtp);
        }
        let old = Self::Api(&FormDialect::Sendmail);
        if let Some(dialect) = args.dialect.and_then(api::dialect) {
            return Ok(Self::Api(dialect));
        }
        if !can_ask(false) {
            return Ok(old);
        }
        match ask(QUESTION)?.trim() {
            "" | "1" => Ok(old),
            "2" => Ok(Self::Api(&V2)),
            "3" => Ok(Self::Smtp),
            _ => Err(Failure::with_help(
                "no-account",
                "the answer must be 1, 2 or 3",
                "nothing was created; run the command again",
            )),
        }
    }

    /// The starter's `campaign.toml`.
    fn campaign_toml(self, starter: &str) -> String {
        let default = FormDialect::Sendmail;
        match self {
            Self::Smtp => {
                let (start, rest) = starter.split_once("[api]\n").unwrap_or((starter, ""));
                let (_, end) = rest.split_once("\n\n").unwrap_or(("", rest));
                format!("{start}{SMTP}\n{}", end.replace(TAGS, ""))
            }
            Self::Api(dialect) => starter
                .replace(default.default_url(), dialect.default_url())
                .replace(
                    "dialect = \"sendmail\"",
                    &format!("dialect = \"{}\"", dialect.name()),
                ),
        }
    }
}

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::with_help(
            "not-empty",
            format!("the folder {} is not empty", args.dir.display()),
            "choose a new or empty folder",
        ));
    }
    let way = Way::choose(args)?;
    let language = Language::of(args);
    for &(name, text) in STARTER.iter().chain(language.templates()) {
        let text = language.adapted(text);
        let text = match name {
            "campaign.toml" => way.campaign_toml(&text),
            _ => text,
        };
        let text = match &args.feedback {
            Some(_) if name == init_feedback::REPLACED => continue,
            Some(url) => init_feedback::with_links(name, &text, &args.dir, url),
            None => text,
        };
        let path = args.dir.join(name);
        write(&path, text.as_bytes()).map_err(|error| (path, error))?;
    }
    if args.feedback.is_some() {
        init_feedback::create(&args.dir)?;
    }
    let dir = args.dir.display();
    output::line(format_args!("Created a campaign in {dir}. Next:"));
    output::line(format_args!("  mailrun preview {dir}"));
    output::line(format_args!("  mailrun send {dir} --local"));
    if args.feedback.is_some() {
        let file = args.dir.join(init_feedback::KEY_FILE);
        let file = file.display();
        output::line(format_args!(
            "  set -a; . {file}; set +a   # the key of the links to unsubscribe"
        ));
        output::line(format_args!("  mailrun feedback {dir}"));
    }
    Ok(ExitCode::Done)
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, content)
}
