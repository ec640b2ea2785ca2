use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn minute(text: &str) -> i64 {
    at(text).as_second() / 60
}

fn day(per_day: Option<u64>, ramp: &[u64]) -> GroupDay {
    GroupDay {
        per_day,
        ramp: ramp.to_vec(),
        zone: TimeZone::get("Europe/Warsaw").expect("a zone"),
    }
}

#[test]
fn the_ramp_grows_with_the_days_on_which_something_was_posted() {
    let ramp = day(Some(4000), &[500, 1000, 5000]);
    let limits: Vec<u64> = (0..5).map(|days| ramp.limit(days)).collect();
    assert_eq!(limits, [500, 1000, 4000, 4000, 4000]);
    // 23:30 and 00:30 in Warsaw are two days; a day without posts does not count.
    let posted = [
        "2026-12-01T22:30:00Z",
        "2026-12-01T23:30:00Z",
        "2026-12-04T08:00:00Z",
    ]
    .map(minute);
    assert_eq!(ramp.days_before(posted, at("2026-12-04T09:00:00Z")), 2);
    assert_eq!(ramp.days_before(posted, at("2026-12-04T23:30:00Z")), 3);
    assert_eq!(ramp.days_before([], at("2026-12-04T23:30:00Z")), 0);
}

#[test]
fn the_name_of_a_zone_is_an_interval_for_postgresql() {
    let name = |seconds| {
        let offset = jiff::tz::Offset::from_seconds(seconds).expect("an offset");
        let zone = TimeZone::fixed(offset);
        let ramp = day(None, &[500]);
        GroupDay { zone, ..ramp }.zone_name()
    };
    assert_eq!(
        [name(7200), name(-12600), name(-3600)],
        ["+02:00", "-03:30", "-01:00"]
    );
    assert_eq!(day(None, &[500]).zone_name(), "Europe/Warsaw");
}

#[test]
fn what_was_posted_in_the_last_day_counts() {
    let ramp = day(None, &[500, 1000]);
    let now = at("2026-12-02T08:00:00Z");
    let posted = [(minute("2026-12-01T08:30:00Z"), 400)];
    assert_eq!(ramp.grant(200, 1, 1, &posted, now), Ok(200));
    assert_eq!(ramp.grant(2000, 1, 1, &posted, now), Ok(600));
    // The next limit is higher: it asks again at midnight in Warsaw, before the 24 hours are over.
    let posted = [(minute("2026-12-01T09:00:00Z"), 500)];
    let evening = at("2026-12-01T20:00:00Z");
    assert_eq!(
        ramp.grant(10, 1, 0, &posted, evening),
        Err(at("2026-12-01T23:00:00Z"))
    );
    // The last one stays: a minute is over when it is 24 hours old to its end.
    let full = [(minute("2026-12-01T09:00:00Z"), 1000)];
    assert_eq!(
        ramp.grant(10, 1, 1, &full, evening),
        Err(at("2026-12-02T09:02:00Z"))
    );
}

#[tokio::test(start_paused = true)]
async fn permits_are_reserved_used_and_given_back() {
    let (requests, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let mut limit = GroupLimit::new(&day(Some(1000), &[]), &[], NonZeroU32::MIN, requests);
    let now = at("2026-12-01T08:00:00Z");
    assert!(matches!(limit.turn(1, now), Turn::At(_)));
    let request = asked.try_recv().expect("a request");
    assert_eq!((request.wanted, request.needed), (10, 1));
    assert!(matches!(limit.turn(1, now), Turn::At(_)) && asked.try_recv().is_err());
    request.answer(GroupAnswer::Granted(7, 10));
    for _ in 0..4 {
        assert_eq!(limit.turn(1, now), Turn::Now);
        limit.take(1, now);
    }
    assert!(asked.try_recv().is_err());
    tokio::time::advance(LIFETIME.unsigned_abs()).await;
    assert!(matches!(limit.turn(1, now), Turn::At(_)));
    assert_eq!(asked.try_recv().expect("they are old").unused, [(7, 6)]);
    let request = asked.try_recv().expect("a request");
    request.answer(GroupAnswer::FullUntil(at("2026-12-02T08:00:00Z")));
    assert_eq!(limit.turn(1, now), Turn::Day(at("2026-12-02T08:00:00Z")));
    assert!(asked.try_recv().is_err());
    tokio::time::advance(ASK_AGAIN).await;
    assert_eq!(limit.turn(1, now), Turn::Day(at("2026-12-02T08:00:00Z")));
    let request = asked.try_recv().expect("a request");
    let later = at("2026-12-02T08:00:00Z");
    assert!(matches!(limit.turn(1, later), Turn::At(_)));
    request.answer(GroupAnswer::Granted(8, 3));
    drop(limit);
    assert_eq!(asked.try_recv().expect("the rest").unused, [(8, 3)]);
}

/// The clock of `Instant` stands still while the machine is suspended, as it does here.
#[tokio::test(start_paused = true)]
async fn permits_do_not_outlive_a_suspended_machine() {
    let (requests, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let mut limit = GroupLimit::new(&day(Some(1000), &[]), &[], NonZeroU32::MIN, requests);
    let now = at("2026-12-01T08:00:00Z");
    assert!(matches!(limit.turn(1, now), Turn::At(_)));
    let request = asked.try_recv().expect("a request");
    request.answer(GroupAnswer::Granted(7, 10));
    assert_eq!(limit.turn(1, now), Turn::Now);
    let awake = at("2026-12-01T16:00:00Z");
    assert!(matches!(limit.turn(1, awake), Turn::At(_)));
    assert_eq!(asked.try_recv().expect("they are old").unused, [(7, 10)]);
}

#[test]
fn a_day_without_a_limit_lets_all_through() {
    let zone = TimeZone::get("Europe/Warsaw").expect("a zone");
    let now = at("2026-12-02T08:00:00Z");
    let posted = [(minute("2026-12-02T07:00:00Z"), 1_000_000)];
    let granted = GroupDay::unlimited(zone).grant(50, 1, 0, &posted, now);
    assert_eq!(granted, Ok(50));
}
