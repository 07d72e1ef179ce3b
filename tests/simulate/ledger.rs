//! What the effects of an incident add up to: where its ladder must be, who is
//! pinned, how its story reads. Knows nothing of how the core decides.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Happening, Ladder, Phase, Standing, Urgent};
use larkhorn::escalation::Effect;

/// One step of one incident: what it was, what was asked for, what it is.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    /// `None`: it has just opened.
    pub(crate) before: Option<&'a Standing>,
    pub(crate) after: &'a Standing,
    pub(crate) effects: &'a [Effect],
    /// Time that passes evenly, whatever the clock says.
    pub(crate) real: Timestamp,
    /// How long the last resort may be silent, by any of the rules since it was loud last.
    pub(crate) silence_max: SignedDuration,
    /// Whether anybody stands behind the last resort now.
    pub(crate) last_resort: bool,
}

impl Moment<'_> {
    pub(crate) fn pages(&self) -> bool {
        self.effects.iter().any(|e| matches!(e, Effect::Page { .. } | Effect::CatchAll { .. }))
    }
}

/// A rung, `(step, round)` from 0.
pub(crate) type Rung = (u16, u16);

/// Where the ladder must be, and whether it may page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Climb {
    /// The last rung that ran or was passed over since the ladder began.
    pub(crate) touched: Option<Rung>,
    /// The last one that reached anybody.
    pub(crate) reached: Option<Rung>,
    /// Somebody asked for the next one: it may follow the last that reached anybody.
    pub(crate) hurried: bool,
    /// It got worse in this step: this rung may run again, louder.
    pub(crate) louder: Option<Rung>,
    /// The ladder is used up.
    pub(crate) exhausted: bool,
    /// The last word of a person was to page.
    pub(crate) wanted: bool,
    /// The answer that quieted it, if nothing took that back.
    pub(crate) quiet: Option<&'static str>,
}

impl Climb {
    /// Whether a rung only runs again because it may be louder now.
    pub(crate) fn repeats(&self, rung: Rung, reached: bool) -> bool {
        reached && self.louder == Some(rung)
    }

    /// Notes a rung.
    pub(crate) fn touch(&mut self, rung: Rung, reached: bool) {
        if self.repeats(rung, reached) {
            return;
        }
        self.touched = Some(rung);
        if reached {
            self.reached = Some(rung);
        }
        self.hurried = false;
    }

    /// What a note means for the ladder. `before` and `after` tell whether a worse
    /// severity started it over, for which there is no word of its own.
    pub(crate) fn hear(&mut self, note: &Happening, before: Option<&Standing>, after: &Standing) {
        match note {
            Happening::Opened { .. }
            | Happening::HoldEnded
            | Happening::AcknowledgeExpired { .. }
            | Happening::Reopened { .. } => *self = Self::default(),
            Happening::Unacknowledged { .. } => *self = Self { wanted: true, ..Self::default() },
            Happening::SeverityRose { .. } if starts_over(before, after) => *self = Self::default(),
            Happening::SeverityRose { .. } => self.louder = self.reached,
            Happening::Escalated { .. } => {
                (self.hurried, self.exhausted, self.quiet, self.wanted) = (true, false, None, true);
            }
            Happening::Exhausted => self.exhausted = true,
            Happening::Acknowledged { .. }
            | Happening::HandedOver { .. }
            | Happening::Snoozed { .. }
            | Happening::Silenced { .. }
            | Happening::ResolvedBy { .. }
            | Happening::Resolved
            | Happening::Stale => self.quiet = Some(note.kind()),
            Happening::AlertsChanged { .. }
            | Happening::Stepped { .. }
            | Happening::StepSkipped { .. }
            | Happening::CatchAll { .. }
            | Happening::Reminded { .. }
            | Happening::Seen { .. }
            | Happening::Unlisted
            | Happening::ListedAgain
            | Happening::CardPosted { .. }
            | Happening::Buzzed { .. }
            | Happening::FellBack { .. }
            | Happening::HeldBack { .. }
            | Happening::Folded { .. }
            | Happening::BuzzShared { .. }
            | Happening::DeliveryFailed { .. } => {}
        }
    }
}

/// Whether a rise of the severity starts the ladder over: of an answered
/// incident when it crosses into SMS or phone, of a quiet one when it may buzz.
fn starts_over(before: Option<&Standing>, after: &Standing) -> bool {
    let Some(before) = before else { return false };
    let (old, new) = (before.severity.urgent, after.severity.urgent);
    match before.phase() {
        Phase::Triggered => before.ladder == Ladder::Idle && new > old && !before.policy.steps.is_empty(),
        Phase::Acknowledged | Phase::Snoozed => new > old && new >= Urgent::Sms,
        Phase::Resolved => false,
    }
}

/// The story as the timeline tells it.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) phase: Phase,
    pub(crate) holder: Option<String>,
    pub(crate) reopens: u32,
    pub(crate) catch_alls: u32,
    pub(crate) unlisted: bool,
}

