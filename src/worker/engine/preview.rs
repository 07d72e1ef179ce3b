//! What a webhook would come to, decided by the engine itself and committed nowhere.
//!
//! It is taken as if it were the first of its kind: no incident is open, nobody
//! has answered anything. So what is foreseen is what a pager without a past
//! would do, word for word, because it is the same code that would do it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Reachable;
use super::desk::Desk;
use super::parcel::Parcel;
use crate::domain::{AlertGroup, Incident, Member, Recipients, Urgent};
use crate::escalation;
use crate::rules::RuleSet;
use crate::store::HeldAlert;

/// What a webhook would come to.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// The incidents it would open, by rule and group.
    pub incidents: Vec<Foreseen>,
    /// Names of rules for which its alerts are signs of life.
    pub beats: Vec<String>,
    /// How many firing alerts no rule wants.
    pub unmatched: u64,
}

/// An incident that would be opened.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// As it would be opened.
    pub incident: Incident,
    /// Its alerts.
    pub alerts: Vec<HeldAlert>,
    /// Whom each step of its policy would reach.
    pub steps: Vec<ForeseenStep>,
}

/// A step that would run, if nobody answered before.
#[derive(Debug, Clone)]
pub struct ForeseenStep {
    /// When, counted from the beginning of the first round.
    pub after: SignedDuration,
    /// How loudly: as it wants and the severity allows.
    pub urgent: Urgent,
    /// Whom it would reach if it ran now. Nobody: it is passed over.
    pub recipients: Recipients,
    /// Whether its condition is met, as far as can be said now.
    pub holds: bool,
}

/// Foresees what a decoded webhook would come to.
pub fn preview(rules: &RuleSet, source: &str, group: AlertGroup<'_>, now: Timestamp) -> Preview {
    let parcel = Parcel::sort(rules, source, &group.header, group.alerts);
    let mut beats: Vec<String> = parcel.beats.keys().map(|key| key.rule.clone()).collect();
    beats.dedup();
    let roster = Reachable { rules };
    let mut desk = Desk::default();
    desk.apply(rules, &roster, &parcel, now);
    let incidents = desk.changes().into_iter().map(|change| {
        let members: BTreeMap<_, Member> =
            change.alerts.iter().map(|held| (held.alert.fingerprint, held.member)).collect();
        let mut incident = change.incident;
        incident.standing.members = members;
        let steps = steps(rules, &incident, now);
        Foreseen { incident, alerts: change.alerts, steps }
    });
    Preview { incidents: incidents.collect(), beats, unmatched: parcel.unmatched }
}

fn steps(rules: &RuleSet, incident: &Incident, now: Timestamp) -> Vec<ForeseenStep> {
    let (roster, standing) = (Reachable { rules }, &incident.standing);
    let gathering = rules.named(&incident.key.rule).map(|rule| rule.group_wait).unwrap_or_default();
    let mut after = gathering;
    let steps = standing.policy.steps.iter().map(|step| {
        // The first runs as soon as alerts are gathered, after its own wait.
        after = after.saturating_add(step.wait);
        let holds = step.when.as_ref().is_none_or(|when| escalation::is_met(when, standing, &roster, now));
        let recipients = escalation::reached(step, standing, &roster, now);
        ForeseenStep { after, urgent: step.loudness(standing.severity.urgent), recipients, holds }
    });
    steps.collect()
}
