//! The simulator must be able to fail: cores with one bug each, and the law
//! that catches them.

use std::cell::Cell;

use jiff::Timestamp;
use larkhorn::domain::{
    Action, Actor, Answer, Happening, Ladder, Policy, Recipients, Standing, Target, Window,
};
use larkhorn::escalation::{self, CatchAll, Effect, Event, Observation, Roster};

use crate::house::Core;
use crate::{Failure, first_failure, laws};

/// Seeds within which a bug must be found.
const SEEDS: u64 = 40;

fn caught(core: &dyn Core, law: &str) -> Failure {
    let failure = first_failure(core, 0..SEEDS).unwrap_or_else(|| panic!("no seed finds “{law}” broken"));
    assert_eq!(failure.breach.law, law, "seed {}: {}\n{}", failure.seed, failure.breach.how, failure.story);
    failure
}

/// A core whose steps are spoiled afterwards.
struct Spoiled<F>(F);

impl<F: Fn(&Standing, &mut Standing, &mut Vec<Effect>)> Core for Spoiled<F> {
    fn advance(
        &self,
        standing: Standing,
        event: &Event,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> (Standing, Vec<Effect>) {
        let (mut after, mut effects) = escalation::advance(standing.clone(), event, roster, now);
        (self.0)(&standing, &mut after, &mut effects);
        (after, effects)
    }

    fn act(
        &self,
        standing: Standing,
        action: &Action,
        actor: &Actor,
        (epoch, roster): (Option<u64>, &dyn Roster),
        now: Timestamp,
    ) -> (Standing, Vec<Effect>, Answer) {
        let before = standing.clone();
        let (mut after, mut effects, answer) = escalation::act(standing, action, actor, epoch, roster, now);
        (self.0)(&before, &mut after, &mut effects);
        (after, effects, answer)
    }
}

fn acknowledges(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Note(Happening::Acknowledged { .. })))
}

#[test]
fn a_core_that_forgets_a_deadline_is_caught_with_a_minimal_story() {
    let core = Spoiled(|_: &Standing, after: &mut Standing, _: &mut Vec<Effect>| {
        if after.ladder == Ladder::Spent {
            after.due_at = None;
        }
    });
    let failure = caught(&core, "an open incident has a deadline");
    assert!(failure.stimuli <= 4, "{} stimuli:\n{}", failure.stimuli, failure.story);
    assert!(failure.story.contains("Fire"), "{}", failure.story);
    assert!(failure.story.ends_with("nothing is due"), "{}", failure.story);
}

#[test]
fn a_core_that_pages_once_more_after_an_acknowledge_is_caught() {
    let core = Spoiled(|_: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if acknowledges(effects)
            && let Some((step, round)) = after.last_step
        {
            let (recipients, urgent) = (Recipients::default(), after.severity.urgent);
            effects.push(Effect::Page { step, round, recipients, urgent });
        }
    });
    caught(&core, "only the open pages");
}

#[test]
fn a_core_that_takes_an_answer_back_by_itself_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if acknowledges(effects) && before.may_page() {
            (after.response, after.ladder, after.due_at) =
                (before.response.clone(), before.ladder, before.due_at);
        }
    });
    caught(&core, "the timeline rebuilds the standing");
}

#[test]
fn a_core_that_swallows_the_epoch_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, _: &mut Vec<Effect>| {
        after.epoch = before.epoch;
    });
    caught(&core, "generation and epoch count");
}

#[test]
fn a_core_that_does_not_count_its_changes_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, _: &mut Vec<Effect>| {
        after.generation = before.generation;
    });
    caught(&core, "no change, no effect");
}

#[test]
fn a_core_that_leaves_a_rung_out_is_caught() {
    let core = Spoiled(|_: &Standing, after: &mut Standing, _: &mut Vec<Effect>| {
        if let Ladder::Waiting { step: 2, round } = after.ladder {
            after.ladder = Ladder::Waiting { step: 3, round };
        }
    });
    caught(&core, "the ladder is climbed rung by rung");
}

#[test]
fn a_core_that_leaves_pins_behind_is_caught() {
    let core = Spoiled(|_: &Standing, _: &mut Standing, effects: &mut Vec<Effect>| {
        effects.retain(|effect| !matches!(effect, Effect::Unpin { keep: None }));
    });
    caught(&core, "pins match the state");
}

#[test]
fn a_core_that_falls_silent_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if before.catch_alls >= 3 && before.catch_alls < after.catch_alls {
            effects.retain(|effect| {
                !matches!(effect, Effect::CatchAll { .. } | Effect::Note(Happening::CatchAll { .. }))
            });
            after.catch_alls = before.catch_alls;
        }
    });
    caught(&core, "exhausted is never silent");
}

