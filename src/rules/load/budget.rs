//! `budget`.

use super::{Documents, Notes, Place, place_of};
use crate::domain::{Budget, Limits};
use crate::rules::SourceFile;
use crate::rules::document::{LimitsEntry, Text, place};

/// What is under `budget`; without it nothing is limited.
pub(super) fn load(documents: &mut Documents<'_>, notes: &mut Notes) -> Budget {
    let mut chosen: Option<(Budget, Place<'_>)> = None;
    for (file, document) in documents.iter_mut() {
        let Some(entry) = document.budget.take() else { continue };
        let at = place(file.path, entry.referenced);
        let entry = entry.value;
        let mut read = |part: Option<LimitsEntry>| limits(&part.unwrap_or_default(), file, notes);
        let found = Budget { phone: read(entry.phone), sms: read(entry.sms) };
        match &chosen {
            Some((_, first)) => {
                notes.error(at, format!("budget is already given at {first}; keep one of them"));
            }
            None => chosen = Some((found, at)),
        }
    }
    chosen.map(|(found, _)| found).unwrap_or_default()
}

fn limits(entry: &LimitsEntry, file: &SourceFile<'_>, notes: &mut Notes) -> Limits {
    let mut number = |text: Option<&Text>| text.and_then(|text| count(text, file, notes));
    let limits = Limits {
        month: number(entry.month.as_ref()),
        reserve: number(entry.reserve.as_ref()).unwrap_or_default(),
        person_hour: number(entry.person_hour.as_ref()),
        incident: number(entry.incident.as_ref()),
    };
    let Some(reserve) = &entry.reserve else { return limits };
    let at = place_of(file, reserve);
    if entry.month.is_none() {
        notes.error(at, "a reserve of what? give month too, of which it is the last part");
    } else if let Some(month) = limits.month.filter(|month| limits.reserve > *month) {
        notes.error(at, format!("the reserve is more than the month's {month}; make it a part of that"));
    }
    limits
}

fn count(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<u32> {
    let number = text.value.parse().ok();
    if number.is_none() {
        let message = format!("bad number {:?}; write how many people may be buzzed, as in 300", text.value);
        notes.error(place_of(file, text), message);
    }
    number
}
