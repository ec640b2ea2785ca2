//! `[schedule]`, validated.

use jiff::Timestamp;
use toml::Spanned;

use super::Validator;
use crate::campaign::ScheduleSettings;
use crate::campaign::file::{ScheduleTable, Text, Windows};
use crate::schedule::{WeeklyWindow, Zone, civil_moment};

impl Validator<'_> {
    pub(super) fn schedule(&mut self, table: Spanned<ScheduleTable>) -> Option<ScheduleSettings> {
        let span = table.span();
        let table = table.into_inner();
        let zone = match &table.timezone {
            Some(name) => Zone::named(name.get_ref()).map_err(|error| (name.span(), error)),
            None => Zone::system().map_err(|error| (span, error)),
        };
        let zone = match zone {
            Ok(zone) => zone,
            Err((span, error)) => {
                self.bad_value(span, error.to_string(), "");
                return None;
            }
        };
        let start = self.moment(table.start.as_ref(), &zone);
        let until = self.moment(table.until.as_ref(), &zone);
        if let (Some(text), Some(start), Some(until)) = (&table.until, start, until)
            && until <= start
        {
            self.bad_value(
                text.span(),
                "`until` is not after `start`",
                "write a later time, or remove one of them",
            );
        }
        let window = table.window.and_then(|window| self.window(window));
        if let (Some(column), None) = (&table.timezone_column, &window) {
            self.bad_value(
                column.span(),
                "`timezone_column` has no effect without `window`",
                "add a window, such as \"Mon-Fri 09:00-17:00\", which is then by the clocks of each row's zone",
            );
        }
        Some(ScheduleSettings {
            start,
            until,
            window,
            zone,
            timezone_column: table.timezone_column,
        })
    }

    fn moment(&mut self, text: Option<&Text>, zone: &Zone) -> Option<Timestamp> {
        let text = text?;
        match civil_moment(text.get_ref(), zone) {
            Ok(moment) => Some(moment),
            Err(error) => {
                self.bad_value(text.span(), error.to_string(), "");
                None
            }
        }
    }

    fn window(&mut self, windows: Spanned<Windows>) -> Option<WeeklyWindow> {
        let span = windows.span();
        let text = match windows.into_inner() {
            Windows::One(window) => window,
            Windows::Several(windows) => windows.join(", "),
        };
        match text.parse::<WeeklyWindow>() {
            Ok(window) => Some(window),
            Err(error) => {
                self.bad_value(span, error.to_string(), "");
                None
            }
        }
    }
}
