//! Pins wanted and shown end up equal; people are looked up once.

use std::collections::BTreeMap;

use larkhorn::domain::{Contact, Destination, Incident, Job, Person};
use larkhorn::rules::CalendarCopy;
use larkhorn::store::{Change, DirectoryEntry, JobEnd, PinChange, PinState, Pins, Report, Store};

use super::Database;
use super::support::{at, change, chat, claim, claim_one, commit, done, ended, incident, person, put};

fn wanting(incident: Incident, who: &[&str]) -> Change {
    let pins = who.iter().map(|name| (chat("oc_1"), person(name))).collect();
    Change { pins: PinChange::Add(pins), ..change(incident) }
}

fn releasing(incident: Incident) -> Change {
    Change { pins: PinChange::Release, ..change(incident) }
}

fn pins(wanted: &[&str], shown: &[&str]) -> Pins {
    let people = |names: &[&str]| names.iter().map(|name| person(name)).collect();
    Pins { wanted: people(wanted), shown: people(shown) }
}

async fn now(store: &dyn Store) -> Pins {
    store.pins(chat("oc_1")).await.unwrap()
}

/// Works off the only pin job there is, with these outcomes.
async fn work(store: &dyn Store, second: i64, outcomes: &[(&str, PinState)]) {
    let claimed = claim_one(store, second).await;
    assert_eq!(claimed.job, Job::Pin { to: chat("oc_1") });
    let pins = outcomes.iter().map(|(name, state)| (person(name), *state)).collect();
    store.report(Report { pins, ..ended(claimed.ticket, second, JobEnd::Done) }).await.unwrap();
}

pub(crate) async fn people_are_wanted_as_long_as_one_incident_wants_them(db: &impl Database) {
    let store = db.open();
    let first = put(&*store, wanting(incident("a"), &["lin", "mara"])).await;
    let second = put(&*store, wanting(incident("b"), &["lin"])).await;
    assert_eq!(now(&*store).await, pins(&["lin", "mara"], &[]));
    work(&*store, 1, &[("lin", PinState::On), ("mara", PinState::On)]).await;
    assert_eq!(now(&*store).await, pins(&["lin", "mara"], &["lin", "mara"]));

    let again = put(&*store, wanting(first, &["lin"])).await;
    assert!(claim(&*store, 2).await.is_empty(), "nothing changed");
    put(&*store, releasing(again)).await;
    assert_eq!(now(&*store).await, pins(&["lin"], &["lin", "mara"]));
    work(&*store, 3, &[("mara", PinState::Off)]).await;
    assert_eq!(now(&*store).await, pins(&["lin"], &["lin"]));
    put(&*store, releasing(second)).await;
    work(&*store, 4, &[("lin", PinState::Off)]).await;
    assert_eq!(now(&*store).await, Pins::default());
    assert_eq!(store.reconcile_pins(at(5)).await.unwrap(), 0);
}

pub(crate) async fn whoever_answers_keeps_their_pins_and_others_lose_theirs(db: &impl Database) {
    let store = db.open();
    let held = put(&*store, wanting(incident("a"), &["lin", "mara"])).await;
    put(&*store, wanting(incident("b"), &["mara"])).await;
    work(&*store, 1, &[("lin", PinState::On), ("mara", PinState::On)]).await;
    let answered = Change { pins: PinChange::ReleaseOthers("mara".to_owned()), ..change(held) };
    let held = put(&*store, answered).await;
    assert_eq!(now(&*store).await, pins(&["mara"], &["lin", "mara"]));
    work(&*store, 2, &[("lin", PinState::Off)]).await;
    let stranger = Change { pins: PinChange::ReleaseOthers("otto".to_owned()), ..change(held) };
    put(&*store, stranger).await;
    assert_eq!(now(&*store).await, pins(&["mara"], &["mara"]), "the other incident still wants it");
}

pub(crate) async fn a_change_of_pins_while_they_are_worked_on_runs_again(db: &impl Database) {
    let store = db.open();
    let held = put(&*store, wanting(incident("a"), &["lin"])).await;
    let running = claim_one(&*store, 1).await;
    put(&*store, releasing(held)).await;
    assert!(claim(&*store, 1).await.is_empty(), "one at a time");
    let on = vec![(person("lin"), PinState::On)];
    store.report(Report { pins: on, ..ended(running.ticket, 2, JobEnd::Done) }).await.unwrap();
    assert_eq!(now(&*store).await, pins(&[], &["lin"]));
    work(&*store, 2, &[("lin", PinState::Off)]).await;
    assert!(claim(&*store, 3).await.is_empty());
}

