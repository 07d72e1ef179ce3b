//! What jobs need besides their place, as JSON and back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::rows::{PersonRow, from_json, instant, place, stamp, to_json, unreadable, urgent};
use crate::domain::{Job, Person, StormId};
use crate::store::StoreError;

#[derive(Serialize, Deserialize)]
struct SilenceRow<'a> {
    until: String,
    #[serde(borrow)]
    author: Cow<'a, str>,
}

/// What a line in a thread needs besides its place.
#[derive(Serialize, Deserialize)]
struct TellRow<'a> {
    step: u16,
    #[serde(borrow)]
    people: Vec<Cow<'a, str>>,
}

/// What another way needs.
#[derive(Serialize, Deserialize)]
struct FallbackRow<'a> {
    #[serde(borrow)]
    sink: Cow<'a, str>,
    #[serde(borrow)]
    urgent: Cow<'a, str>,
    #[serde(borrow)]
    people: Vec<Cow<'a, str>>,
}

/// What a buzz needs besides its place.
#[derive(Serialize, Deserialize)]
struct BuzzRow<'a> {
    #[serde(borrow)]
    people: Vec<PersonRow<'a>>,
    #[serde(borrow)]
    urgent: Cow<'a, str>,
    step: u16,
    round: u16,
}

/// The details of a job, as they are kept.
pub(super) fn details(job: &Job) -> Result<Option<String>, StoreError> {
    match job {
        Job::Buzz { to: _, people, urgent, step, round } => to_json(&BuzzRow {
            people: people.iter().map(PersonRow::from).collect(),
            urgent: urgent.as_str().into(),
            step: *step,
            round: *round,
        })
        .map(Some),
        Job::Remind { to: _, person } => to_json(&PersonRow::from(person)).map(Some),
        Job::Silence { until, author } => {
            to_json(&SilenceRow { until: stamp(*until), author: author.into() }).map(Some)
        }
        Job::Tell { to: _, step, people } => {
            to_json(&TellRow { step: *step, people: people.iter().map(Into::into).collect() }).map(Some)
        }
        Job::Fallback { sink, urgent, people } => to_json(&FallbackRow {
            sink: sink.into(),
            urgent: urgent.as_str().into(),
            people: people.iter().map(Into::into).collect(),
        })
        .map(Some),
        Job::Storm { to: _, storm } => Ok(Some(storm.0.to_string())),
        Job::Post { .. } | Job::Edit { .. } | Job::Pin { .. } | Job::EndSilence => Ok(None),
    }
}

/// A job of the table: its kind, the key of its place and its [`details`].
pub(super) fn job(kind: &str, key: &str, details: Option<&str>) -> Result<Job, StoreError> {
    if let ("silence", Some(details)) = (kind, details) {
        let row: SilenceRow<'_> = from_json("silence", details)?;
        return Ok(Job::Silence { until: instant(&row.until)?, author: row.author.into_owned() });
    }
    if let ("fallback", Some(details)) = (kind, details) {
        let row: FallbackRow<'_> = from_json("page by another way", details)?;
        return Ok(Job::Fallback {
            sink: row.sink.into_owned(),
            urgent: urgent(&row.urgent)?,
            people: row.people.into_iter().map(Cow::into_owned).collect(),
        });
    }
    if kind == "end_silence" {
        return Ok(Job::EndSilence);
    }
    let to = place(key)?;
    Ok(match (kind, details) {
        ("post", _) => Job::Post { to },
        ("edit", _) => Job::Edit { to },
        ("pin", _) => Job::Pin { to },
        ("storm", Some(details)) => Job::Storm { to, storm: storm(details)? },
        ("remind", Some(details)) => {
            let row: PersonRow<'_> = from_json("reminder", details)?;
            Job::Remind { to, person: row.try_into()? }
        }
        ("tell", Some(details)) => {
            let row: TellRow<'_> = from_json("line of a thread", details)?;
            Job::Tell { to, step: row.step, people: row.people.into_iter().map(Cow::into_owned).collect() }
        }
        ("buzz", Some(details)) => {
            let row: BuzzRow<'_> = from_json("buzz", details)?;
            Job::Buzz {
                to,
                people: row.people.into_iter().map(Person::try_from).collect::<Result<_, _>>()?,
                urgent: urgent(&row.urgent)?,
                step: row.step,
                round: row.round,
            }
        }
        (other, _) => return Err(unreadable("job", format_args!("unknown kind `{other}`"))),
    })
}

/// Whose card a [`Job::Storm`] is about.
pub(super) fn storm(details: &str) -> Result<StormId, StoreError> {
    details.parse().map(StormId).map_err(|error| unreadable("storm", error))
}
