//! Stories that are played twice: with runs and lists in folders, and in PostgreSQL.

use crate::postgres;
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::Run;

/// Where the runs and the lists of a story are: the URL of a ledger, or `None` for folders.
pub(crate) struct Home(pub(crate) Option<String>);

impl Home {
    pub(crate) fn command(&self, command: &str) -> Run {
        let run = Run::new(command).keys();
        match &self.0 {
            Some(url) => run.env("MAILRUN_LEDGER", url),
            None => run,
        }
    }

    pub(crate) fn results(&self, run: &str) -> Results {
        let ran = self.command("results").arg(run).args(["--out", "-"]).run();
        Results::parse(&ran.code(0).stdout)
    }

    pub(crate) fn status(&self, run: &str) -> serde_json::Value {
        let ran = self.command("status").arg(run);
        let ran = ran.args(["--format", "json"]).run();
        serde_json::from_str(&ran.code(0).stdout).expect("JSON")
    }
}

/// Plays a story in folders, and in a new database if there is PostgreSQL.
pub(crate) fn both(play: impl Fn(&Home)) {
    play(&Home(None));
    if postgres::is_available() {
        let cluster = Cluster::shared();
        let url = cluster.url_of(USER, &cluster.database());
        postgres::init(&url).run().code(0);
        play(&Home(Some(url)));
    }
}
