//! How loudly people may be buzzed by what is left of the budget.
//!
//! # Invariants
//!
//! * Nobody is buzzed more loudly than was wanted, and nobody falls below the
//!   app: a used-up budget makes a page quieter, never silent.
//! * No limit is passed. What one buzz allots to its first people is gone for
//!   its last.
//! * Only the loudest severity touches the reserve.
//!
//! What is spent is counted by `store`, whom to buzz decided by the ladder.

use std::collections::BTreeMap;

use crate::domain::{Allotment, Budget, Cap, Limits, Spent, Urgent, Used};

/// Parts of a month's limit, in percent, at which a warning is due.
pub const WARN_AT_PERCENT: [u32; 2] = [70, 90];

/// Allots channels to people, in their order: each gets the loudest that is
/// not above `wanted` and that the budget still has.
///
/// `loudest`: the incident has the loudest severity there is, so the reserve is open to it.
pub fn allot(budget: &Budget, spent: &Spent, loudest: bool, wanted: Urgent, people: &[String]) -> Allotment {
    let mut spent = spent.clone();
    let mut by_channel: BTreeMap<Urgent, Vec<String>> = BTreeMap::new();
    let mut held_back: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for person in people {
        let (mut urgent, mut first) = (wanted, None);
        while let (Some(limits), Some(quieter)) = (budget.of(urgent), quieter(urgent)) {
            let used = spent.entry(urgent).or_default();
            let Some(cap) = reached(limits, used, loudest, person) else {
                take(used, person);
                break;
            };
            first.get_or_insert((urgent, cap));
            urgent = quieter;
        }
        if let Some((channel, cap)) = first {
            held_back.entry((channel, cap, urgent)).or_default().push(person.clone());
        }
        by_channel.entry(urgent).or_default().push(person.clone());
    }
    let (urgent, people) = by_channel.pop_last().unwrap_or((wanted, Vec::new()));
    Allotment { urgent, people, quieter: by_channel, held_back }
}

/// The next quieter channel, which costs less; `None` below the app.
pub fn quieter(urgent: Urgent) -> Option<Urgent> {
    match urgent {
        Urgent::Phone => Some(Urgent::Sms),
        Urgent::Sms => Some(Urgent::App),
        Urgent::App | Urgent::None => None,
    }
}

/// How much of a month's limit is used, in percent, rounded down. All of no limit at all is 100.
pub fn percent(used: u32, month: u32) -> u32 {
    let share = u64::from(used).saturating_mul(100).checked_div(month.into());
    share.map_or(100, |share| u32::try_from(share).unwrap_or(u32::MAX))
}

/// The highest of [`WARN_AT_PERCENT`] that spending has passed; `None`: no new one.
pub fn passed(before: u32, after: u32, month: u32) -> Option<u32> {
    let passes = |at: &u32| percent(before, month) < *at && percent(after, month) >= *at;
    WARN_AT_PERCENT.into_iter().filter(passes).max()
}

/// The limit that leaves nothing for this person.
fn reached(limits: &Limits, used: &Used, loudest: bool, person: &str) -> Option<Cap> {
    let is_used_up = |used: u32, limit: Option<u32>| limit.is_some_and(|limit| used >= limit);
    let unreserved = limits.month.map(|month| month.saturating_sub(limits.reserve));
    let in_hour = used.person_hour.get(person).copied().unwrap_or_default();
    if is_used_up(used.month, limits.month) {
        Some(Cap::Month)
    } else if !loudest && is_used_up(used.month, unreserved) {
        Some(Cap::Reserve)
    } else if is_used_up(used.incident, limits.incident) {
        Some(Cap::Incident)
    } else if is_used_up(in_hour, limits.person_hour) {
        Some(Cap::PersonHour)
    } else {
        None
    }
}

