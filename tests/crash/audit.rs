//! What must hold after every scenario, looked for from outside: in what the
//! fake Feishu was told, in the API and in the log.
//!
//! * I1: every webhook answered 200 is on a card, one card per incident, and
//!   the card shows how the incident ended.
//! * I2, I3: nobody is buzzed after an acknowledge or resolve was answered; a
//!   phone rings again for a step only a minute after it rang; steps run in order, each once.
//! * I4: the database is sound ([`Backend::assert_sound`](crate::backend::Backend)).
//! * I5: no secret in any output.
//! * Nothing stays pinned once everything is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::Urgent;
use serde_json::Value;

use crate::lane::{CHAT, LIN, Lane, MARA};
use crate::load::{Group, word};
use crate::pager::CANARY;

/// How long after a phone rang it may ring again for the same incident.
const PHONE_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// A call that the pager gave up on may still arrive so much later at a fake
/// Feishu that shares the machine with everything else. The pause counts from the giving up.
const STRAGGLING: SignedDuration = SignedDuration::from_secs(2);
/// A call that was under way when an answer was committed arrives within so long.
/// The calls of several scenarios share two cores.
const IN_FLIGHT: Duration = Duration::from_secs(4);

/// What was found so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Findings {
    /// Webhooks answered 200.
    pub(crate) accepted: usize,
    /// Of those, the ones that show on cards.
    pub(crate) delivered: usize,
    /// Accepted, and not on any card.
    pub(crate) lost: Vec<String>,
    /// Buzzes repeated as the rule allows, their outcome having been unknown.
    pub(crate) doubles: usize,
    /// Of those, the ones that no end of a process explains.
    pub(crate) unexplained: usize,
    /// What the rule does not allow: second cards, early or late calls, steps out of order.
    pub(crate) beyond_rule: Vec<String>,
}

impl Findings {
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.doubles += other.doubles;
        self.unexplained += other.unexplained;
        self.lost.extend(other.lost);
        self.beyond_rule.extend(other.beyond_rule);
    }
}

/// A card and the calls about it.
#[derive(Debug, Default)]
struct Shown {
    cards: usize,
    colour: String,
    /// In order.
    calls: Vec<Call>,
}

/// Somebody was buzzed.
#[derive(Debug)]
struct Call {
    person: String,
    /// The message that was urged.
    line: String,
    urgent: Urgent,
    at: Timestamp,
}

/// Looks at everything. The pager is up and quiet.
pub(crate) async fn audit(lane: &Lane) -> Findings {
    let groups = lane.ledger.groups();
    let mut found = Findings::default();
    let shown = shown(lane, groups.len());
    for (n, (group, shown)) in groups.iter().zip(&shown).enumerate() {
        let webhooks = [group.accepted, group.resolved].iter().flatten().count();
        found.accepted += webhooks;
        let wanted = if group.resolved.is_some() {
            &["green"][..]
        } else if group.acknowledged.is_some() {
            &["blue"][..]
        } else {
            &["red", "orange", "carmine"][..]
        };
        if group.accepted.is_none() {
            continue;
        }
        if shown.cards == 0 {
            found.lost.push(format!("{} was accepted and has no card", word(n)));
        } else if !wanted.contains(&shown.colour.as_str()) {
            found.delivered += 1;
            found.lost.push(format!(
                "the card of {} is {}, not {wanted:?}: {group:?}",
                word(n),
                shown.colour
            ));
        } else {
            found.delivered += webhooks;
        }
        if shown.cards > 1 {
            found.beyond_rule.push(format!("{} has {} cards", word(n), shown.cards));
        }
        look_at_calls(lane, n, group, &shown.calls, &mut found);
    }
    ladders(lane, &mut found).await;
    // An app is buzzed once more when Feishu's answer did not come in time.
    let unanswered = lane.logs().matches("no answer in time").count();
    if found.unexplained > unanswered {
        let (repeated, unanswered) = (found.unexplained, unanswered);
        found
            .beyond_rule
            .push(format!("{repeated} buzzes were repeated, and only {unanswered} calls not answered"));
    }
    lane.backend.assert_sound();
    secrets(lane, &mut found).await;
    found
}

