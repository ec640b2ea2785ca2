//! `mailrun send`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::deliver::{Deliver, deliver, rng};
use super::dry_run;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::keys::{Keys, keys};
use super::prepare::{Ready, Wanted, new_run, prepare};
use super::question::{Reply, ask};
use super::show::Shown;
use crate::campaign::Campaign;
use crate::check::{Findings, nobody};
use crate::cli::Send;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::{Run, Status, Target};
use crate::render::Engine;
use crate::report::{counted, grouped, s};
use crate::run::{Folder, Lock, Previous, previous, sweep};

pub(super) fn run(args: &Send, shown: &Shown) -> Result<ExitCode, Failure> {
    let campaign = Campaign::load(&args.campaign)?;
    if args.dry_run {
        return dry_run::run(args, &campaign, shown);
    }
    let target = target(args);
    let keys = if target == Target::Local {
        None
    } else {
        Some(keys(&campaign.api)?)
    };
    if target != Target::Local && !args.yes && !can_ask(&campaign) {
        return Err(unasked());
    }
    let sending = match target {
        Target::Real => send_alone(&campaign, args.run_dir.is_some())?,
        Target::Local | Target::Test => None,
    };
    let earlier = earlier(args, &campaign)?;
    refuse_twice(args, &earlier)?;
    let interrupt = Interrupt::watch()?;
    let now = Clock::system().now();
    let folder =
        interrupt.making(|| Folder::create(&campaign, args.run_dir.as_deref(), now, &mut rng()))?;
    if let Some(lock) = &sending {
        lock.note(&folder);
    }
    let run = Sending {
        args,
        campaign: &campaign,
        target,
        folder: &folder,
        interrupt: &interrupt,
    };
    match run.plan(keys.is_some(), &earlier, shown) {
        Ok((lock, engine, planned)) => {
            interrupt.planned();
            run.start(keys, lock.and(sending), engine, &planned, shown)
        }
        Err(failure) => {
            interrupt.planned();
            folder.remove();
            Err(failure)
        }
    }
}

/// The runs that stand against one started with these arguments.
pub(super) fn earlier(args: &Send, campaign: &Campaign) -> Result<Vec<Previous>, Failure> {
    if target(args) != Target::Real || args.again {
        return Ok(Vec::new());
    }
    Ok(previous(campaign)?)
}

/// The right to send the campaign, in `runs` that hold nothing but runs.
fn send_alone(campaign: &Campaign, elsewhere: bool) -> Result<Option<Lock>, Failure> {
    let lock = Lock::send(campaign, elsewhere)?;
    if lock.is_some() {
        sweep(campaign);
    }
    Ok(lock)
}

/// What a run started with these arguments sends to.
pub(super) fn target(args: &Send) -> Target {
    match (args.local, &args.test_to) {
        (true, _) => Target::Local,
        (false, Some(_)) => Target::Test,
        (false, None) => Target::Real,
    }
}

/// How many rows a run started with these arguments has at most.
pub(super) fn only(args: &Send) -> Option<u64> {
    args.test_to.as_ref().map(|_| args.limit.unwrap_or(1))
}

/// A run that is being made and sent.
struct Sending<'a> {
    args: &'a Send,
    campaign: &'a Campaign,
    target: Target,
    folder: &'a Folder,
    interrupt: &'a Interrupt,
}

