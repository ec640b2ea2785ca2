use super::Case;
use crate::support::campaign::Campaign;

const ZONES: &str = "email,first_name,token,tz\nann@one.example,Ann,a1,Europe/Warsaw\n\
     bob@two.example,Bob,b2,Warsaw\ncleo@one.example,Cleo,c3,\ndan@one.example,Dan,d4,+02:00\n";

fn zones(good: Campaign, column: &str) -> Campaign {
    good.recipients(ZONES)
        .set("schedule.timezone", "Europe/Warsaw")
        .set("schedule.window", "00:00-24:00")
        .set("schedule.timezone_column", column)
}

/// A window that opens in Tokyo eight hours before Warsaw, for the first time in 2099.
fn in_one_zone_only(good: Campaign) -> Campaign {
    zones(good, "tz")
        .recipients(
            ZONES
                .replace(",Warsaw", ",Asia/Tokyo")
                .replace(",+02:00", ",+09:00"),
        )
        .set("schedule.window", "Thu 12:00-13:00")
        .set("schedule.start", "2099-12-31 00:00")
}

pub(super) const CASES: &[Case] = &[
    Case::new("schedule-over", |good| {
        good.set("schedule.timezone", "UTC")
            .set("schedule.until", "2020-01-01 12:00")
    }),
    Case::new("timezone-column", |good| zones(good, "zone")),
    Case::new("timezone-unknown", |good| zones(good, "tz")).rows(&[2]),
    // 2099-12-31 is a Thursday: the window closes in Tokyo before it opens in Warsaw.
    Case::new("timezone-closed", |good| {
        in_one_zone_only(good).set("schedule.until", "2099-12-31 10:00")
    })
    .rows(&[1, 3]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("schedule-over", |good| {
        good.set("schedule.timezone", "UTC")
            .set("schedule.start", "2020-01-01 12:00")
    }),
    Case::new("timezone-column", |good| zones(good, "TZ")),
    Case::new("timezone-unknown", |good| {
        zones(good, "tz").recipients(ZONES.replace(",Warsaw", ",Asia/Tokyo"))
    }),
    Case::new("timezone-closed", |good| {
        in_one_zone_only(good).set("schedule.until", "2099-12-31 12:30")
    }),
    // In the campaign's own zone, the window does not open.
    Case::new("schedule-over", |good| {
        in_one_zone_only(good).set("schedule.until", "2099-12-31 10:00")
    }),
];
