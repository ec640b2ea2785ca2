//! `mailrun feedback`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Console;
use super::failure::Failure;
use super::kept_lists::ListHome;
use super::output;
use super::run_home::{RunHome, open_database};
use super::secrets::{load_feedback_keys, variable};
use super::serve::{listen, runtime};
use crate::address::Address;
use crate::campaign::{Campaign, RUNS};
use crate::cli::FeedbackArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::feedback::{
    EventStore, EventsError, FeedbackSetup, JournalError, ListExport, ListFeed, RunAccess,
    RunCatalog, ServedList, ServedRun, WebhookSecrets, open_journal, serve_feedback,
};
use crate::ledger::postgres::{Database, real_runs};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, Run, Target};
use crate::list_name::ListName;
use crate::report::write_list_file;
use crate::run::Folder;
use crate::suppression::KeptList;
use crate::web::Login;

/// The file of the journal, in the folder of the first campaign.
pub(super) const JOURNAL: &str = "feedback.db";
const WEBHOOK_SECRET: &str = "MAILRUN_WEBHOOK_SECRET";
const WEBHOOK_LOGIN: &str = "MAILRUN_WEBHOOK_LOGIN";

pub(super) fn run(args: &FeedbackArgs, console: &Console) -> Result<ExitCode, Failure> {
    let campaigns = args.campaigns.iter().map(|path| Campaign::load(path));
    let campaigns: Vec<Campaign> = campaigns.collect::<Result<_, _>>()?;
    let Some(first) = campaigns.first() else {
        return Err(Failure::new("usage", "name a campaign").usage());
    };
    let keys = load_feedback_keys()?;
    let lists = open_lists(&campaigns, args, console)?;
    if args.export.is_some() && lists.len() != 1 {
        let help = "start one server for each list, each with its own --store";
        let message = format!(
            "--export writes one list, and the campaigns have {}",
            lists.len()
        );
        return Err(Failure::with_help("usage", message, help).usage());
    }
    let pages = campaigns.iter().rev().filter_map(|campaign| {
        let list = campaign.feedback.list.clone()?;
        Some((list, campaign.feedback.page.clone()))
    });
    let setup = FeedbackSetup {
        keys,
        pages: pages.collect(),
        default_page: first.feedback.page.clone(),
        lists,
        webhooks: webhooks(&campaigns)?,
        login: login()?,
        clock: Clock::system(),
        catalog: Box::new(Catalog::open(&campaigns, args)?),
    };
    if setup.webhooks.is_some() && setup.login.is_none() {
        console.print(&format!(
            "Webhooks are accepted from this machine only, because {WEBHOOK_LOGIN} is not set"
        ));
    }
    let store = args.store.clone();
    let store = store.unwrap_or_else(|| first.dir.join(JOURNAL));
    runtime()?.block_on(listen_and_serve(args.listen, &store, setup))
}

async fn listen_and_serve(
    address: SocketAddr,
    store: &Path,
    setup: FeedbackSetup,
) -> Result<ExitCode, Failure> {
    let (listener, mut signals) = listen("feedback", address).await?;
    let journal = open_journal(store, setup.clock.clone())?;
    let address = listener.local_addr();
    let address = address.map_err(|error| Failure::new("feedback", error.to_string()))?;
    output::line(format_args!("http://{address}/"));
    let shutdown = async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(ExitCode::Interrupted as i32);
        });
    };
    serve_feedback(listener, setup, journal, shutdown).await?;
    Ok(ExitCode::Done)
}

/// Opens the lists of all campaigns, and creates those that are missing.
fn open_lists(
    campaigns: &[Campaign],
    args: &FeedbackArgs,
    console: &Console,
) -> Result<Vec<ServedList>, Failure> {
    let mut places: BTreeMap<ListName, String> = BTreeMap::new();
    let mut lists = Vec::new();
    for campaign in campaigns {
        let Some(name) = &campaign.feedback.list else {
            let help = "add for example `suppress = [\"@acme\"]` to [recipients]";
            let message = format!(
                "the campaign {} has no list for those who unsubscribe",
                campaign.dir.display()
            );
            return Err(Failure::with_help("no-list", message, help));
        };
        let place = ListHome::of(campaign, &campaign.dir, &args.ledger)?.place(campaign, name);
        let shown = place.to_string();
        match places.get(name) {
            Some(known) if *known == shown => {
                let is_it = |served: &&ServedList| served.name == *name;
                let known: Option<&ServedList> = lists.iter().find(is_it);
                if known.is_some_and(|it| it.feed.soft_bounces != campaign.feedback.soft_bounces) {
                    let help = "give all campaigns of a list the same `soft_bounces` in [feedback]";
                    let message =
                        format!("campaigns of the list {name} have different `soft_bounces`");
                    return Err(Failure::with_help("list", message, help));
                }
                continue;
            }
            Some(known) => {
                let help = "give the lists different names, or start a server for each";
                let message = format!("two campaigns have a list {name}: {known} and {shown}");
                return Err(Failure::with_help("list", message, help));
            }
            None => places.insert(name.clone(), shown.clone()),
        };
        let (list, is_new) = KeptList::create(&place)?;
        if is_new {
            console.print(&format!("Created the list {name}: {shown}"));
        }
        lists.push(ServedList {
            name: name.clone(),
            feed: ListFeed {
                list,
                soft_bounces: campaign.feedback.soft_bounces,
            },
            export: args.export.clone().map(export_to),
        });
    }
    Ok(lists)
}

