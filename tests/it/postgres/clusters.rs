//! What the clusters of the tests do.

use super::is_available;
use crate::support::postgres::{Cluster, Stop};

#[test]
fn commits_survive_both_kinds_of_stops() {
    if !is_available() {
        return;
    }
    let mut cluster = Cluster::start();
    let port = cluster.port();
    cluster.psql("CREATE TABLE t (n int)");
    for (n, how) in [(1, Stop::Immediate), (2, Stop::Fast)] {
        cluster.psql(&format!("INSERT INTO t VALUES ({n})"));
        cluster.restart(how);
        assert_eq!(cluster.psql("SELECT max(n) FROM t"), n.to_string());
    }
    assert_eq!(cluster.port(), port);
}

#[test]
fn a_standby_that_lags_loses_commits_when_it_is_promoted() {
    if !is_available() {
        return;
    }
    let mut primary = Cluster::start();
    primary.psql("CREATE TABLE t (n int)");
    let mut standby = primary.standby();
    primary.psql("INSERT INTO t VALUES (1)");
    primary.wait_for_standby();
    standby.disconnect();
    primary.psql("INSERT INTO t VALUES (2)");
    primary.stop(Stop::Immediate);
    standby.promote();
    standby.stop(Stop::Fast);
    standby.start_on(primary.port());
    standby.psql("INSERT INTO t VALUES (3)");
    assert_eq!(standby.psql("SELECT n FROM t ORDER BY n"), "1\n3");
}

#[test]
fn a_dropped_cluster_leaves_nothing() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::start();
    let port = cluster.port();
    let folder = cluster.psql("SHOW unix_socket_directories");
    drop(cluster);
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
}
