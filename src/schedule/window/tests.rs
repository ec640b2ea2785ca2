use proptest::prelude::*;

use super::*;

fn window(text: &str) -> WeeklyWindow {
    text.parse().expect("a window")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

/// When the window opens and closes from a time on.
fn changes(text: &str, zone_name: &str, from: &str, most: usize) -> Vec<String> {
    let (window, zone) = (window(text), zone(zone_name));
    let mut time: Timestamp = from.parse().expect("a time");
    let mut changes = Vec::new();
    while changes.len() < most
        && let Some(next) = window.next_change(time, &zone)
    {
        let what = match window.is_open(next, &zone) {
            true => "opens",
            false => "closes",
        };
        let local = next.to_zoned(zone.clone());
        changes.push(format!("{what} {}", local.strftime("%a %H:%M %:z")));
        time = next;
    }
    changes
}

#[test]
fn a_week() {
    assert_eq!(
        changes(
            "Mon-Fri 09:00-17:00, Sat 10:00-12:00",
            "UTC",
            "2026-12-03T18:00:00Z",
            6
        ),
        [
            "opens Fri 09:00 +00:00",
            "closes Fri 17:00 +00:00",
            "opens Sat 10:00 +00:00",
            "closes Sat 12:00 +00:00",
            "opens Mon 09:00 +00:00",
            "closes Mon 17:00 +00:00",
        ]
    );
}

#[test]
fn hours_without_days_have_the_days_before_or_all() {
    assert_eq!(
        window("9:00-17:00").hours,
        window("Mon-Sun 09:00-17:00").hours
    );
    assert_eq!(
        window("Mon, Wed 9:00-12:00, 13:00-17:00").hours,
        [(540, 720), (780, 1020)].map(|(from, to)| Hours {
            days: [true, false, true, false, false, false, false],
            from,
            to,
        })
    );
    assert_eq!(
        window("fri-mon 00:00-24:00").hours[0].days,
        [true, false, false, false, true, true, true]
    );
    assert_eq!(
        window("Tuesday 00:00-24:00").hours,
        window("tu 0:00-24:00").hours
    );
    assert_eq!(
        window(" Mon-Fri   09:00-17:00 ").to_string(),
        "Mon-Fri 09:00-17:00"
    );
}

#[test]
fn hours_may_cross_midnight() {
    assert_eq!(
        changes(
            "Fri 22:00-02:00",
            "Europe/Warsaw",
            "2026-12-02T00:00:00Z",
            3
        ),
        [
            "opens Fri 22:00 +01:00",
            "closes Sat 02:00 +01:00",
            "opens Fri 22:00 +01:00"
        ]
    );
}

#[test]
fn all_of_the_time_never_closes() {
    for always in [
        "00:00-24:00",
        "00:00-12:00, 12:00-24:00",
        "Mon-Sun 12:00-00:00, 00:00-12:00",
    ] {
        for zone in ["UTC", "Europe/Warsaw"] {
            assert_eq!(
                changes(always, zone, "2026-03-28T12:00:00Z", 3),
                [""; 0],
                "{always}"
            );
        }
    }
}

/// At 02:00 on 29 March 2026, clocks in Warsaw go to 03:00.
#[test]
fn the_night_in_which_clocks_go_forward() {
    let night = "2026-03-28T12:00:00Z";
    for (hours, expected) in [
        (
            "Sun 01:30-02:30",
            ["opens Sun 01:30 +01:00", "closes Sun 03:00 +02:00"],
        ),
        (
            "Sun 02:30-04:00",
            ["opens Sun 03:00 +02:00", "closes Sun 04:00 +02:00"],
        ),
        (
            "Sun 02:00-03:00",
            ["opens Sun 02:00 +02:00", "closes Sun 03:00 +02:00"],
        ),
        (
            "Sat 22:00-04:00",
            ["opens Sat 22:00 +01:00", "closes Sun 04:00 +02:00"],
        ),
        (
            "Sun 09:00-17:00",
            ["opens Sun 09:00 +02:00", "closes Sun 17:00 +02:00"],
        ),
    ] {
        assert_eq!(
            changes(hours, "Europe/Warsaw", night, 2),
            expected,
            "{hours}"
        );
    }
    // The hour does not exist on the 29th: the next one is a week later.
    let zone = zone("Europe/Warsaw");
    let skipped = window("Sun 02:00-03:00");
    let opens = skipped.next_change(night.parse().expect("a time"), &zone);
    assert_eq!(opens, Some("2026-04-05T00:00:00Z".parse().expect("a time")));
}

/// At 03:00 on 25 October 2026, clocks in Warsaw go back to 02:00.
#[test]
fn the_night_in_which_clocks_go_back() {
    let night = "2026-10-24T12:00:00Z";
    for (hours, expected) in [
        (
            "Sun 01:30-02:30",
            vec![
                "opens Sun 01:30 +02:00",
                "closes Sun 02:30 +02:00",
                "opens Sun 02:00 +01:00",
                "closes Sun 02:30 +01:00",
            ],
        ),
        (
            "Sun 02:30-04:00",
            vec![
                "opens Sun 02:30 +02:00",
                "closes Sun 02:00 +01:00",
                "opens Sun 02:30 +01:00",
                "closes Sun 04:00 +01:00",
            ],
        ),
        (
            "Sun 02:00-03:00",
            vec!["opens Sun 02:00 +02:00", "closes Sun 03:00 +01:00"],
        ),
        (
            "Sun 09:00-17:00",
            vec!["opens Sun 09:00 +01:00", "closes Sun 17:00 +01:00"],
        ),
    ] {
        let found = changes(hours, "Europe/Warsaw", night, expected.len());
        assert_eq!(found, expected, "{hours}");
    }
}

#[test]
fn both_nights_in_new_york() {
    let all = |from, most| changes("Sun 01:30-03:30", "America/New_York", from, most);
    assert_eq!(
        all("2026-03-07T12:00:00Z", 2),
        ["opens Sun 01:30 -05:00", "closes Sun 03:30 -04:00"]
    );
    assert_eq!(
        all("2026-10-31T12:00:00Z", 4),
        [
            "opens Sun 01:30 -04:00",
            "closes Sun 01:00 -05:00",
            "opens Sun 01:30 -05:00",
            "closes Sun 03:30 -05:00",
        ]
    );
}

#[test]
fn what_is_not_a_window() {
    for text in [
        "",
        "Mon-Fri",
        "Mon-Fri 9-17",
        "Mon 09:00",
        "Mon 25:00-26:00",
        "Mon 09:60-10:00",
        "Mon 09:00-09:00",
        "Mon 24:00-02:00",
        "Noday 09:00-17:00",
        "M 09:00-17:00",
        "Mon 09:00-17:00,",
        "Mon, 09:00-17:00",
        "09:00-17:00 Mon",
        "Mon +9:00-17:00",
        "Mon 9:0-17:00",
    ] {
        assert!(text.parse::<WeeklyWindow>().is_err(), "{text}");
    }
}

const ZONES: [&str; 6] = [
    "Europe/Warsaw",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];
const WINDOWS: [&str; 6] = [
    "Mon-Fri 09:00-17:00",
    "Fri 22:00-02:00",
    "Sun 02:15-02:45",
    "Sat-Sun 23:30-03:10, Mon 00:00-24:00",
    "00:00-02:30, 03:30-24:00",
    "Mon, Wed 09:00-12:00, 13:00-17:00",
];

proptest! {
    /// Compared with a clock that is read every five minutes.
    #[test]
    fn the_next_change_is_where_the_clock_says_it_is(
        // From 2010 to 2027.
        start in 1_262_304_000i64..1_798_761_600, window_index in 0usize..WINDOWS.len(), zone_index in 0usize..ZONES.len(),
    ) {
        let (window, zone) = (window(WINDOWS[window_index]), zone(ZONES[zone_index]));
        let start = Timestamp::from_second(start / 300 * 300).expect("a time");
        let is_open = window.is_open(start, &zone);
        let five_minutes = SignedDuration::from_mins(5);
        let mut walked = start;
        let changed = loop {
            walked += five_minutes;
            if window.is_open(walked, &zone) != is_open {
                break Some(walked);
            }
            if walked > start + SignedDuration::from_hours(15 * 24) {
                break None;
            }
        };
        prop_assert_eq!(window.next_change(start, &zone), changed);
    }

    #[test]
    fn no_text_panics(text in "[MTWFSaueoiontdhr0-9:, –-]{0,30}") {
        let _ = text.parse::<WeeklyWindow>();
    }
}
