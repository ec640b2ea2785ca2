//! `mailrun gateway`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::console::Console;
use super::failure::Failure;
use super::output;
use super::secret_command::secret_from_command;
use super::secrets::variable;
use super::serve::{bind, listen, runtime};
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::{Finding, Place};
use crate::gateway::chaos::{Chaos, Spec};
use crate::gateway::config::{CertificateFiles, Config, LoginVariables, SmtpConfig};
use crate::gateway::relay::config::{AccountConfig, CredentialsSource, PasswordSource};
use crate::gateway::relay::{self, Credentials, Permits, Relay, RelayError};
use crate::gateway::simulation;
use crate::gateway::store::retention::{RetentionLimits, enforce_limits};
use crate::gateway::store::{Store, StoreError};
use crate::gateway::webhooks::{self, Webhook, WebhookConfig, WebhookError, WebhookSecrets};
use crate::gateway::{
    Certificate, CertificateError, ExportError, Login, LoginRequired, Setup, SmtpSetup, Storage,
    export, serve, serve_with_smtp,
};

/// How long to wait for SMTP transactions when the gateway is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

const WEBHOOK_SECRET: &str = "MAILRUN_WEBHOOK_SECRET";
const WEBHOOK_LOGIN: &str = "MAILRUN_WEBHOOK_LOGIN";

type WithLogin = (AccountConfig, Option<Credentials>);

pub(super) fn run(args: &cli::GatewayArgs, console: &Console) -> Result<ExitCode, Failure> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let data = match args.data.clone().or(config.data) {
        Some(data) => data,
        None => default_data()?,
    };
    if let Some(maildir) = &args.export {
        return export_to(&data, maildir);
    }
    let address = args.listen.unwrap_or(config.listen);
    let login = config.login.as_ref().map(login).transpose()?;
    let smtp = smtp(args.smtp, &config.smtp)?;
    LoginRequired::check(login.as_ref(), address)?;
    if let Some(smtp) = &smtp {
        LoginRequired::check(login.as_ref(), smtp.address)?;
    }
    let permits = Permits::of(&config.accounts);
    if args.chaos.is_some() && permits.relays() {
        return Err(Failure::with_help(
            "chaos",
            "--chaos is for rehearsals only, but gateway.toml has accounts that send real mail",
            "remove --chaos, or use a configuration file without accounts",
        ));
    }
    let accounts = config.accounts.into_iter().map(with_login);
    let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
    let webhook = match config.webhooks {
        Some(webhook) => Some((webhook, webhook_secrets()?)),
        None => None,
    };
    let store = Store::open(&data)?;
    warn_if_open(&data, console);
    print_accounts(&store, &accounts, console)?;
    let setup = Setup {
        login,
        hosts: config.hosts,
        limits: config.limits,
        chaos: args.chaos.clone().map(chaos),
        storage: Storage::Store(store.clone()),
        permits,
        clock: Clock::system(),
        random: Box::new(rand::make_rng::<StdRng>()),
    };
    runtime()?.block_on(listen_and_serve(
        address,
        smtp,
        setup,
        &store,
        accounts,
        config.keep,
        webhook,
    ))
}

/// An SMTP server that is to be started.
struct SmtpAddress {
    address: SocketAddr,
    certificate: Option<Certificate>,
    account: Option<String>,
}

impl SmtpAddress {
    async fn listen(self) -> Result<SmtpSetup, Failure> {
        Ok(SmtpSetup {
            listener: bind("gateway", self.address, "--smtp").await?,
            certificate: self.certificate,
            account: self.account,
        })
    }
}

/// The SMTP server of the command line or of the configuration file, if there is one.
fn smtp(address: Option<SocketAddr>, config: &SmtpConfig) -> Result<Option<SmtpAddress>, Failure> {
    let Some(address) = address.or(config.listen) else {
        return Ok(None);
    };
    let load = |files: &CertificateFiles| Certificate::load(&files.certificate, &files.key);
    Ok(Some(SmtpAddress {
        address,
        certificate: config.certificate.as_ref().map(load).transpose()?,
        account: config.account.clone(),
    }))
}

