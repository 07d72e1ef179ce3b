//! `calendars`: working days, days off and make-up days.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CALENDAR, Documents, Notes, Place, Registry, place_of, times};
use crate::rules::SourceFile;
use crate::rules::document::{CalendarEntry, OneOrMany};
use crate::rules::schedule::{Calendar, Day};

/// All calendars under `calendars`.
pub(super) fn calendars<'a>(documents: &mut Documents<'a>, notes: &mut Notes) -> Registry<'a, Arc<Calendar>> {
    let mut calendars = Registry::new(CALENDAR);
    for (file, document) in documents.iter_mut() {
        for (name, entry) in document.calendars.take().map(|entries| entries.0).unwrap_or_default() {
            let calendar = Arc::new(calendar(entry, file, notes));
            calendars.add(&name.value, place_of(file, &name), calendar, notes);
        }
    }
    calendars
}

fn calendar(entry: CalendarEntry, file: &SourceFile<'_>, notes: &mut Notes) -> Calendar {
    let mut calendar = Calendar { days: times::days(entry.days, file, notes), ..Calendar::default() };
    let mut listed: BTreeMap<Day, (&str, Place<'_>)> = BTreeMap::new();
    for (word, list) in [("closed", entry.closed), ("open", entry.open)] {
        for text in list.map(OneOrMany::texts).unwrap_or_default() {
            let Some((first, last)) = times::dates(&text, file, notes) else { continue };
            let at = place_of(file, &text);
            if let Some((before, place)) = (first..=last).find_map(|day| listed.get(&day)) {
                let message =
                    format!("{:?} holds a day that is already {before}, at {place}; keep one", text.value);
                notes.error(at, message);
            }
            listed.extend((first..=last).map(|day| (day, (word, at))));
            let days = if word == "open" { &mut calendar.open } else { &mut calendar.closed };
            days.extend(first..=last);
        }
    }
    calendar
}
