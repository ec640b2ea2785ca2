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

pub(super) const CASES: &[Case] = &[
    Case::new("schedule-over", |good| {
        good.set("schedule.timezone", "UTC")
            .set("schedule.until", "2020-01-01 12:00")
    }),
    Case::new("timezone-column", |good| zones(good, "zone")),
    Case::new("timezone-unknown", |good| zones(good, "tz")).rows(&[2]),
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
];
