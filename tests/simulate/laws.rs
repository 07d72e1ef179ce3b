//! The laws of an incident's life, each a function that names what breaks it.
//!
//! They are checked after every step, against the step itself and against a
//! [`Ledger`] that is kept from effects alone: what the core says it did is
//! compared with what it asked the world to do.

use larkhorn::domain::{Happening, Hold, Ladder, Phase, Policy, Response, Standing, Urgent};
use larkhorn::escalation::Effect;

use crate::ledger::{Ledger, Moment, last_resort, rungs};

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) law: &'static str,
    pub(crate) how: String,
}

/// Told by the courier, which alone knows when phones ring.
pub(crate) const NO_BUZZ_AFTER_THE_ANSWER: &str = "no buzz after the answer";
/// Told by the world, which alone knows what time it is.
pub(crate) const TIME_PASSES: &str = "time passes";

/// Told by whoever tells an incident the same news again.
pub(crate) const TOLD_TWICE_COUNTS_ONCE: &str = "what is told twice counts once";
/// Told by whoever lives through the same year again.
pub(crate) const SAME_INPUTS: &str = "same inputs, same outputs";

type Law = fn(&Moment<'_>, &Ledger) -> Result<(), String>;

/// Laws of a step, with their names. The ledger is the one before it.
const OF_STEPS: [(&str, Law); 7] = [
    ("an open incident has a deadline", an_open_incident_has_a_deadline),
    ("only the open pages", only_the_open_pages),
    ("the ladder is climbed rung by rung", the_ladder_is_climbed_rung_by_rung),
    ("exhausted is never silent", exhausted_is_never_silent),
    ("answered stays quiet", answered_stays_quiet),
    ("generation and epoch count", generation_and_epoch_count),
    ("no change, no effect", no_change_no_effect),
];

/// Laws of what a step leads to. The ledger is the one after it.
const OF_STANDINGS: [(&str, Law); 3] = [
    ("what nobody lists pages nobody", what_nobody_lists_pages_nobody),
    ("pins match the state", pins_match_the_state),
    ("the timeline rebuilds the standing", the_timeline_rebuilds_the_standing),
];

/// The names of all laws.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let judged_here = OF_STEPS.into_iter().chain(OF_STANDINGS).map(|(law, _)| law);
    judged_here.chain([NO_BUZZ_AFTER_THE_ANSWER, TIME_PASSES, TOLD_TWICE_COUNTS_ONCE, SAME_INPUTS])
}

/// Lets the ledger learn of a step, and checks every law.
pub(crate) fn check(moment: &Moment<'_>, ledger: &mut Ledger) -> Result<(), Breach> {
    for (law, holds) in OF_STEPS {
        holds(moment, ledger).map_err(|how| Breach { law, how })?;
    }
    ledger.learn(moment);
    for (law, holds) in OF_STANDINGS {
        holds(moment, ledger).map_err(|how| Breach { law, how })?;
    }
    Ok(())
}

/// Open means: something is due, or somebody has it for good, or there is
/// nobody to page or nothing to be loud with.
fn an_open_incident_has_a_deadline(moment: &Moment<'_>, _: &Ledger) -> Result<(), String> {
    let standing = moment.after;
    if !standing.is_open() {
        let stated = standing.due_at.is_none() && standing.hold.is_none() && standing.ladder == Ladder::Idle;
        return stated.then_some(()).ok_or_else(|| "it is over, yet something is due".to_owned());
    }
    if standing.due_at.is_some() {
        return Ok(());
    }
    let settled = match (&standing.hold, &standing.response) {
        (Some(_), _) => false,
        (None, Response::Acknowledged { expires_at, .. }) => expires_at.is_none(),
        (None, Response::Open) => {
            let nothing = standing.severity.urgent == Urgent::None || standing.policy.steps.is_empty();
            nothing && standing.ladder == Ladder::Idle
        }
        (None, Response::Resolved { .. }) => true,
    };
    settled.then_some(()).ok_or_else(|| format!("it is open on {:?} and nothing is due", standing.ladder))
}

/// Open and not held; somebody who wants the next step now gets it all the same.
fn only_the_open_pages(moment: &Moment<'_>, _: &Ledger) -> Result<(), String> {
    let escalates = |effect: &Effect| matches!(effect, Effect::Note(Happening::Escalated { .. }));
    let wanted = moment.after.response == Response::Open && moment.effects.iter().any(escalates);
    if moment.pages() && !moment.after.may_page() && !wanted {
        let (response, hold) = (&moment.after.response, &moment.after.hold);
        return Err(format!("it pages, yet it is {response:?}, held by {hold:?}"));
    }
    Ok(())
}

/// From rung to rung and round to round, without a gap and none twice. Passing
/// one over is told. What may start anew or go back is told, too.
fn the_ladder_is_climbed_rung_by_rung(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    let mut climb = ledger.climb;
    let policy = &moment.after.policy;
    for effect in moment.effects {
        if let Effect::Note(note) = effect {
            climb.hear(note, moment.before, moment.after);
        }
        let Some((rung, reached)) = rungs(effect) else { continue };
        if climb.repeats(rung, reached) {
            continue;
        }
        let next = climb.touched.map_or(Some((0, 0)), |last| successor(policy, last));
        let hurried =
            climb.hurried.then(|| climb.reached.map_or(Some((0, 0)), |last| successor(policy, last)));
        if next != Some(rung) && hurried.flatten() != Some(rung) {
            return Err(format!("rung {rung:?} came after {:?} in (step, round)", climb.touched));
        }
        if climb.exhausted {
            return Err(format!("rung {rung:?} came after the ladder was used up"));
        }
        climb.touch(rung, reached);
    }
    Ok(())
}