impl Story {
    fn becomes(&mut self, phase: Phase, holder: Option<&String>) {
        (self.phase, self.holder) = (phase, holder.cloned());
    }

    fn over_again(&mut self) {
        self.catch_alls = 0;
        self.becomes(Phase::Triggered, None);
    }

    fn read(&mut self, note: &Happening, starts_over: bool) {
        match note {
            Happening::Opened { .. }
            | Happening::HoldEnded
            | Happening::AcknowledgeExpired { .. }
            | Happening::Unacknowledged { .. } => self.over_again(),
            Happening::Reopened { times } => {
                self.over_again();
                (self.unlisted, self.reopens) = (false, *times);
            }
            Happening::SeverityRose { .. } if starts_over => self.over_again(),
            Happening::Escalated { .. } => {
                self.unlisted = false;
                self.becomes(Phase::Triggered, None);
            }
            Happening::Acknowledged { by, .. } | Happening::HandedOver { to: by, .. } => {
                self.becomes(Phase::Acknowledged, Some(by));
            }
            Happening::Snoozed { by, .. } | Happening::Silenced { by, .. } => {
                self.unlisted = false;
                self.becomes(Phase::Snoozed, Some(by));
            }
            Happening::ResolvedBy { by, .. } => {
                self.unlisted = false;
                self.becomes(Phase::Resolved, Some(by));
            }
            Happening::Resolved | Happening::Stale => {
                self.unlisted = false;
                self.becomes(Phase::Resolved, None);
            }
            Happening::CatchAll { times, .. } => self.catch_alls = *times,
            Happening::Unlisted => self.unlisted = true,
            Happening::ListedAgain => self.unlisted = false,
            Happening::SeverityRose { .. }
            | Happening::AlertsChanged { .. }
            | Happening::Stepped { .. }
            | Happening::StepSkipped { .. }
            | Happening::Exhausted
            | Happening::Reminded { .. }
            | Happening::Seen { .. }
            | Happening::CardPosted { .. }
            | Happening::Buzzed { .. }
            | Happening::FellBack { .. }
            | Happening::HeldBack { .. }
            | Happening::Folded { .. }
            | Happening::BuzzShared { .. }
            | Happening::DeliveryFailed { .. } => {}
        }
    }
}

/// Everything that is known of an incident from its effects.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) climb: Climb,
    pub(crate) story: Story,
    /// Whom the incident wants to be pinned for.
    pub(crate) pins: BTreeSet<String>,
    /// When the last resort was paged last, or became due to be.
    pub(crate) loud_at: Option<Timestamp>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let story =
            Story { phase: Phase::Triggered, holder: None, reopens: 0, catch_alls: 0, unlisted: false };
        Self { climb: Climb::default(), story, pins: BTreeSet::new(), loud_at: None }
    }

    /// Learns of a step.
    pub(crate) fn learn(&mut self, moment: &Moment<'_>) {
        let Moment { before, after, effects, real, .. } = *moment;
        for effect in effects {
            match effect {
                Effect::Note(note) => {
                    self.climb.hear(note, before, after);
                    self.story.read(note, starts_over(before, after));
                }
                Effect::Page { recipients, .. } | Effect::CatchAll { recipients, .. } => {
                    let unpinned =
                        recipients.people.iter().filter(|person| !self.pins.contains(&person.name));
                    let unpinned: Vec<_> = unpinned.map(|person| person.name.clone()).collect();
                    self.pins.extend(unpinned);
                }
                Effect::Unpin { keep } => self.pins.retain(|person| Some(person) == keep.as_ref()),
                Effect::Announce
                | Effect::Refresh
                | Effect::Remind { .. }
                | Effect::EndSilence
                | Effect::Silence { .. } => {}
            }
            if let Some((rung, reached)) = rungs(effect) {
                self.climb.touch(rung, reached);
            }
        }
        self.climb.louder = None;
        let used_up = after.may_page() && after.ladder == Ladder::Exhausted;
        let was = before.is_some_and(|b| b.may_page() && b.ladder == Ladder::Exhausted);
        let put_off = before.is_some_and(|before| before.due_at != after.due_at);
        let asked_nobody = put_off && !moment.last_resort;
        if !used_up {
            self.loud_at = None;
        } else if !was || asked_nobody || effects.iter().any(last_resort) {
            self.loud_at = Some(real);
        }
    }
}

/// The rung that an effect speaks of, and whether it reached anybody.
pub(crate) fn rungs(effect: &Effect) -> Option<(Rung, bool)> {
    match effect {
        Effect::Page { step, round, .. } => Some(((*step, *round), true)),
        Effect::Note(Happening::StepSkipped { step, round }) => Some(((*step, *round), false)),
        Effect::Announce
        | Effect::Refresh
        | Effect::CatchAll { .. }
        | Effect::Remind { .. }
        | Effect::EndSilence
        | Effect::Silence { .. }
        | Effect::Unpin { .. }
        | Effect::Note(_) => None,
    }
}

/// Whether an effect pages the last resort.
pub(crate) fn last_resort(effect: &Effect) -> bool {
    matches!(effect, Effect::CatchAll { .. })
}