/// Warns if other users can read the folder with the messages.
fn warn_if_open(data: &Path, console: &Console) {
    let mode = data
        .metadata()
        .map_or(0, |data| data.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let message = format!(
            "other users of this machine may read the messages in {} (mode {mode:04o})",
            data.display()
        );
        let finding = Finding::warning("data-folder", Place::file(data), message);
        let help = format!("run `chmod 700 {}`", data.display());
        console.print_findings(&[finding.help(help)].into_iter().collect());
    }
}

fn export_to(data: &Path, maildir: &Path) -> Result<ExitCode, Failure> {
    let count = export(data, maildir).map_err(|error| match error {
        ExportError::Store(error) => error.into(),
        error @ ExportError::Maildir(_) => Failure::new("io", error.to_string()),
    })?;
    output::line(format_args!("{count} messages in {}", maildir.display()));
    Ok(ExitCode::Done)
}

async fn listen_and_serve(
    address: SocketAddr,
    smtp: Option<SmtpAddress>,
    setup: Setup,
    store: &Store,
    accounts: Vec<WithLogin>,
    limits: RetentionLimits,
    webhook: Option<(WebhookConfig, WebhookSecrets)>,
) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::new("gateway", format!("{address}: {error}"));
    let (listener, mut signals) = listen("gateway", address).await?;
    let smtp = match smtp {
        Some(smtp) => Some(smtp.listen().await?),
        None => None,
    };
    let chance = || Box::new(rand::make_rng::<StdRng>()) as Box<dyn rand::Rng + Send>;
    let relay = Relay::start(store, accounts, &setup.clock, chance).await?;
    let webhook = match webhook {
        Some((config, secrets)) => {
            Some(Webhook::start(config, secrets, store, &setup.clock).await?)
        }
        None => {
            webhooks::disable(store).await?;
            None
        }
    };
    output::line(format_args!(
        "http://{}/",
        listener.local_addr().map_err(failed)?
    ));
    if let Some(smtp) = &smtp {
        let address = smtp.listener.local_addr().map_err(failed)?;
        output::line(format_args!("smtp://{address}"));
    }
    let mut changes = store.changes();
    let shutdown = async move {
        // The gateway also stops when it can't write to its store.
        let store_fails = async { while changes.changed().await.is_ok() {} };
        tokio::select! { () = signals.next() => {}, () = store_fails => {} }
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(ExitCode::Interrupted as i32);
        });
    };
    let retention = tokio::spawn(enforce_limits(store.clone(), limits, setup.clock.clone()));
    let events = tokio::spawn(simulation::happen(store.clone(), setup.clock.clone()));
    let pushes = webhook.map(|webhook| tokio::spawn(webhook.push()));
    let served = match smtp {
        Some(smtp) => serve_with_smtp(listener, smtp, setup, shutdown).await,
        None => serve(listener, setup, shutdown).await,
    };
    retention.abort();
    events.abort();
    if let Some(pushes) = pushes {
        pushes.abort();
    }
    relay.stop(STOP_TIMEOUT).await;
    served.map_err(failed)?;
    match store.failure() {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::Done),
    }
}

/// With a seed, the faults are the same each time.
fn chaos(spec: Spec) -> Chaos {
    let random: StdRng = match spec.seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => rand::make_rng(),
    };
    Chaos::new(spec, Box::new(random))
}

/// An environment variable of the login that `of` names.
fn login_variable(name: &str, of: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| {
        let message = format!("the login of {of} is missing: {name} is not set");
        Failure::with_help("no-login", message, "set the environment variable")
    })
}

fn login(names: &LoginVariables) -> Result<Login, Failure> {
    Ok(Login {
        app_key: login_variable(&names.app_key, "the gateway")?,
        secret_key: login_variable(&names.secret_key, "the gateway")?.into(),
    })
}