impl Sending<'_> {
    /// Plans the run, and asks. Nothing of it is left when this fails.
    fn plan(
        &self,
        ask: bool,
        earlier: &[Previous],
        shown: &Shown,
    ) -> Result<(Lock, Arc<Engine>, Run), Failure> {
        let args = self.args;
        let lock = Lock::take(self.folder)?;
        let test_to = args.test_to.as_ref();
        let wanted = Wanted {
            campaign: self.campaign,
            folder: self.folder,
            freeze: true,
            run: new_run(
                self.campaign,
                self.target,
                test_to,
                Clock::system().now(),
                &mut rng(),
            ),
            test_to,
            only: only(args),
            except_sent: if args.except_sent { earlier } else { &[] },
            preflight: !args.no_preflight,
            least: Severity::Error,
            net: false,
            skip_invalid: args.skip_invalid,
        };
        let ready = prepare(wanted, shown)?;
        shown.findings(&ready.findings);
        let has_any = ready.counts.of(Status::Pending) > 0;
        if !has_any {
            shown.findings(&Findings::from_iter([nobody(
                &self.campaign.recipients_path(),
            )]));
        }
        if ask && !args.yes && has_any {
            confirm(args, self.campaign, &ready)?;
        }
        let (engine, run) = ready.finish()?;
        Ok((lock, engine, run))
    }

    fn start(
        &self,
        keys: Option<Keys>,
        lock: Lock,
        engine: Arc<Engine>,
        run: &Run,
        shown: &Shown,
    ) -> Result<ExitCode, Failure> {
        // Who reads the folder's name may have gone; the run goes on.
        let _ = writeln!(std::io::stdout(), "{}", self.folder.path().display());
        let to_send = Deliver {
            folder: self.folder,
            lock,
            campaign: self.campaign,
            run,
            engine,
            keys,
            rate: self.campaign.pace.rate.clone(),
            concurrency: self.campaign.pace.concurrency,
            limit: self.args.limit,
        };
        deliver(to_send, self.interrupt, shown)
    }
}

fn refuse_twice(args: &Send, earlier: &[Previous]) -> Result<(), Failure> {
    let Some(last) = earlier.last() else {
        return Ok(());
    };
    if args.except_sent {
        return Ok(());
    }
    let counts = [
        (last.accepted, "accepted"),
        (last.unknown, "unknown"),
        (last.pending, "pending"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, word)| format!("{} {word}", grouped(*rows)))
        .collect();
    let message = format!(
        "this campaign has been sent: {} has {} row{}",
        last.folder.path().display(),
        counts.join(", "),
        s(last.accepted + last.unknown + last.pending)
    );
    let help = "`mailrun resume` goes on with that run; `--except-sent` sends to those who have not got it; `--again` sends to all";
    Err(Failure::with_help("already-sent", message, help))
}

/// Whom an earlier run has sent to is not known.
fn can_ask(campaign: &Campaign) -> bool {
    use std::io::IsTerminal;
    let input_is_data = campaign.recipients.file.is_none();
    if input_is_data {
        std::fs::File::open("/dev/tty").is_ok()
    } else {
        std::io::stdin().is_terminal()
    }
}

fn unasked() -> Failure {
    Failure::with_help(
        "not-confirmed",
        "sending for real asks first, and there is no terminal to ask on",
        "say `--yes` to send without being asked; `--dry-run` shows what would go out",
    )
}

fn confirm(args: &Send, campaign: &Campaign, ready: &Ready) -> Result<(), Failure> {
    let pending = ready.counts.of(Status::Pending);
    let messages = args.limit.map_or(pending, |limit| limit.min(pending));
    let whom = match &args.test_to {
        Some(address) => format!("to {address} alone"),
        None if messages == 1 => "to one recipient".to_owned(),
        None => "to as many recipients".to_owned(),
    };
    let question = format!(
        "Send {} {whom}, from {}, through {} ({}), {}?",
        counted(messages, "message"),
        campaign.message.from.get_ref(),
        campaign.api.smtp_account,
        campaign.api.url.host_str().unwrap_or_default(),
        dry_run::how_fast(&campaign.pace, messages, &ready.by_lane),
    );
    let input_is_data = campaign.recipients.file.is_none();
    match ask(&question, input_is_data)
        .map_err(|error| (Path::new("the terminal").to_owned(), error))?
    {
        Reply::Yes => Ok(()),
        Reply::No => Err(Failure::new("not-confirmed", "nothing was sent")),
        Reply::NoTerminal => Err(unasked()),
    }
}