pub(crate) async fn reconciling_finds_every_place_that_differs(db: &impl Database) {
    let store = db.open();
    let direct = Destination::Direct(person("mara"));
    let places = [chat("oc_1"), chat("oc_2"), direct];
    let wanted = places.iter().map(|to| (to.clone(), person("mara"))).collect();
    let held = put(&*store, Change { pins: PinChange::Add(wanted), ..change(incident("a")) }).await;
    for claimed in claim(&*store, 0).await {
        let on = vec![(person("mara"), PinState::On)];
        let settled = *claimed.job.to().unwrap() != chat("oc_2");
        let pins = if settled { on } else { Vec::new() };
        store.report(Report { pins, ..ended(claimed.ticket, 1, JobEnd::Done) }).await.unwrap();
    }
    assert_eq!(store.reconcile_pins(at(2)).await.unwrap(), 1);
    assert_eq!(store.reconcile_pins(at(2)).await.unwrap(), 1, "still one, and one job");
    let missing = claim_one(&*store, 2).await;
    assert_eq!(missing.job.to().unwrap(), &chat("oc_2"));
    done(&*store, &missing, 3).await;

    store.commit(commit(4, vec![releasing(held)])).await.unwrap();
    for claimed in claim(&*store, 4).await {
        done(&*store, &claimed, 4).await;
    }
    assert_eq!(store.reconcile_pins(at(5)).await.unwrap(), 2, "two are shown that nobody wants");
}

pub(crate) async fn an_unsure_pin_is_settled_after_a_crash(db: &impl Database) {
    let store = db.open();
    let held = put(&*store, wanting(incident("a"), &["lin"])).await;
    let claimed = claim_one(&*store, 0).await;
    let unsure =
        Report { pins: vec![(person("lin"), PinState::Unsure)], ..ended(claimed.ticket, 1, JobEnd::Held) };
    store.report(unsure).await.unwrap();
    drop(store);

    let store = db.open();
    assert_eq!(now(&*store).await, pins(&["lin"], &[]), "it may be on top: pin it again");
    assert_eq!(store.reconcile_pins(at(2)).await.unwrap(), 1);
    put(&*store, releasing(held)).await;
    assert_eq!(now(&*store).await, pins(&[], &["lin"]), "it may be on top: take it down");
    assert_eq!(store.reconcile_pins(at(2)).await.unwrap(), 1);
    work(&*store, 3, &[("lin", PinState::Off)]).await;
    assert_eq!(store.reconcile_pins(at(4)).await.unwrap(), 0);
}

pub(crate) async fn the_directory_remembers_people_and_strangers(db: &impl Database) {
    let store = db.open();
    let (mara, lin): (Person, Person) = (person("mara"), person("lin"));
    let phone = Contact::Mobile("+8613800000000".to_owned());
    let known = DirectoryEntry { open_id: Some("ou_1".to_owned()), looked_up_at: at(1) };
    let nobody = DirectoryEntry { open_id: None, looked_up_at: at(2) };
    let entries = vec![(mara.contact.clone(), nobody.clone()), (phone.clone(), nobody.clone())];
    store.remember(entries).await.unwrap();
    store.remember(vec![(mara.contact.clone(), known.clone())]).await.unwrap();
    drop(store);
    let asked = vec![mara.contact.clone(), lin.contact, phone.clone()];
    let found = db.open().directory(asked).await.unwrap();
    assert_eq!(found, BTreeMap::from([(mara.contact, known), (phone, nobody)]));
}

pub(crate) async fn the_last_copy_of_a_calendar_is_kept(db: &impl Database) {
    let store = db.open();
    let copy = |text: &str, second| CalendarCopy { text: text.to_owned(), read_at: at(second) };
    let keep = async |address: &str, copy| store.keep_calendar(address.to_owned(), copy).await.unwrap();
    let kept = async |address: &str| store.calendar(address.to_owned()).await.unwrap();
    assert_eq!(kept("a").await, None);
    keep("a", copy("one", 1)).await;
    keep("b", copy("值班", 2)).await;
    keep("a", copy("two", 3)).await;
    // A replica that was slow.
    keep("a", copy("late", 2)).await;
    assert_eq!(kept("a").await, Some(copy("two", 3)));
    assert_eq!(kept("b").await, Some(copy("值班", 2)));
    // Of two that nobody renewed, one for so long that no rules name it.
    let day = 24 * 3600;
    keep("c", copy("new", 400 * day + 2)).await;
    assert_eq!((kept("b").await.is_some(), kept("a").await.is_some()), (true, true));
    keep("c", copy("new", 400 * day + 3)).await;
    assert_eq!((kept("b").await.is_some(), kept("a").await.is_some()), (false, true));
}