/// The secret and the login of the webhook.
fn webhook_secrets() -> Result<WebhookSecrets, Failure> {
    let secret = variable(WEBHOOK_SECRET).ok_or_else(|| {
        let message = format!("the secret of the webhook is missing: {WEBHOOK_SECRET} is not set");
        let help = "set the environment variable to the secret that the receiver knows";
        Failure::with_help("no-login", message, help)
    })?;
    let login = variable(WEBHOOK_LOGIN).map(|login| {
        let login = login.split_once(':');
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned().into()));
        login.ok_or_else(|| {
            let message = format!("{WEBHOOK_LOGIN} has no colon");
            let help = "write the user name and the password: user:password";
            Failure::with_help("no-login", message, help)
        })
    });
    Ok(WebhookSecrets {
        secret: secret.into(),
        login: login.transpose()?,
    })
}

fn with_login(account: AccountConfig) -> Result<WithLogin, Failure> {
    let Some(CredentialsSource {
        username_env,
        password,
    }) = &account.credentials
    else {
        return Ok((account, None));
    };
    let of = format!("the account {}", account.name);
    let credentials = Credentials {
        username: login_variable(username_env, &of)?,
        password: match password {
            PasswordSource::Env(name) => login_variable(name, &of)?.into(),
            PasswordSource::Command(command) => {
                secret_from_command("password_command", command)?.into()
            }
        },
    };
    Ok((account, Some(credentials)))
}

/// Prints where the messages of each account go, and how many are queued.
fn print_accounts(store: &Store, accounts: &[WithLogin], console: &Console) -> Result<(), Failure> {
    let mut waiting = BTreeMap::from_iter(store.read(relay::waiting)?);
    for (account, _) in accounts {
        match waiting.remove(&account.name) {
            Some(waiting) => console.print(&format!("{account}; {waiting} queued")),
            None => console.print(&account.to_string()),
        }
    }
    for (account, waiting) in waiting {
        console.print(&format!(
            "{waiting} queued for the account {account}, which is not in the configuration file; they are kept"
        ));
    }
    Ok(())
}

/// The default of `--data` (XDG Base Directory Specification).
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
                "HOME is not set, so there is no default folder for messages",
                "name a folder with --data",
            )
        })
}

impl From<LoginRequired> for Failure {
    fn from(error: LoginRequired) -> Self {
        let help = "add a [login] with app_key_env and secret_key_env to gateway.toml, or listen on 127.0.0.1";
        Self::from_error("no-login", &error, Some(help))
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        let help = "set `certificate` and `key` in [smtp] to PEM files: the certificate with its chain, and its key";
        Self::from_error("certificate", &error, Some(help))
    }
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        let help = match error {
            RelayError::Store(error) => return error.into(),
            RelayError::Tls(_) => {
                "install the system's certificates (package ca-certificates), or set SSL_CERT_FILE to a file with certificates"
            }
        };
        Self::from_error("tls", &error, Some(help))
    }
}

impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Store(error) => error.into(),
            WebhookError::Client(_) => {
                let help = "install the system's certificates (package ca-certificates)";
                Self::from_error("tls", &error, Some(help))
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::InUse(_) => "in-use",
            _ => "store",
        };
        let help = match error {
            StoreError::InUse(_) => {
                Some("stop the other gateway, or use another folder with --data")
            }
            StoreError::Missing(_) => Some("name the folder of a gateway with --data"),
            StoreError::NotAStore(_) => Some("use another folder with --data"),
            StoreError::Version { .. } => Some(
                "with the mailrun that created it, send what is queued and export the messages you need (--export); then use another folder with --data",
            ),
            StoreError::Doubtful(_) => {
                Some("check the disk (the system's log may say more), then start the gateway again")
            }
            _ => None,
        };
        Self::from_error(code, &error, help)
    }
}