fn export_to(file: PathBuf) -> ListExport {
    Box::new(move |list| match write_list_file(list, &file) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    })
}

/// The secret of the webhooks, if there is one.
fn webhooks(campaigns: &[Campaign]) -> Result<Option<WebhookSecrets>, Failure> {
    let Some(secret) = variable(WEBHOOK_SECRET) else {
        return Ok(None);
    };
    let panels = campaigns.iter().filter_map(|it| it.feedback.panel.as_ref());
    let panels: BTreeSet<&String> = panels.collect();
    if panels.len() > 1 {
        let help = "start a server for each panel";
        let message = "the campaigns have different panels in [feedback], but one server takes the webhooks of one panel";
        return Err(Failure::with_help("panel", message, help));
    }
    Ok(Some(WebhookSecrets {
        secret: secret.into(),
        panel: panels.into_iter().next().cloned(),
    }))
}

fn login() -> Result<Option<Login>, Failure> {
    let Some(login) = variable(WEBHOOK_LOGIN) else {
        return Ok(None);
    };
    match login.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(Some(Login {
            app_key: user.to_owned(),
            secret_key: password.to_owned().into(),
        })),
        _ => Err(Failure::with_help(
            "no-login",
            format!("{WEBHOOK_LOGIN} is not a user name and a password"),
            "write them with a colon in between: USER:PASSWORD",
        )),
    }
}

/// Where the runs of a campaign are.
struct CampaignRuns {
    dir: PathBuf,
    name: String,
    list: Option<ListName>,
    database: Option<Arc<Database>>,
}

/// Finds the runs of the campaigns, in their folders and in their ledgers.
struct Catalog {
    campaigns: Vec<CampaignRuns>,
    /// The runs in folders that have been read.
    known: HashMap<PathBuf, Option<ServedRun>>,
}

impl Catalog {
    fn open(campaigns: &[Campaign], args: &FeedbackArgs) -> Result<Self, Failure> {
        let mut opened = Vec::new();
        for campaign in campaigns {
            opened.push(CampaignRuns {
                dir: campaign.dir.clone(),
                name: campaign.name.clone(),
                list: campaign.feedback.list.clone(),
                database: open_database(&args.ledger, Some(campaign))?,
            });
        }
        Ok(Self {
            campaigns: opened,
            known: HashMap::new(),
        })
    }
}

impl RunCatalog for Catalog {
    fn runs(&mut self) -> Result<Vec<ServedRun>, EventsError> {
        let mut runs = Vec::new();
        for campaign in &self.campaigns {
            for entry in std::fs::read_dir(campaign.dir.join(RUNS))
                .into_iter()
                .flatten()
                .flatten()
            {
                let path = entry.path();
                let known = self.known.get(&path).cloned();
                let run = match known {
                    // It may have moved to a ledger since.
                    Some(run)
                        if path.is_dir()
                            && (run.is_none() || Folder::at(&path).moved_to().is_none()) =>
                    {
                        run
                    }
                    _ => match in_folder(&path, campaign.list.as_ref()) {
                        Ok(run) => {
                            self.known.insert(path, run.clone());
                            run
                        }
                        // It is planned at the moment, or is no run.
                        Err(_) => None,
                    },
                };
                runs.extend(run);
            }
            if let Some(database) = &campaign.database {
                for ledger in real_runs(database, &campaign.name)? {
                    let run = ledger.run()?;
                    runs.push(served(
                        run,
                        campaign.list.as_ref(),
                        Home(RunHome::Database(Box::new(ledger))),
                    )?);
                }
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.run.started));
        Ok(runs)
    }
}

/// A run in a folder; `None` if it is local.
fn in_folder(path: &Path, list: Option<&ListName>) -> Result<Option<ServedRun>, LedgerError> {
    let folder = Folder::at(path);
    let run = SqliteLedger::open(&folder.ledger())?.run()?;
    if run.target == Target::Local || folder.moved_to().is_some() {
        return Ok(None);
    }
    served(run, list, Home(RunHome::Folder(folder))).map(Some)
}

fn served(run: Run, list: Option<&ListName>, home: Home) -> Result<ServedRun, LedgerError> {
    let test_to = run.test_to.as_deref().map(Address::parse).transpose();
    Ok(ServedRun {
        test_to: test_to.map_err(|error| LedgerError::Damaged(error.to_string()))?,
        run,
        list: list.cloned(),
        access: Arc::new(home),
    })
}

struct Home(RunHome);

impl RunAccess for Home {
    fn ledger(&self) -> Result<Box<dyn Ledger>, EventsError> {
        Ok(match &self.0 {
            RunHome::Folder(folder) => Box::new(SqliteLedger::open(&folder.ledger())?),
            RunHome::Database(ledger) => ledger.clone(),
        })
    }

    fn events(&self) -> Result<Box<dyn EventStore>, EventsError> {
        self.0.writable_events()
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let help = match &error {
            JournalError::NotApplied(_) => {
                Some("start `mailrun feedback`, which applies them, stop it, and run this again")
            }
            JournalError::InUse(_) => Some(
                "stop that server and run this again; a second `mailrun feedback` needs another `--store`",
            ),
            JournalError::NotAJournal(_) | JournalError::Version { .. } => {
                Some("use another file with --store")
            }
            _ => None,
        };
        Self::from_error("journal", &error, help)
    }
}
