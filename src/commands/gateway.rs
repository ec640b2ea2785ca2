//! `mailrun gateway`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::failure::Failure;
use super::keys::{from_command, variable};
use super::show::Shown;
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::gateway::chaos::{Chaos, Spec};
use crate::gateway::config::{Config, LoginNames};
use crate::gateway::relay::config::{Account, LoginSource, PasswordSource};
use crate::gateway::relay::{self, Permits, Relay, RelayError};
use crate::gateway::store::retention::{Limits, keep};
use crate::gateway::store::{Store, StoreError};
use crate::gateway::{ExportError, Keep, Login, Open, Setup, export, serve};

/// How long transactions may take to end when the gateway is stopped.
const END: Duration = Duration::from_secs(20);

type WithLogin = (Account, Option<relay::config::Login>);

pub(super) fn run(args: &cli::Gateway, shown: &Shown) -> Result<ExitCode, Failure> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let data = match args.data.clone().or(config.data) {
        Some(data) => data,
        None => default_data()?,
    };
    if let Some(maildir) = &args.export {
        return written(&data, maildir);
    }
    let listen = args.listen.unwrap_or(config.listen);
    let login = config.login.as_ref().map(login).transpose()?;
    Open::check(login.as_ref(), listen)?;
    let permits = Permits::of(&config.accounts);
    if args.chaos.is_some() && permits.relays() {
        return Err(Failure::with_help(
            "chaos",
            "--chaos is for rehearsals, and gateway.toml has accounts that send to people",
            "leave out --chaos, or name a file without accounts",
        ));
    }
    let accounts = config.accounts.into_iter().map(with_login);
    let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
    let store = Store::open(&data)?;
    say_accounts(&store, &accounts, shown)?;
    let setup = Setup {
        login,
        hosts: config.hosts,
        limits: config.limits,
        chaos: args.chaos.clone().map(chaos),
        keep: Keep::Store(store.clone()),
        permits,
        clock: Clock::system(),
        random: Box::new(rand::make_rng::<StdRng>()),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("io", format!("can't start: {error}")))?
        .block_on(listen_and_serve(
            listen,
            setup,
            &store,
            accounts,
            config.keep,
        ))
}

/// Writes everything that is kept into a Maildir.
fn written(data: &Path, maildir: &Path) -> Result<ExitCode, Failure> {
    let count = export(data, maildir).map_err(|error| match error {
        ExportError::Store(error) => error.into(),
        error @ ExportError::Maildir(_) => Failure::new("io", error.to_string()),
    })?;
    println!("{count} messages in {}", maildir.display());
    Ok(ExitCode::Done)
}

async fn listen_and_serve(
    listen: SocketAddr,
    setup: Setup,
    store: &Store,
    accounts: Vec<WithLogin>,
    limits: Limits,
) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::new("gateway", format!("{listen}: {error}"));
    let (listener, mut signals) = super::listen::listen("gateway", listen).await?;
    let chance = || Box::new(rand::make_rng::<StdRng>()) as Box<dyn rand::Rng + Send>;
    let relay = Relay::start(store, accounts, &setup.clock, chance).await?;
    println!("http://{}/", listener.local_addr().map_err(failed)?);
    let mut changes = store.changes();
    let shutdown = async move {
        // A store that can't be written ends it as well.
        let store_fails = async { while changes.changed().await.is_ok() {} };
        tokio::select! { () = signals.one() => {}, () = store_fails => {} }
        tokio::spawn(async move {
            signals.one().await;
            std::process::exit(ExitCode::Interrupted as i32);
        });
    };
    let keep = tokio::spawn(keep(store.clone(), limits, setup.clock.clone()));
    let served = serve(listener, setup, shutdown).await;
    keep.abort();
    relay.stop(END).await;
    served.map_err(failed)?;
    match store.failure() {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::Done),
    }
}

/// Faults by a chance that is the same each time if there is a seed.
fn chaos(spec: Spec) -> Chaos {
    let random: StdRng = match spec.seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => rand::make_rng(),
    };
    Chaos::new(spec, Box::new(random))
}

/// The login, from the environment.
fn login(names: &LoginNames) -> Result<Login, Failure> {
    let value = |name: &String| {
        variable(name).ok_or_else(|| {
            let message = format!("the gateway's login is missing: {name} is not set");
            Failure::with_help("no-login", message, "set the environment variable")
        })
    };
    Ok(Login {
        app_key: value(&names.app_key_env)?,
        secret_key: value(&names.secret_key_env)?.into(),
    })
}

/// An account with its login, from the environment or a command.
fn with_login(account: Account) -> Result<WithLogin, Failure> {
    let Some(LoginSource {
        username_env,
        password,
    }) = &account.login
    else {
        return Ok((account, None));
    };
    let value = |name: &String| {
        variable(name).ok_or_else(|| {
            let account = &account.name;
            let message =
                format!("the login of the account {account} is missing: {name} is not set");
            Failure::with_help("no-login", message, "set the environment variable")
        })
    };
    let login = relay::config::Login {
        username: value(username_env)?,
        password: match password {
            PasswordSource::Env(name) => value(name)?.into(),
            PasswordSource::Command(command) => from_command("password_command", command)?.into(),
        },
    };
    Ok((account, Some(login)))
}

/// Says where the messages of each account go, and how many wait.
fn say_accounts(store: &Store, accounts: &[WithLogin], shown: &Shown) -> Result<(), Failure> {
    let mut waiting = BTreeMap::from_iter(store.read(relay::waiting)?);
    for (account, _) in accounts {
        match waiting.remove(&account.name) {
            Some(waiting) => shown.say(&format!("{account}; {waiting} wait in its queue")),
            None => shown.say(&account.to_string()),
        }
    }
    for (account, waiting) in waiting {
        shown.say(&format!(
            "{waiting} wait for the account {account}, which is not in the file: they are kept"
        ));
    }
    Ok(())
}

/// Where data of programs go (XDG Base Directory Specification).
fn default_data() -> Result<PathBuf, Failure> {
    let absolute = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    let data = absolute("XDG_DATA_HOME").or_else(home);
    data.map(|data| data.join("mailrun/gateway"))
        .ok_or_else(|| {
            Failure::with_help(
                "no-data",
                "there is no HOME to keep the messages in",
                "name a folder with --data",
            )
        })
}

impl From<Open> for Failure {
    fn from(open: Open) -> Self {
        Self::with_help(
            "no-login",
            open.to_string(),
            "name a login in gateway.toml ([login] with app_key_env and secret_key_env), or listen on 127.0.0.1",
        )
    }
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Store(error) => error.into(),
            RelayError::Tls(_) => Self::with_help(
                "tls",
                error.to_string(),
                "install the system's certificates (ca-certificates), or name a file in SSL_CERT_FILE",
            ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::InUse(_) => Self::with_help(
                "in-use",
                message,
                "stop the other gateway, or name another folder with --data",
            ),
            StoreError::NotThere(_) => {
                Self::with_help("store", message, "name the folder of a gateway with --data")
            }
            StoreError::NotAStore(_) => {
                Self::with_help("store", message, "name another folder with --data")
            }
            StoreError::Version { .. } => Self::with_help(
                "store",
                message,
                "let the mailrun that made it send what still waits, and --export what is to be kept; then name another folder with --data",
            ),
            StoreError::Doubtful(_) => Self::with_help(
                "store",
                message,
                "the disk fails: the system's log says more. Start the gateway again when it works",
            ),
            _ => Self::new("store", message),
        }
    }
}
