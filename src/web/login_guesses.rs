//! Slows down guesses at the login, for each client by itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many wrong logins in a row have no effect.
const FREE_GUESSES: u32 = 10;
/// The time between two logins of a client that are checked after that.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for a check. It also limits how many requests of a client wait.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Wrong logins are forgotten after this time without another one.
const MEMORY: Duration = Duration::from_secs(300);
/// The most clients that are remembered. Any others are treated as one client.
const MAX_CLIENTS: usize = 10_000;

/// The wrong logins of each client. A right login clears the client's.
#[derive(Debug, Default)]
pub(super) struct LoginGuesses(Mutex<HashMap<IpAddr, Guesses>>);

#[derive(Debug, Clone, Copy)]
struct Guesses {
    wrong: u32,
    /// When the next login may be checked.
    next: Instant,
}

impl Guesses {
    fn is_forgotten(&self, now: Instant) -> bool {
        self.next + MEMORY < now
    }
}

impl LoginGuesses {
    /// When a client's next login may be checked; `None` if too many of its requests wait already.
    pub(super) fn turn(&self, client: IpAddr, now: Instant) -> Option<Instant> {
        let mut all = self.lock();
        let Some(guesses) = find(&mut all, client) else {
            return Some(now);
        };
        if guesses.wrong < FREE_GUESSES || guesses.is_forgotten(now) {
            return Some(now);
        }
        let turn = guesses.next.max(now);
        if turn > now + MAX_WAIT {
            return None;
        }
        guesses.next = turn + INTERVAL;
        Some(turn)
    }

    /// Records whether a client's login was right.
    pub(super) fn record(&self, client: IpAddr, is_right: bool, now: Instant) {
        let mut all = self.lock();
        let client = network(client);
        if is_right {
            all.remove(&client);
            return;
        }
        if all.len() >= MAX_CLIENTS && !all.contains_key(&client) {
            all.retain(|_, guesses| !guesses.is_forgotten(now));
        }
        let client = match all.len() {
            MAX_CLIENTS.. if !all.contains_key(&client) => OTHERS,
            _ => client,
        };
        let new = Guesses {
            wrong: 0,
            next: now,
        };
        let guesses = all.entry(client).or_insert(new);
        if guesses.is_forgotten(now) {
            *guesses = new;
        }
        guesses.wrong = guesses.wrong.saturating_add(1);
        guesses.next = guesses.next.max(now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Guesses>> {
        // A panic under this lock leaves a consistent value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All clients for which there is no memory. No client has this address.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

fn find(all: &mut HashMap<IpAddr, Guesses>, client: IpAddr) -> Option<&mut Guesses> {
    let client = network(client);
    let known = all.contains_key(&client);
    all.get_mut(if known { &client } else { &OTHERS })
}

/// One machine usually has a whole IPv6 network of 64 bits.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(number))
    }

    /// The wait until a login of a client is checked.
    fn wait(guesses: &LoginGuesses, client: IpAddr, now: Instant) -> Option<Duration> {
        guesses.turn(client, now).map(|turn| turn - now)
    }

    fn guess_wrong(guesses: &LoginGuesses, client: IpAddr, times: u32, now: Instant) {
        (0..times).for_each(|_| guesses.record(client, false, now));
    }

    #[test]
    fn wrong_logins_delay_the_next_ones_of_the_same_client() {
        let (guesses, now) = (LoginGuesses::default(), Instant::now());
        guess_wrong(&guesses, client(1), FREE_GUESSES - 1, now);
        assert_eq!(wait(&guesses, client(1), now), Some(Duration::ZERO));
        guess_wrong(&guesses, client(1), 1, now);
        for seconds in 0..=10 {
            let expected = Some(Duration::from_secs(seconds));
            assert_eq!(wait(&guesses, client(1), now), expected);
        }
        assert_eq!(wait(&guesses, client(1), now), None);
        assert_eq!(wait(&guesses, client(2), now), Some(Duration::ZERO));
        guesses.record(client(1), true, now);
        assert_eq!(wait(&guesses, client(1), now), Some(Duration::ZERO));
    }

    #[test]
    fn wrong_logins_are_forgotten() {
        let (guesses, now) = (LoginGuesses::default(), Instant::now());
        guess_wrong(&guesses, client(1), FREE_GUESSES, now);
        let later = now + MEMORY + INTERVAL;
        assert_eq!(wait(&guesses, client(1), later), Some(Duration::ZERO));
        assert_eq!(wait(&guesses, client(1), later), Some(Duration::ZERO));
        guess_wrong(&guesses, client(1), 1, later);
        assert_eq!(wait(&guesses, client(1), later), Some(Duration::ZERO));
    }

    #[test]
    fn the_memory_is_limited() {
        let (guesses, now) = (LoginGuesses::default(), Instant::now());
        for number in 1..=MAX_CLIENTS as u32 + FREE_GUESSES {
            guess_wrong(&guesses, client(number), 1, now);
        }
        assert_eq!(guesses.lock().len(), MAX_CLIENTS + 1);
        let unknown = client(u32::MAX);
        assert_eq!(wait(&guesses, unknown, now), Some(Duration::ZERO));
        assert_eq!(wait(&guesses, unknown, now), Some(INTERVAL));
        let later = now + 2 * MEMORY;
        guess_wrong(&guesses, unknown, 1, later);
        assert_eq!(guesses.lock().len(), 1);
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_client() {
        let (guesses, now) = (LoginGuesses::default(), Instant::now());
        for host in 0..FREE_GUESSES {
            let client = format!("2001:db8::{host}").parse().expect("an address");
            guess_wrong(&guesses, client, 1, now);
        }
        let same = "2001:db8::ffff".parse().expect("an address");
        assert_eq!(wait(&guesses, same, now), Some(Duration::ZERO));
        assert_eq!(wait(&guesses, same, now), Some(INTERVAL));
        let other = "2001:db8:0:1::1".parse().expect("an address");
        assert_eq!(wait(&guesses, other, now), Some(Duration::ZERO));
    }
}
