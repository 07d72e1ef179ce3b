//! What engine and courier tell those who watch.

use crate::domain::{Fact, IncidentId, TimelineEntry};
use crate::store::{Change, Claim, JobEnd, Report};
use crate::telemetry::{News, Tap};

/// What is to be told of a change once it is committed.
pub(super) struct Told {
    rule: String,
    title: String,
    timeline: Vec<TimelineEntry>,
}

/// What is to be told of changes.
pub(super) fn changes(changes: &[Change]) -> Vec<Told> {
    let told = changes.iter().map(|change| Told {
        rule: change.incident.key.rule.clone(),
        title: change.incident.title.clone(),
        timeline: change.timeline.clone(),
    });
    told.collect()
}

impl Told {
    /// The change is committed, and this is the incident's number.
    pub(super) fn tell(&self, id: IncidentId, tap: &Tap) {
        for entry in &self.timeline {
            tap.tell(|| {
                let mut news = happened(id, entry);
                news.facts.extend([("rule", text(&self.rule)), ("title", text(&self.title))]);
                news
            });
        }
    }
}

/// A job has been worked on: what that meant for its incident, and what became of it.
pub(super) fn delivered(claim: &Claim, report: &Report) -> Vec<News> {
    let end = match report.end {
        JobEnd::Done => Some("done"),
        JobEnd::Retry { .. } => Some("tried_again"),
        JobEnd::PutBack { .. } | JobEnd::StandAside { .. } | JobEnd::Held => None,
    };
    let job = end.map(|end| {
        let mut facts = vec![("job", text(claim.job.kind())), ("end", text(end))];
        facts.extend(claim.incident.map(|id| ("incident", text(&id.to_string()))));
        facts.extend(claim.job.to().map(|to| ("to", text(&to.to_string()))));
        News { at: report.at, what: "job", facts }
    });
    let happened = report.timeline.iter().filter_map(|entry| Some(happened(claim.incident?, entry)));
    happened.chain(job).collect()
}

fn happened(id: IncidentId, entry: &TimelineEntry) -> News {
    let mut facts = vec![("incident", text(&id.to_string())), ("kind", text(entry.what.kind()))];
    facts.extend(entry.what.facts());
    News { at: entry.at, what: "incident", facts }
}

fn text(text: &str) -> Fact {
    Fact::Text(text.to_owned())
}
