//! Pins: who shall have a place on top, and who has, or may have, it there.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::outbox;
use super::rows::{limit, person, person_key, place, place_key};
use crate::domain::{Destination, IncidentId, Job, Person, Urgent};
use crate::store::{NewJob, PinChange, PinState, Pins, StoreError};

/// Changes what an incident wants. Each place where that differs from before
/// gets a job, even if another incident wants the same: a claimer may have read the pins
/// already and be about to act on them.
pub(super) fn change(
    conn: &Connection,
    id: IncidentId,
    change: &PinChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut touched = BTreeSet::new();
    match change {
        PinChange::Keep => {}
        PinChange::Add(pins) => {
            let mut insert = conn.prepare_cached(
                "INSERT OR IGNORE INTO pins_wanted (incident_id, place, person) VALUES (?1, ?2, ?3)",
            )?;
            for (to, who) in pins {
                let key = place_key(to)?;
                if insert.execute(params![id.0, key, person_key(who)?])? > 0 {
                    touched.insert(key);
                }
            }
        }
        PinChange::ReleaseOthers(keep) => {
            let mut wanted =
                conn.prepare_cached("SELECT place, person FROM pins_wanted WHERE incident_id = ?1")?;
            let pins: Vec<(String, String)> =
                wanted.query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let mut delete = conn.prepare_cached(
                "DELETE FROM pins_wanted WHERE incident_id = ?1 AND place = ?2 AND person = ?3",
            )?;
            for (key, who) in pins {
                if person(&who)?.name != *keep {
                    delete.execute(params![id.0, key, who])?;
                    touched.insert(key);
                }
            }
        }
        PinChange::Release => {
            let mut delete =
                conn.prepare_cached("DELETE FROM pins_wanted WHERE incident_id = ?1 RETURNING place")?;
            for key in delete.query_map([id.0], |row| row.get::<_, String>(0))? {
                touched.insert(key?);
            }
        }
    }
    touched.iter().try_for_each(|key| ask(conn, key, now))
}

fn ask(conn: &Connection, key: &str, now: Timestamp) -> Result<(), StoreError> {
    let job = Job::Pin { to: place(key)? };
    let priority = job.priority(Urgent::None);
    outbox::put(conn, None, &NewJob { job, priority, run_at: now }, now)
}

/// Remembers how pins of a place stand.
pub(super) fn show(conn: &Connection, key: &str, pins: &[(Person, PinState)]) -> Result<(), StoreError> {
    for (who, state) in pins {
        let who = person_key(who)?;
        let sure = match state {
            PinState::Off => {
                conn.prepare_cached("DELETE FROM pins_shown WHERE place = ?1 AND person = ?2")?
                    .execute([key, who.as_str()])?;
                continue;
            }
            PinState::Unsure => false,
            PinState::On => true,
        };
        conn.prepare_cached("INSERT OR REPLACE INTO pins_shown (place, person, sure) VALUES (?1, ?2, ?3)")?
            .execute(params![key, who, sure])?;
    }
    Ok(())
}

/// Pins of a place.
pub(super) fn load(conn: &Connection, to: &Destination) -> Result<Pins, StoreError> {
    let key = place_key(to)?;
    let people = |sql: &str| -> Result<Vec<Person>, StoreError> {
        let mut select = conn.prepare_cached(sql)?;
        select.query_and_then([&key], |row| person(row.get_ref(0)?.as_str()?))?.collect()
    };
    Ok(Pins {
        wanted: people("SELECT DISTINCT person FROM pins_wanted WHERE place = ?1 ORDER BY person")?,
        shown: people(
            "SELECT person FROM pins_shown AS s WHERE place = ?1
             AND (sure = 1 OR NOT EXISTS
                  (SELECT 1 FROM pins_wanted AS w WHERE w.place = s.place AND w.person = s.person))
             ORDER BY person",
        )?,
    })
}

/// Asks for work at every place whose pins are not as wanted; how many.
pub(super) fn reconcile(conn: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT place FROM pins_shown AS s
         WHERE sure = 0 OR NOT EXISTS
               (SELECT 1 FROM pins_wanted AS w WHERE w.place = s.place AND w.person = s.person)
         UNION
         SELECT place FROM pins_wanted AS w
         WHERE NOT EXISTS
               (SELECT 1 FROM pins_shown AS s WHERE s.place = w.place AND s.person = w.person AND s.sure = 1)",
    )?;
    let places: Vec<String> = select.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    places.iter().try_for_each(|key| ask(conn, key, now))?;
    Ok(super::rows::count(limit(places.len())))
}