#[test]
fn a_core_that_counts_an_alert_twice_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if effects.is_empty() && before.generation == after.generation {
            after.generation += 1;
            effects.push(Effect::Refresh);
        }
    });
    caught(&core, "what is told twice counts once");
}

/// A core that asks a roster which forgets everybody now and then.
#[derive(Default)]
struct Forgetful(Cell<u64>);

struct Lies<'a>(&'a dyn Roster, &'a Cell<u64>);

impl Roster for Lies<'_> {
    fn recipients(&self, targets: &[Target], now: Timestamp) -> Recipients {
        self.1.set(self.1.get() + 1);
        if self.1.get().is_multiple_of(7) { Recipients::default() } else { self.0.recipients(targets, now) }
    }

    fn within(&self, window: &Window, now: Timestamp) -> bool {
        self.0.within(window, now)
    }

    fn catch_all(&self, now: Timestamp) -> Option<CatchAll> {
        self.0.catch_all(now)
    }
}

impl Core for Forgetful {
    fn open(
        &self,
        observation: &Observation,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> Option<(Standing, Vec<Effect>)> {
        escalation::open(observation, &Lies(roster, &self.0), now)
    }
}

#[test]
fn a_core_that_hangs_on_what_happened_elsewhere_is_caught() {
    caught(&Forgetful::default(), "same inputs, same outputs");
}

/// A core that opens incidents as if their rule named nobody.
struct Aimless;

impl Core for Aimless {
    fn open(
        &self,
        observation: &Observation,
        roster: &dyn Roster,
        now: Timestamp,
    ) -> Option<(Standing, Vec<Effect>)> {
        let aimless = Observation { policy: Policy::default(), ..observation.clone() };
        let (standing, effects) = escalation::open(&aimless, roster, now)?;
        Some((Standing { policy: observation.policy.clone(), ..standing }, effects))
    }
}

#[test]
fn a_core_that_opens_without_a_ladder_is_caught() {
    caught(&Aimless, "an open incident has a deadline");
}

#[test]
fn a_core_that_runs_a_rung_twice_is_caught() {
    let core = Spoiled(|_: &Standing, _: &mut Standing, effects: &mut Vec<Effect>| {
        let second = |effect: &&Effect| matches!(effect, Effect::Page { step: 1, .. });
        if let Some(page) = effects.iter().find(second).cloned() {
            effects.push(page);
        }
    });
    caught(&core, "the ladder is climbed rung by rung");
}

#[test]
fn a_core_that_exhausts_its_ladder_without_a_word_is_caught() {
    let core = Spoiled(|_: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if effects.contains(&Effect::Note(Happening::Exhausted)) {
            let all = effects.len();
            effects.retain(|effect| {
                !matches!(effect, Effect::CatchAll { .. } | Effect::Note(Happening::CatchAll { .. }))
            });
            after.catch_alls -= u32::from(effects.len() < all);
        }
    });
    caught(&core, "exhausted is never silent");
}

#[test]
fn a_core_that_pages_before_it_has_taken_an_answer_back_is_caught() {
    let core = Spoiled(|_: &Standing, _: &mut Standing, effects: &mut Vec<Effect>| {
        let climbs = |effect: &Effect| {
            matches!(effect, Effect::Page { .. } | Effect::Note(Happening::StepSkipped { .. }))
        };
        if !effects.iter().any(climbs) {
            effects.sort_by_key(|effect| matches!(effect, Effect::Note(Happening::Escalated { .. })));
        }
    });
    caught(&core, "answered stays quiet");
}

#[test]
fn a_core_that_climbs_on_for_alerts_that_nobody_lists_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        let unlisted = |effect: &Effect| *effect == Effect::Note(Happening::Unlisted);
        if effects.iter().any(unlisted) && before.may_page() {
            effects.retain(|effect| !unlisted(effect));
            (after.hold, after.due_at) = (None, before.due_at);
        }
    });
    caught(&core, "what nobody lists pages nobody");
}

#[test]
fn a_core_that_is_late_over_and_over_is_caught() {
    let core = Spoiled(|before: &Standing, after: &mut Standing, effects: &mut Vec<Effect>| {
        if before.ladder == Ladder::Spent && after.ladder == Ladder::Exhausted {
            *after = before.clone();
            effects.clear();
        }
    });
    caught(&core, "time passes");
}

/// A store that leaves buzzes in the outbox when somebody has answered.
struct Tardy;

impl Core for Tardy {
    fn takes_back(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::Unpin { keep: None })
    }
}

#[test]
fn a_buzz_that_waits_too_long_is_caught() {
    caught(&Tardy, "no buzz after the answer");
}

#[test]
fn every_law_has_a_plant_that_breaks_it() {
    let plants = include_str!("plants.rs");
    for law in laws::names() {
        assert!(plants.contains(&format!(", \"{law}\");\n")), "nothing shows that “{law}” can be broken");
    }
}