/// The rung that has to follow, `(step, round)`.
fn successor(policy: &Policy, (step, round): (u16, u16)) -> Option<(u16, u16)> {
    let last = usize::from(step) + 1 >= policy.steps.len();
    if last { (round < policy.repeat).then_some((0, round + 1)) } else { Some((step + 1, round)) }
}

/// As long as a used-up ladder may page, the last resort is never silent for
/// longer than the rules say and the pager was late.
fn exhausted_is_never_silent(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    let used_up = |s: &Standing| s.may_page() && s.ladder == Ladder::Exhausted;
    let (Some(before), Some(loud_at)) = (moment.before, ledger.loud_at) else { return Ok(()) };
    let silent = moment.real.duration_since(loud_at);
    if used_up(before) && silent > moment.silence_max {
        return Err(format!("nobody was paged for {silent:#}, at most {:#} are allowed", moment.silence_max));
    }
    let begins = moment.effects.contains(&Effect::Note(Happening::Exhausted));
    let pages = moment.effects.iter().any(last_resort);
    if begins && moment.last_resort && !pages {
        return Err("the ladder is used up, and the last resort is not paged".to_owned());
    }
    Ok(())
}

fn answered_stays_quiet(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    let mut climb = ledger.climb;
    for effect in moment.effects {
        match effect {
            Effect::Note(note) => climb.hear(note, moment.before, moment.after),
            Effect::Page { .. } | Effect::CatchAll { .. } => {
                if let Some(answer) = climb.quiet {
                    return Err(format!("somebody is paged, but the last word was {answer:?}"));
                }
            }
            Effect::Announce
            | Effect::Refresh
            | Effect::Remind { .. }
            | Effect::EndSilence
            | Effect::Silence { .. }
            | Effect::Unpin { .. } => {}
        }
    }
    Ok(())
}

/// While no alert is listed, the ladder stands, unless somebody wants it to climb.
fn what_nobody_lists_pages_nobody(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    if moment.pages() && moment.after.firing() == 0 && !ledger.climb.wanted {
        return Err("somebody is paged, and none of its alerts is listed".to_owned());
    }
    Ok(())
}

fn generation_and_epoch_count(moment: &Moment<'_>, _: &Ledger) -> Result<(), String> {
    let Some(before) = moment.before else {
        let first = (moment.after.generation, moment.after.epoch) == (1, 1);
        return first.then_some(()).ok_or_else(|| "it does not begin with generation and epoch 1".to_owned());
    };
    let after = moment.after;
    let grown = |old: u64, new: u64| new == old || new == old + 1;
    if !grown(before.generation, after.generation) || !grown(before.epoch, after.epoch) {
        return Err(format!(
            "generation {} → {}, epoch {} → {}",
            before.generation, after.generation, before.epoch, after.epoch
        ));
    }
    let (was, is) = ((before.phase(), before.holder()), (after.phase(), after.holder()));
    if was != is && before.epoch == after.epoch {
        return Err(format!("{was:?} became {is:?} within epoch {}", after.epoch));
    }
    Ok(())
}

/// A new generation has something new; without one there is nothing.
fn no_change_no_effect(moment: &Moment<'_>, _: &Ledger) -> Result<(), String> {
    let Some(before) = moment.before else { return Ok(()) };
    let counted = before.generation != moment.after.generation;
    if !counted && (before != moment.after || !moment.effects.is_empty()) {
        return Err(format!("it changed without a new generation, asking for {:?}", moment.effects));
    }
    if !counted || !moment.effects.is_empty() {
        return Ok(());
    }
    let same = Standing { generation: moment.after.generation, ..before.clone() } == *moment.after;
    (!same).then_some(()).ok_or_else(|| "it has a new generation, but nothing changed".to_owned())
}

/// Over or snoozed: none. Acknowledged: the holder's alone.
fn pins_match_the_state(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    let holder = moment.after.holder();
    let may_stay = |person: &String| match moment.after.phase() {
        Phase::Triggered => moment.after.paged.contains(person),
        Phase::Acknowledged => Some(person.as_str()) == holder,
        Phase::Snoozed | Phase::Resolved => false,
    };
    match ledger.pins.iter().find(|person| !may_stay(person)) {
        Some(person) => {
            Err(format!("{person} is pinned, yet it is {:?} by {holder:?}", moment.after.phase()))
        }
        None => Ok(()),
    }
}

fn the_timeline_rebuilds_the_standing(moment: &Moment<'_>, ledger: &Ledger) -> Result<(), String> {
    let told = &ledger.story;
    let standing = moment.after;
    let is = (standing.phase(), standing.holder(), standing.reopens, standing.catch_alls);
    let read = (told.phase, told.holder.as_deref(), told.reopens, told.catch_alls);
    if is != read {
        return Err(format!("it is {is:?}, but its timeline reads {read:?}"));
    }
    let unlisted = matches!(standing.hold, Some(Hold::Unlisted { .. }));
    if unlisted != told.unlisted {
        return Err(format!("unlisted: it is {unlisted}, its timeline reads {}", told.unlisted));
    }
    Ok(())
}
