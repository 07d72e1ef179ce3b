//! `budget`, and where its limits stand.

use super::{Documents, Notes, Place, place_of};
use crate::domain::{Budget, Limits, Urgent};
use crate::rules::SourceFile;
use crate::rules::document::{LimitsEntry, Text, place};

/// Where the limits stand.
#[derive(Default)]
pub(super) struct BudgetPlaces<'a> {
    phone: LimitPlaces<'a>,
    sms: LimitPlaces<'a>,
}

/// Where the limits of a channel stand.
#[derive(Default)]
pub(super) struct LimitPlaces<'a> {
    pub(super) incident: Option<Place<'a>>,
    pub(super) month: Option<Place<'a>>,
}

impl<'a> BudgetPlaces<'a> {
    pub(super) fn of(&self, channel: Urgent) -> Option<&LimitPlaces<'a>> {
        match channel {
            Urgent::Phone => Some(&self.phone),
            Urgent::Sms => Some(&self.sms),
            Urgent::App | Urgent::None => None,
        }
    }
}

/// What is under `budget`; without it nothing is limited.
pub(super) fn load<'a>(documents: &mut Documents<'a>, notes: &mut Notes) -> (Budget, BudgetPlaces<'a>) {
    let mut chosen: Option<(Budget, BudgetPlaces<'a>, Place<'a>)> = None;
    for (file, document) in documents.iter_mut() {
        let Some(entry) = document.budget.take() else { continue };
        let at = place(file.path, entry.referenced);
        let entry = entry.value;
        let (phone, sms) = (entry.phone.unwrap_or_default(), entry.sms.unwrap_or_default());
        let found = Budget { phone: limits(&phone, file, notes), sms: limits(&sms, file, notes) };
        let places = BudgetPlaces { phone: places(&phone, file), sms: places(&sms, file) };
        match &chosen {
            Some((_, _, first)) => {
                notes.error(at, format!("budget is already given at {first}; keep one of them"));
            }
            None => chosen = Some((found, places, at)),
        }
    }
    chosen.map(|(found, places, _)| (found, places)).unwrap_or_default()
}

fn places<'a>(entry: &LimitsEntry, file: &SourceFile<'a>) -> LimitPlaces<'a> {
    let at = |text: Option<&Text>| text.map(|text| place_of(file, text));
    LimitPlaces { incident: at(entry.incident.as_ref()), month: at(entry.month.as_ref()) }
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