fn take(used: &mut Used, person: &str) {
    used.month = used.month.saturating_add(1);
    used.incident = used.incident.saturating_add(1);
    let in_hour = used.person_hour.entry(person.to_owned()).or_default();
    *in_hour = in_hour.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(people: &[&str]) -> Vec<String> {
        people.iter().map(|name| (*name).to_owned()).collect()
    }

    fn used(month: u32, incident: u32, lin: u32) -> Used {
        Used { month, incident, person_hour: [("lin".to_owned(), lin)].into() }
    }

    #[test]
    fn each_limit_makes_it_quieter_and_none_makes_it_silent() {
        let phone = Limits { month: Some(10), reserve: 4, person_hour: Some(2), incident: Some(3) };
        let budget = Budget { phone, sms: Limits { month: Some(5), ..Limits::default() } };
        let full = used(5, 0, 0);
        // (phone, sms, loudest severity, expected, limit)
        let table = [
            (used(0, 0, 0), used(0, 0, 0), false, Urgent::Phone, None),
            (used(5, 2, 1), used(0, 0, 0), false, Urgent::Phone, None),
            (used(6, 0, 0), used(0, 0, 0), false, Urgent::Sms, Some(Cap::Reserve)),
            (used(6, 0, 0), used(0, 0, 0), true, Urgent::Phone, None),
            (used(9, 0, 0), used(0, 0, 0), true, Urgent::Phone, None),
            (used(10, 0, 0), used(0, 0, 0), true, Urgent::Sms, Some(Cap::Month)),
            (used(10, 0, 0), full.clone(), true, Urgent::App, Some(Cap::Month)),
            (used(0, 3, 0), used(0, 0, 0), true, Urgent::Sms, Some(Cap::Incident)),
            (used(0, 0, 2), used(0, 9, 9), true, Urgent::Sms, Some(Cap::PersonHour)),
            (used(0, 0, 2), full, false, Urgent::App, Some(Cap::PersonHour)),
        ];
        for (phone, sms, loudest, expected, cap) in table {
            let spent = Spent::from([(Urgent::Phone, phone), (Urgent::Sms, sms)]);
            let given = allot(&budget, &spent, loudest, Urgent::Phone, &names(&["lin"]));
            assert_eq!((given.urgent, given.people), (expected, names(&["lin"])), "{spent:?} {loudest}");
            let why = cap.map(|cap| ((Urgent::Phone, cap, expected), names(&["lin"])));
            assert_eq!(given.held_back, why.into_iter().collect(), "{spent:?} {loudest}");
        }
    }

    #[test]
    fn the_last_calls_go_to_the_first_people() {
        let phone = Limits { month: Some(10), ..Limits::default() };
        let sms = Limits { incident: Some(1), ..Limits::default() };
        let spent = Spent::from([(Urgent::Phone, used(9, 0, 0))]);
        let people = names(&["lin", "mara", "otto"]);
        let given = allot(&Budget { phone, sms }, &spent, false, Urgent::Phone, &people);
        assert_eq!((given.urgent, given.people), (Urgent::Phone, names(&["lin"])));
        assert_eq!(given.quieter, [(Urgent::Sms, names(&["mara"])), (Urgent::App, names(&["otto"]))].into());
        assert_eq!(given.held_back.len(), 2, "{:?}", given.held_back);
    }

    #[test]
    fn a_warning_is_due_once_at_each_mark() {
        let told: Vec<_> = (0..100).filter_map(|n| passed(n, n + 1, 100).map(|at| (n + 1, at))).collect();
        assert_eq!(told, [(70, 70), (90, 90)]);
        assert_eq!(passed(0, 10, 10), Some(90), "one for both");
        assert_eq!(passed(299, 300, 300), None);
        assert_eq!((percent(0, 0), percent(2, 3), percent(7, 5)), (100, 66, 140));
    }

    fn limits() -> impl Strategy<Value = Limits> {
        let limit = || proptest::option::of(0..6_u32);
        (limit(), 0..6_u32, limit(), limit()).prop_map(|(month, reserve, person_hour, incident)| {
            let reserve = month.map_or(0, |month| reserve.min(month));
            Limits { month, reserve, person_hour, incident }
        })
    }

    fn spent() -> impl Strategy<Value = Used> {
        let people = prop::collection::btree_map("[a-d]", 0..4_u32, 0..4);
        (0..8_u32, 0..4_u32, people).prop_map(|(month, incident, person_hour)| Used {
            month,
            incident,
            person_hour,
        })
    }

    proptest! {
        #[test]
        fn everybody_is_buzzed_once_and_no_limit_is_passed(
            phone in limits(), sms in limits(), calls in spent(), texts in spent(), loudest: bool,
            wanted in prop::sample::select(vec![Urgent::App, Urgent::Sms, Urgent::Phone]),
            people in prop::collection::btree_set("[a-d]", 1..4),
        ) {
            let people: Vec<String> = people.into_iter().collect();
            let budget = Budget { phone, sms };
            let before = Spent::from([(Urgent::Phone, calls), (Urgent::Sms, texts)]);
            let given = allot(&budget, &before, loudest, wanted, &people);
            let mut buzzed = given.quieter.clone();
            buzzed.insert(given.urgent, given.people.clone());
            let mut all: Vec<String> = buzzed.values().flatten().cloned().collect();
            all.sort();
            prop_assert_eq!(&all, &people);
            prop_assert!(buzzed.keys().all(|urgent| (Urgent::App..=wanted).contains(urgent)));
            for (urgent, who) in &buzzed {
                let Some(limits) = budget.of(*urgent) else { continue };
                let used = &before[urgent];
                let more = u32::try_from(who.len()).unwrap();
                let month = limits.month.map(|m| if loudest { m } else { m - limits.reserve });
                prop_assert!(month.is_none_or(|month| used.month + more <= month));
                prop_assert!(limits.incident.is_none_or(|most| used.incident + more <= most));
                for name in who {
                    let in_hour = used.person_hour.get(name).copied().unwrap_or_default();
                    prop_assert!(limits.person_hour.is_none_or(|most| in_hour < most));
                }
            }
            let lowered: usize = given.held_back.values().map(Vec::len).sum();
            let as_wanted = buzzed.get(&wanted).map_or(0, Vec::len);
            prop_assert_eq!(lowered + as_wanted, people.len());
        }
    }
}
