//! Network namespaces for workers, each with a link to the database and one to the API.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// A link of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Database,
    Api,
}

impl Link {
    const ALL: [Self; 2] = [Self::Database, Self::Api];

    /// The address of the database or the API. It is one of the loopback, because mailrun demands TLS for all
    /// others.
    pub fn address(self) -> IpAddr {
        let net = match self {
            Self::Database => 98,
            Self::Api => 99,
        };
        IpAddr::V4(Ipv4Addr::new(127, net, 0, 1))
    }

    fn net(self) -> u8 {
        match self {
            Self::Database => 213,
            Self::Api => 214,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Database => "db",
            Self::Api => "api",
        }
    }
}

/// Whether addresses of the loopback can be in another namespace.
const ROUTE_LOOPBACK: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";

/// A namespace for each worker. They exist until this process ends.
pub struct Network;

impl Network {
    /// The network of all workers' links to the database.
    pub const DATABASE: &str = "10.213.0.0/16";

    /// Creates the namespaces of this many workers. This process must be in namespaces of its own, for networks
    /// and mounts.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(workers: usize) -> Result<Self, String> {
        run("mkdir -p /run/netns")?;
        run("mount -t tmpfs none /run/netns")?;
        run("ip link set lo up")?;
        std::fs::write(ROUTE_LOOPBACK, "1")
            .map_err(|error| format!("{ROUTE_LOOPBACK}: {error}"))?;
        for link in Link::ALL {
            run(&format!("ip addr add {}/32 dev lo", link.address()))?;
        }
        for worker in 0..workers {
            let space = Self::namespace(worker);
            run(&format!("ip netns add {space}"))?;
            let script = format!("echo 1 > {ROUTE_LOOPBACK}");
            run_all(&["ip", "netns", "exec", &space, "sh", "-c", &script])?;
            for link in Link::ALL {
                let (name, net, outer) = (link.name(), link.net(), outer(worker, link));
                let host = worker + 1;
                for command in [
                    format!("ip link add {outer} type veth peer name {name} netns {space}"),
                    format!("ip addr add 10.{net}.{host}.1/24 dev {outer}"),
                    format!("ip link set {outer} up"),
                    format!("ip -n {space} addr add 10.{net}.{host}.2/24 dev {name}"),
                    format!("ip -n {space} link set {name} up"),
                    format!(
                        "ip -n {space} route add {}/32 via 10.{net}.{host}.1",
                        link.address()
                    ),
                ] {
                    run(&command)?;
                }
            }
        }
        Ok(Self)
    }

    /// The name of a worker's namespace.
    pub fn namespace(worker: usize) -> String {
        format!("worker{worker}")
    }

    /// Cuts a worker's link, or makes it work again.
    pub fn set(&self, worker: usize, link: Link, up: bool) {
        let state = if up { "up" } else { "down" };
        let command = format!("ip link set {} {state}", outer(worker, link));
        run(&command).expect("the link is there");
    }
}

/// The end of a link outside the worker's namespace.
fn outer(worker: usize, link: Link) -> String {
    format!("{}{worker}", link.name())
}

fn run(command: &str) -> Result<(), String> {
    run_all(&command.split(' ').collect::<Vec<_>>())
}

fn run_all(words: &[&str]) -> Result<(), String> {
    let command = words.join(" ");
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.map_err(|error| format!("{command}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let says = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command}: {}", says.trim()))
        }
    }
}
