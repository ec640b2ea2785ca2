//! Tells for each request whether the schedule allows it to begin. A gate is for the rows of one time zone.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Opening, Schedule};

/// Caches the last answer for as long as it is true.
pub(crate) struct Gate {
    schedule: Option<Arc<Schedule>>,
    zone: usize,
    /// The last answer, and the time it was computed.
    known: Option<(Timestamp, Opening)>,
}

impl Gate {
    /// Without a schedule, it is always open.
    pub(crate) fn new(schedule: Option<Arc<Schedule>>, zone: usize) -> Self {
        Self {
            schedule,
            zone,
            known: None,
        }
    }

    pub(crate) fn opening(&mut self, now: Timestamp) -> Opening {
        let Some(schedule) = &self.schedule else {
            return Opening::Open(None);
        };
        if let Some((since, opening)) = self.known
            // The clock may have been set back.
            && now >= since
            && match opening {
                Opening::Open(Some(until)) | Opening::Closed(until) => now < until,
                Opening::Open(None) | Opening::Over => true,
            }
        {
            return opening;
        }
        let opening = schedule.opening(self.zone, now);
        self.known = Some((now, opening));
        opening
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Zone;

    #[test]
    fn it_knows_when_its_answer_is_old() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let schedule = Schedule {
            start: None,
            until: None,
            window: Some("09:00-17:00".parse().expect("a window")),
            zones: vec![Zone::named("UTC").expect("a zone")],
        };
        let mut gate = Gate::new(Some(Arc::new(schedule)), 0);
        let (nine, five) = (at("2026-12-01T09:00:00Z"), at("2026-12-01T17:00:00Z"));
        for _ in 0..2 {
            assert_eq!(
                gate.opening(at("2026-12-01T08:59:59Z")),
                Opening::Closed(nine)
            );
        }
        for _ in 0..2 {
            assert_eq!(gate.opening(nine), Opening::Open(Some(five)));
        }
        assert_eq!(
            gate.opening(five),
            Opening::Closed(at("2026-12-02T09:00:00Z"))
        );
        // The clock was set back.
        assert_eq!(gate.opening(nine), Opening::Open(Some(five)));
        assert_eq!(Gate::new(None, 0).opening(nine), Opening::Open(None));
    }
}
