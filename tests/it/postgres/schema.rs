//! `mailrun ledger init`: migrations and grants.

use std::time::Duration;

use mailrun::ledger::PostgresError;
use mailrun::ledger::postgres::{check_version, connect};
use mailrun::ledger_url::LedgerUrl;

use super::{init, is_available};
use crate::support::postgres::{Cluster, USER};

/// What mailrun says about a ledger before it uses it.
fn check(url: &str) -> Result<(), PostgresError> {
    let url = LedgerUrl::parse(url).expect("a URL");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (client, _) = connect(&url, None, Duration::from_secs(10)).await?;
        check_version(&client).await
    })
}

#[test]
fn init_creates_a_ledger_once() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let database = cluster.database();
    let url = cluster.url_of(USER, &database);
    let missing = check(&url).expect_err("no ledger");
    assert!(matches!(missing, PostgresError::NoSchema), "{missing}");
    let help = missing.help().expect("help");
    assert!(help.contains("mailrun ledger init"), "{help}");
    let ran = init(&url).run();
    ran.code(0)
        .stdout_is(&format!("Created the ledger {url}, version 7.\n"));
    assert!(check(&url).is_ok());
    let ran = init(&url).run();
    ran.code(0)
        .stdout_is(&format!("The ledger {url} is up to date, version 7.\n"));
    let versions = "SELECT count(*), max(version) FROM mailrun.schema_version";
    assert_eq!(cluster.psql_in(&database, versions), "7|7");
}

#[test]
fn two_inits_at_a_time_do_not_clash() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let database = cluster.database();
    let url = cluster.url_of(USER, &database);
    let role = cluster.role();
    let started: Vec<_> = (0..6)
        .map(|_| init(&url).args(["--worker-role", &role]).spawn())
        .collect();
    let mut created = 0;
    for running in started {
        let ran = running.wait();
        ran.code(0);
        created += usize::from(ran.stdout.starts_with("Created"));
    }
    assert_eq!(created, 1);
}

#[test]
fn an_owner_creates_the_ledger_and_a_worker_has_only_the_grants() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let database = cluster.database();
    let (owner, other) = (cluster.role(), cluster.role());
    let worker = "News \"worker\"";
    cluster.psql("CREATE ROLE \"News \"\"worker\"\"\" LOGIN");
    cluster.psql(&format!("ALTER DATABASE {database} OWNER TO {owner}"));
    let url = cluster.url_of(&owner, &database);
    let ran = init(&url).args(["--worker-role", "nobody-here"]).run();
    ran.code(1)
        .stderr_has("no role named “nobody-here”")
        .stderr_has("CREATE ROLE");
    // Nothing is left of it.
    assert!(matches!(check(&url), Err(PostgresError::NoSchema)));
    let ran = init(&url).args(["--worker-role", worker]).run();
    ran.code(0)
        .stdout_has("The role News \"worker\" can send with it.");
    // For later versions too.
    let own = |sql: &str| {
        cluster
            .psql_as(&owner, &database, sql)
            .expect("the owner may")
    };
    own("CREATE TABLE mailrun.later (id bigserial)");
    own("CREATE FUNCTION mailrun.later() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    init(&url).run().code(0);

    let may = |role: &str, sql: &str| cluster.psql_as(role, &database, sql);
    for sql in [
        "SELECT version FROM mailrun.schema_version",
        "INSERT INTO mailrun.later DEFAULT VALUES",
        "UPDATE mailrun.later SET id = 2",
        "DELETE FROM mailrun.later WHERE id = 2",
        "SELECT mailrun.later()",
    ] {
        assert_eq!(may(worker, sql).err(), None, "{sql}");
        let refused = may(&other, sql).expect_err(sql);
        assert!(
            refused.contains("permission denied for schema"),
            "{refused}"
        );
    }
    // Not even if the schema becomes visible to it.
    let executes =
        format!("SELECT has_function_privilege('{other}', 'mailrun.later()', 'EXECUTE')");
    assert_eq!(own(&executes), "f");
    for sql in [
        "CREATE TABLE mailrun.mine (n int)",
        "DROP TABLE mailrun.later",
        "TRUNCATE mailrun.later",
        "UPDATE mailrun.schema_version SET version = 9",
        "INSERT INTO mailrun.schema_version VALUES (9)",
        "DELETE FROM mailrun.schema_version",
    ] {
        assert!(may(worker, sql).is_err(), "{sql}");
    }
    let worker_url = cluster.url_of("News%20%22worker%22", &database);
    assert!(check(&worker_url).is_ok());
    let refused = check(&cluster.url_of(&other, &database)).expect_err("no privilege");
    assert!(matches!(refused, PostgresError::NotAllowed(_)), "{refused}");
    let help = refused.help().expect("help");
    assert!(help.contains("--worker-role"), "{help}");
    let ran = init(&cluster.url_of(&other, &database)).run();
    ran.code(1).stderr_has("lacks a privilege");
    // The owner as the worker keeps all that it has.
    init(&url).args(["--worker-role", &owner]).run().code(0);
    own("UPDATE mailrun.schema_version SET applied_at = now()");
}

#[test]
fn another_version_of_the_schema_is_refused() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let database = cluster.database();
    let url = cluster.url_of(USER, &database);
    init(&url).run().code(0);
    let newer = "INSERT INTO mailrun.schema_version VALUES (99)";
    cluster.psql_in(&database, newer);
    let ran = init(&url).run();
    ran.code(1)
        .stderr_has("this mailrun is older than the ledger: its schema has version 99")
        .stderr_has("update mailrun");
    let newer = check(&url).expect_err("newer");
    assert!(
        matches!(newer, PostgresError::Newer { found: 99, .. }),
        "{newer}"
    );
    cluster.psql_in(
        &database,
        "UPDATE mailrun.schema_version SET version = version - 100 WHERE version < 99",
    );
    cluster.psql_in(
        &database,
        "DELETE FROM mailrun.schema_version WHERE version = 99",
    );
    let older = check(&url).expect_err("older");
    assert!(
        matches!(older, PostgresError::Older { found: ..0, .. }),
        "{older}"
    );
    let help = older.help().expect("help");
    assert!(help.contains("mailrun ledger init"), "{help}");
}