/// Cards and buzzes of each group.
fn shown(lane: &Lane, groups: usize) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    all.resize_with(groups, Shown::default);
    let mut of_message = BTreeMap::new();
    for message in lane.sandbox.messages(CHAT) {
        if message.is_card() {
            let card: Value = serde_json::from_str(message.content()).unwrap();
            let Some(group) = group_in(message.content()) else { continue };
            all[group].cards += 1;
            card["header"]["template"].as_str().unwrap_or_default().clone_into(&mut all[group].colour);
            of_message.insert(message.id, group);
        } else if let Some(group) = message.parent.as_ref().and_then(|parent| of_message.get(parent)) {
            of_message.insert(message.id.clone(), *group);
        }
    }
    for buzz in lane.sandbox.buzzes() {
        let group = of_message.get(&buzz.message).copied().or_else(|| group_in(&buzz.text));
        if let Some(shown) = group.and_then(|group| all.get_mut(group)) {
            let (person, message) = (buzz.person, buzz.message);
            shown.calls.push(Call { person, line: message, urgent: buzz.urgent, at: buzz.at });
        }
    }
    all
}

fn look_at_calls(lane: &Lane, n: usize, group: &Group, calls: &[Call], found: &mut Findings) {
    let answered = [group.acknowledged, group.resolved].into_iter().flatten().min();
    if let Some(answered) = answered {
        let last = lane.wall_clock_of(answered + IN_FLIGHT + lane.leaderless);
        for Call { person, urgent, at, .. } in calls.iter().filter(|call| call.at > last) {
            let what =
                format!("{person} was buzzed ({urgent:?}) about {} at {at}, answered by {last}", word(n));
            found.beyond_rule.push(what);
        }
    }
    // Repetitions of a page urge the same line; another step has a line of its own.
    let mut by_page: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_page.entry((&call.person, &call.line)).or_default().push(call);
    }
    for ((person, _), calls) in by_page {
        found.doubles += calls.len() - 1;
        for pair in calls.windows(2) {
            let [before, after] = pair else { continue };
            let apart = lane.as_the_pager_counts(after.at.duration_since(before.at));
            if apart + lane.as_the_pager_counts(STRAGGLING) >= PHONE_PAUSE {
                continue;
            }
            if after.urgent > Urgent::App {
                let all: Vec<String> = calls.iter().map(|call| call.at.to_string()).collect();
                let what = format!("{person}'s phone rang again about {} after {apart:#}: {all:?}", word(n));
                found.beyond_rule.push(what);
            } else if !lane.was_interrupted(before.at, after.at) {
                found.unexplained += 1;
            }
        }
    }
}

/// One incident per group, and the steps of each opening run in order, each once.
async fn ladders(lane: &Lane, found: &mut Findings) {
    let mut seen = BTreeMap::new();
    for incident in lane.pager.incidents().await {
        let id = incident["id"].as_str().unwrap().to_owned();
        let case = incident["labels"]["case"].as_str().unwrap_or_default().to_owned();
        if case.is_empty() {
            continue;
        }
        if let Some(other) = seen.insert(case.clone(), id.clone()) {
            found.beyond_rule.push(format!("{case} has two incidents, {id} and {other}"));
        }
        if lane.is_worth_a_look(&id, incident["state"] == "resolved") {
            climb(&id, &lane.pager.timeline(&id).await, found);
        }
    }
}

fn climb(id: &str, timeline: &[Value], found: &mut Findings) {
    let mut last = None;
    for entry in timeline {
        match entry["kind"].as_str().unwrap() {
            "reopened" | "hold_ended" | "acknowledge_expired" | "unacknowledged" => last = None,
            "stepped" | "step_skipped" => {
                let position = (entry["round"].as_i64().unwrap(), entry["step"].as_i64().unwrap());
                if last >= Some(position) {
                    found.beyond_rule.push(format!("{id}: step {position:?} ran after {last:?}"));
                }
                last = Some(position);
            }
            _ => {}
        }
    }
}

fn group_in(text: &str) -> Option<usize> {
    let (_, after) = text.split_once("case0")?;
    after.get(..5)?.parse().ok()
}

/// Nothing that anybody can read tells a secret.
async fn secrets(lane: &Lane, found: &mut Findings) {
    let mut outputs = vec![("the log", lane.logs())];
    for path in ["/metrics", "/-/ready", "/", "/api/v1/incidents"] {
        outputs.extend(lane.pager.get(path).await.map(|(_, text)| (path, text)));
    }
    for (place, text) in outputs {
        if text.contains(CANARY) {
            found.beyond_rule.push(format!("{place} tells a secret"));
        }
    }
}

/// Nothing is pinned, and everybody's incident is over.
pub(crate) fn assert_at_rest(lane: &Lane) {
    for person in [LIN, MARA] {
        assert_eq!(lane.sandbox.pins(person), [], "pinned for {person} although everything is over");
    }
}

/// A moment as the fake Feishu's clock had it.
pub(crate) fn wall_clock_of(moment: Instant, now: (Instant, Timestamp)) -> Timestamp {
    let (instant, at) = now;
    let signed = |span: Duration| SignedDuration::try_from(span).unwrap();
    if moment >= instant { at + signed(moment - instant) } else { at - signed(instant - moment) }
}
