//! What the posts of the month must keep to.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::server::Post;
use super::{Month, PER_DAY, PER_DOMAIN, RAMP, ROWS, START, UNTIL, ZONES, domain_of, zone_of};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger as _, Status};

impl Month {
    /// Every request that was posted, against windows and limits that are written down here once more.
    pub(super) fn check(&self) {
        let posts = self.posts.lock().expect("a lock");
        let warsaw = TimeZone::get(ZONES[0]).expect("a zone");
        let mut days: BTreeMap<Date, u64> = BTreeMap::new();
        for (index, Post { at, row, .. }) in posts.iter().enumerate() {
            let zone = TimeZone::get(ZONES[zone_of(*row)]).expect("a zone");
            let local = at.to_zoned(zone);
            assert!(is_in_window(&local), "row {row} went at {local}");
            assert!(*at >= START.parse().expect("a time") && *at < UNTIL.parse().expect("a time"));
            let of_date = days.entry(at.to_zoned(warsaw.clone()).date()).or_default();
            *of_date += 1;
            let of_date = *of_date;
            let day = days.len() - 1;
            let most = PER_DAY.min(RAMP[day.min(RAMP.len() - 1)]);
            assert!(of_date <= most, "{of_date} on the day of {at}, day {day}");
            let yesterday = *at - SignedDuration::from_hours(24);
            let last_day = &posts[..=index];
            let last_day = last_day.iter().filter(|post| post.at > yesterday);
            let in_24_hours = last_day.clone().count() as u64;
            assert!(in_24_hours <= most, "{in_24_hours} by {at}, day {day}");
            let domain = last_day.filter(|post| domain_of(post.row) == 1).count() as u64;
            assert!(domain <= PER_DOMAIN, "{domain} of the domain by {at}");
        }
        for (zone, date) in [(1, "2026-03-08"), (0, "2026-03-29")] {
            let time_zone = TimeZone::get(ZONES[zone]).expect("a zone");
            let in_zone = posts.iter().filter(|post| zone_of(post.row) == zone);
            let mut dates = in_zone.map(|post| post.at.to_zoned(time_zone.clone()).date());
            let is_used = dates.any(|it| it.to_string() == date);
            assert!(is_used, "nothing went when clocks changed on {date}");
        }
        // Kills and late rows lose a few permits; the rest is used.
        let full = days.values().filter(|count| **count * 10 >= PER_DAY * 8);
        assert!(full.count() * 2 > days.len(), "{days:?}");
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        let (mut accepted, mut unknown) = (0, 0);
        for row in ledger.rows(0, ROWS).expect("rows") {
            let posts = posts.iter().filter(|post| post.row == row.number);
            let taken = posts.filter(|post| post.taken).count();
            match row.status {
                Status::Accepted => {
                    assert_eq!(taken, 1, "row {}", row.number);
                    accepted += 1;
                }
                // It was claimed at a kill, and maybe posted.
                Status::Unknown => {
                    assert!(taken <= 1, "row {} was posted {taken} times", row.number);
                    unknown += 1;
                }
                status => panic!("row {} is {status}", row.number),
            }
        }
        assert!(unknown > 0, "no kill found a request in flight");
        assert_eq!(accepted + unknown, ROWS);
    }
}

fn is_in_window(at: &jiff::Zoned) -> bool {
    let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
    match at.weekday() {
        Weekday::Saturday => minute < 10,
        Weekday::Sunday => (110..190).contains(&minute),
        Weekday::Friday if minute >= 23 * 60 + 50 => true,
        _ => (540..548).contains(&minute) || (1010..1020).contains(&minute),
    }
}
