//! What the seeds come to: how much was lived through, and how often each thing
//! happened that they are there to try.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use larkhorn::domain::Answer;

use crate::events::Reply;

/// What must happen to somebody, or the seeds try too little. The words of the
/// timeline first, then what comes from outside, then what people are answered,
/// then what the courier does about Feishu.
const HAPPENS: [&str; 58] = [
    "acknowledge_expired",
    "acknowledged",
    "alerts_changed",
    "catch_all",
    "escalated",
    "exhausted",
    "handed_over",
    "hold_ended",
    "listed_again",
    "opened",
    "reminded",
    "reopened",
    "resolved",
    "resolved_by",
    "severity_rose",
    "silenced",
    "snoozed",
    "stale",
    "step_skipped",
    "unacknowledged",
    "unlisted",
    "alert fires",
    "alert clears",
    "flood",
    "webhook in slices",
    "webhook twice",
    "webhook late",
    "webhook overtaken",
    "webhook truncated",
    "second evaluator",
    "silence made in Alertmanager",
    "silence taken off in Alertmanager",
    "Alertmanager asked",
    "clock set ahead",
    "clock set back",
    "clocks change",
    "shift changes while it burns",
    "rule gone under an incident",
    "policy gone under an incident",
    "person paged gone",
    "down while it burns",
    "crash before a tick's commit",
    "crash before a webhook's commit",
    "crash before an action's commit",
    "crash after a webhook's commit",
    "crash after an action's commit",
    "crash between two slices",
    "crash before a report",
    "old button",
    "answer: done",
    "answer: already",
    "answer: over",
    "answer: outdated",
    "answer: not allowed",
    "answer: impossible",
    "rings more quietly",
    "goes directly",
    "left to the next rung",
];

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) incidents: u64,
    pub(crate) steps: u64,
    pub(crate) pages: u64,
    pub(crate) buzzes: u64,
    /// Time that incidents were open, summed over the incidents.
    pub(crate) open: SignedDuration,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Something happened.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.incidents += other.incidents;
        self.steps += other.steps;
        self.pages += other.pages;
        self.buzzes += other.buzzes;
        self.open += other.open;
        for (what, times) in &other.counts {
            *self.counts.entry(what).or_default() += times;
        }
    }

    /// What should have happened and did not.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        let replies = Reply::ALL.iter().map(|reply| reply.as_str());
        HAPPENS.into_iter().chain(replies).filter(|what| !self.counts.contains_key(what)).collect()
    }

    /// How often each thing happened, some to a line.
    pub(crate) fn table(&self) -> String {
        let counts: Vec<String> = self.counts.iter().map(|(what, times)| format!("{what} {times}")).collect();
        let lines: Vec<String> = counts.chunks(6).map(|line| format!("  {}", line.join(", "))).collect();
        lines.join("\n")
    }
}

/// What somebody was answered, as it is counted.
pub(crate) fn words(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done => "answer: done",
        Answer::Already { .. } => "answer: already",
        Answer::Over => "answer: over",
        Answer::Outdated { .. } => "answer: outdated",
        Answer::NotAllowed => "answer: not allowed",
        Answer::Impossible { .. } => "answer: impossible",
    }
}
