//! The lane of each row: its time zone, and its domain if that has its own limit.

use std::collections::HashMap;

use crate::campaign::Campaign;
use crate::ledger::{Run, Target};
use crate::pace::LaneNumbers;
use crate::recipients::RecipientRow;
use crate::schedule::Zone;

pub(super) struct Lanes<'a> {
    numbers: LaneNumbers,
    /// The domains with their own limit, from 1.
    domains: HashMap<&'a str, u32>,
    /// The index of the column with the time zones.
    column: Option<usize>,
    /// The place of each zone by the text of a cell.
    places: HashMap<String, usize>,
    /// The time zones besides the campaign's own.
    zones: Vec<Zone>,
    campaign: &'a Campaign,
}

impl<'a> Lanes<'a> {
    /// Only a real run has lanes besides the first.
    pub(super) fn new(campaign: &'a Campaign, run: &Run) -> Self {
        let is_real = run.target == Target::Real;
        let domains = match is_real {
            true => campaign.pace.per_domain.as_slice(),
            false => &[],
        };
        let schedule = campaign.schedule.as_ref().filter(|_| is_real);
        Self {
            numbers: LaneNumbers::new(domains.len()),
            domains: domains
                .iter()
                .map(|limit| limit.domain.as_str())
                .zip(1..)
                .collect(),
            column: schedule.and_then(|it| it.column_in(&run.header)),
            places: HashMap::new(),
            zones: Vec::new(),
            campaign,
        }
    }

    pub(super) fn of(&mut self, row: &RecipientRow) -> u32 {
        let Ok(mailbox) = &row.recipient else {
            return 0;
        };
        let domain = match self.domains.is_empty() {
            true => None,
            false => self.domains.get(mailbox.address.ascii_domain()).copied(),
        };
        let cell = self.column.and_then(|column| row.cells.get(column));
        let zone = cell.map_or(0, |cell| self.place(cell.trim()));
        self.numbers.lane(zone, domain.unwrap_or(0))
    }

    /// The place of a zone; 0, the campaign's, if the cell names none.
    fn place(&mut self, cell: &str) -> usize {
        if let Some(place) = self.places.get(cell) {
            return *place;
        }
        let (Ok(zone), Some(schedule)) = (Zone::named(cell), &self.campaign.schedule) else {
            // Not remembered: there may be as many such cells as rows.
            return 0;
        };
        let place = match zone == schedule.zone {
            true => 0,
            false => match self.zones.iter().position(|known| *known == zone) {
                Some(place) => place + 1,
                None => {
                    self.zones.push(zone);
                    self.zones.len()
                }
            },
        };
        self.places.insert(cell.to_owned(), place);
        place
    }

    /// The zones of rows, besides the campaign's own.
    pub(super) fn into_zones(self) -> Vec<Zone> {
        self.zones
    }
}
