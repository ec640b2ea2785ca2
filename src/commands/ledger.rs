//! `mailrun ledger`.

use std::time::Duration;

use super::failure::Failure;
use super::ledger_access::LedgerAccess;
use super::output;
use super::run_home::no_ledger;
use super::serve::runtime;
use crate::cli::LedgerInitArgs;
use crate::exit_code::ExitCode;
use crate::ledger::postgres::{self, Migration};
use crate::ledger::{LedgerError, PostgresError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn init(args: &LedgerInitArgs) -> Result<ExitCode, Failure> {
    let access = LedgerAccess::find(args.ledger.url.as_deref(), None)?.ok_or_else(no_ledger)?;
    let role = args.worker_role.as_deref();
    let migration = runtime()?.block_on(async {
        let password = access.password.as_ref();
        let (mut client, _) = postgres::connect(&access.url, password, CONNECT_TIMEOUT).await?;
        postgres::init(&mut client, role).await
    });
    let migration = migration.map_err(|error: PostgresError| LedgerError::from(error))?;
    let url = &access.url;
    output::line(match migration {
        Migration { from: 0, to } => format!("Created the ledger {url}, version {to}."),
        Migration { from, to } if from == to => {
            format!("The ledger {url} is up to date, version {to}.")
        }
        Migration { from, to } => {
            format!("Updated the ledger {url} from version {from} to {to}.")
        }
    });
    if let Some(role) = role {
        output::line(format_args!("The role {role} can send with it."));
    }
    Ok(ExitCode::Done)
}
