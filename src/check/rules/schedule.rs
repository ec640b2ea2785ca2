//! The schedule: whether it opens at all, and the time zones of the rows.

use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
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

pub(in crate::check) struct Schedule;

impl Family for Schedule {
    fn rules(&self) -> &'static [Rule] {
        const { &[OVER, COLUMN, UNKNOWN] }
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(settings) = &shared.campaign.schedule else {
            return;
        };
        let place = || Place::file(&shared.campaign.source.path);
        let schedule = settings.for_run(Vec::new());
        if schedule.opening(0, shared.clock.now()) == Opening::Over {
            let message = format!("nothing can be sent: {}", settings.why_over());
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
        if !cell.is_empty() && Zone::named(cell).is_err() {
            let message = format!(
                "“{cell}” is not a time zone: the message goes by the campaign's, {}",
                settings.zone.name
            );
            let help = "write a name such as “Europe/Warsaw”, or an offset such as “+02:00”";
            sink.add(UNKNOWN.at(Place::default(), message).help(help));
        }
    }
}
