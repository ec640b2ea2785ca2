//! The schedule: whether it opens at all, and the time zones of the rows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::campaign::ScheduleSettings;
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::clock::Clock;
use crate::finding::Place;
use crate::schedule::{Opening, Zone};

const OVER: Rule = Rule::error("schedule-over")
    .finds("a `[schedule]` that has ended, or whose window does not open before its end")
    .why("`send` would send nothing.")
    .fix("Write a later `until`, or remove it.")
    .source("`[schedule]`, and the time of day")
    .example("`until = \"2020-01-01 12:00\"`");

const COLUMN: Rule = Rule::error("timezone-column")
    .finds("a `timezone_column` that the recipients don't have")
    .why("All messages would go by the campaign's time zone.")
    .fix("Write the name of a column, or remove `timezone_column`.")
    .source("`[schedule]`, and the header of the recipients")
    .example("`timezone_column = \"tz\"` with the columns `email` and `zone`");

const UNKNOWN: Rule = Rule::warning("timezone-unknown")
    .finds("a row with text in the column of time zones that is not a time zone")
    .why("Its message goes by the campaign's time zone, perhaps in the reader's night.")
    .fix("Write a name of the IANA database, such as `Europe/Warsaw`, or an offset such as `+02:00`. An empty cell means the campaign's zone.")
    .source("the cells of the column in `timezone_column`, and the IANA time zone database")
    .example("`Warsaw`");

const CLOSED: Rule = Rule::warning("timezone-closed")
    .finds("a row in whose time zone the window does not open before `until`")
    .why("Its message is not sent.")
    .fix("Write a later `until`, or a wider window.")
    .source("`[schedule]`, the cells of the column in `timezone_column`, and the time of day")
    .example("`Asia/Tokyo` with `until = \"2030-12-05 17:00\"` in New York, and `window = \"09:00-17:00\"`");

#[derive(Default)]
pub(in crate::check) struct Schedule {
    /// The time zones, by name, and whether the window opens there.
    opens: Mutex<HashMap<String, bool>>,
}

impl Schedule {
    /// Also true if it opens nowhere: then the campaign has a finding.
    fn opens(&self, settings: &ScheduleSettings, zone: &Zone, clock: &Clock) -> bool {
        let mut known = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opens) = known.get(&zone.name) {
            return *opens;
        }
        let (schedule, now) = (settings.for_run(vec![zone.clone()]), clock.now());
        let opens = schedule.is_over(now) || schedule.opening(1, now) != Opening::Over;
        known.insert(zone.name.clone(), opens);
        opens
    }
}

impl Family for Schedule {
    fn rules(&self) -> &'static [Rule] {
        const { &[OVER, COLUMN, UNKNOWN, CLOSED] }
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(settings) = &shared.campaign.schedule else {
            return;
        };
        let place = || Place::file(&shared.campaign.source.path);
        let (schedule, now) = (settings.for_run(Vec::new()), shared.clock.now());
        let is_over = match settings.column_in(shared.header) {
            // Each row has its own zone.
            Some(_) => schedule.is_over(now),
            None => schedule.opening(0, now) == Opening::Over,
        };
        if is_over {
            let message = format!("nothing can be sent: {}", schedule.why_over());
            sink.add(OVER.at(place(), message).help("change [schedule]"));
        }
        if let Some(column) = &settings.timezone_column
            && settings.column_in(shared.header).is_none()
        {
            let message = format!(
                "the recipients have no column “{}”, which `timezone_column` names",
                column.get_ref()
            );
            sink.add(
                COLUMN
                    .at(place(), message)
                    .help("name one of their columns"),
            );
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(settings) = &context.shared.campaign.schedule else {
            return;
        };
        let column = settings.column_in(context.shared.header);
        let Some(cell) = column.and_then(|column| context.row.cells.get(column)) else {
            return;
        };
        let cell = cell.trim();
        let named = (!cell.is_empty()).then(|| Zone::named(cell));
        if let Some(Err(_)) = named {
            let message = format!(
                "“{cell}” is not a time zone: the message goes by the campaign's, {}",
                settings.zone.name
            );
            let help = "write a name such as “Europe/Warsaw”, or an offset such as “+02:00”";
            sink.add(UNKNOWN.at(Place::default(), message).help(help));
        }
        let zone = match &named {
            Some(Ok(zone)) => zone,
            Some(Err(_)) | None => &settings.zone,
        };
        if sink.wants(&CLOSED) && !self.opens(settings, zone, &context.shared.clock) {
            let message = format!(
                "the message will stay pending: {}, in {}",
                settings.for_run(Vec::new()).why_over(),
                zone.name
            );
            sink.add(CLOSED.found(message).help("change [schedule]"));
        }
    }
}
