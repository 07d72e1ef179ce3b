//! Pins: who shall have a place on top, and who has, or may have, it there.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::rows::{count, limit, person, person_key, place, place_key};
use super::{Db, outbox, values};
use crate::domain::{Destination, IncidentId, Job, Person, Urgent};
use crate::store::{NewJob, PinChange, PinState, Pins, StoreError};

/// Changes what an incident wants. Each place where that differs from before
/// gets a job, even if another incident wants the same: a claimer may have read the pins
/// already and be about to act on them.
pub(super) fn change(
    db: &dyn Db,
    id: IncidentId,
    change: &PinChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut touched = BTreeSet::new();
    match change {
        PinChange::Keep => {}
        PinChange::Add(pins) => {
            for (to, who) in pins {
                let key = place_key(to)?;
                let added = db.run(
                    "INSERT INTO pins_wanted (incident_id, place, person) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                    values![id.0, &key, person_key(who)?],
                )?;
                if added > 0 {
                    touched.insert(key);
                }
            }
        }
        PinChange::ReleaseOthers(keep) => {
            let wanted = db.all(
                "SELECT place, person FROM pins_wanted WHERE incident_id = ?1",
                values![id.0],
                |row| Ok((row.string(0)?, row.string(1)?)),
            )?;
            for (key, who) in wanted {
                if person(&who)?.name != *keep {
                    db.run(
                        "DELETE FROM pins_wanted WHERE incident_id = ?1 AND place = ?2 AND person = ?3",
                        values![id.0, &key, who],
                    )?;
                    touched.insert(key);
                }
            }
        }
        PinChange::Release => {
            let released = db.all(
                "DELETE FROM pins_wanted WHERE incident_id = ?1 RETURNING place",
                values![id.0],
                |row| row.string(0),
            )?;
            touched.extend(released);
        }
    }
    touched.iter().try_for_each(|key| ask(db, key, now))
}

fn ask(db: &dyn Db, key: &str, now: Timestamp) -> Result<(), StoreError> {
    let job = Job::Pin { to: place(key)? };
    let priority = job.priority(Urgent::None);
    outbox::put(db, None, &NewJob { job, priority, run_at: now }, now)
}

/// Remembers how pins of a place stand.
pub(super) fn show(db: &dyn Db, key: &str, pins: &[(Person, PinState)]) -> Result<(), StoreError> {
    for (who, state) in pins {
        let who = person_key(who)?;
        let sure = match state {
            PinState::Off => {
                db.run("DELETE FROM pins_shown WHERE place = ?1 AND person = ?2", values![key, who])?;
                continue;
            }
            PinState::Unsure => false,
            PinState::On => true,
        };
        db.run(
            "INSERT INTO pins_shown (place, person, sure) VALUES (?1, ?2, ?3)
             ON CONFLICT (place, person) DO UPDATE SET sure = excluded.sure",
            values![key, who, sure],
        )?;
    }
    Ok(())
}

/// Pins of a place.
pub(super) fn load(db: &dyn Db, to: &Destination) -> Result<Pins, StoreError> {
    let key = place_key(to)?;
    let people = |sql: &str| db.all(sql, values![&key], |row| person(row.text(0)?));
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
pub(super) fn reconcile(db: &dyn Db, now: Timestamp) -> Result<u64, StoreError> {
    let places = db.all(
        "SELECT place FROM pins_shown AS s
         WHERE sure = 0 OR NOT EXISTS
               (SELECT 1 FROM pins_wanted AS w WHERE w.place = s.place AND w.person = s.person)
         UNION
         SELECT place FROM pins_wanted AS w
         WHERE NOT EXISTS
               (SELECT 1 FROM pins_shown AS s WHERE s.place = w.place AND s.person = w.person AND s.sure = 1)",
        values![],
        |row| row.string(0),
    )?;
    places.iter().try_for_each(|key| ask(db, key, now))?;
    Ok(count(limit(places.len())))
}
