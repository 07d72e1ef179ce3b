//! What may befall a pager in a year, and how a seed makes a script of it.
//!
//! A script is a list of timed stimuli. Each stands for itself: whichever are
//! dropped, the rest still is a script, so a failing one can be made small.

use jiff::{SignedDuration, Timestamp};

use crate::prng::Prng;

/// Something from outside, at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stimulus {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
}

/// What comes from outside. Alerts and groups are indexes into the world's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// An alert starts to fire and its group is sent.
    Fire { alert: usize },
    /// An alert recovers and its group is sent.
    Clear { alert: usize },
    /// The sender goes on without mentioning an alert, or mentions it again.
    Hide { alert: usize, hidden: bool },
    /// A group is sent again, in this way.
    Send { group: usize, how: How },
    /// A second evaluator tells of the alert with a start of its own.
    Replica { alert: usize, shift: SignedDuration },
    /// The sender is asked about an open incident.
    Ask { pick: usize },
    /// Somebody does something about an incident.
    Act { pick: usize, who: usize, deed: Deed, button: Button },
    /// The clock of the machine is set.
    SetClock { by: SignedDuration },
    /// Another set of rules is loaded.
    Reload { rules: usize },
    /// The pager is down for so long; what is sent meanwhile waits.
    Down { span: SignedDuration },
    /// The next decision is lost before its commit and made again after the restart.
    CrashBeforeCommit { span: SignedDuration },
    /// The next webhook is committed, but its sender never learns and sends it again.
    CrashAfterCommit { span: SignedDuration },
    /// From now on Feishu answers like this.
    Feishu(Verdict),
}

/// How a group is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// As it is now.
    Plainly,
    /// As it is now, two times.
    Twice,
    /// As it is now, but it arrives so much later.
    Late(SignedDuration),
    /// Cut off after its first alert.
    Truncated,
}

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Acknowledge,
    Unacknowledge,
    Snooze(SignedDuration),
    Resolve,
    Escalate,
    HandOver { to: usize },
}

/// The button it is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    /// None: through the API.
    None,
    /// One of the card as it is.
    Fresh,
    /// One that was drawn before the last answer.
    Stale,
}

/// How Feishu takes a buzz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At once.
    Done,
    /// Come back later.
    Busy,
    /// Never.
    Refused,
    /// It buzzes, but the answer is lost.
    Lost,
    /// No answer, no buzz.
    Unreachable,
}

/// How many alerts, groups and people a script may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cast {
    pub(crate) alerts: u64,
    pub(crate) groups: u64,
    pub(crate) people: u64,
}

/// The year that is simulated, from this day on. It has both of the changes to
/// and from daylight saving in every zone that has them.
pub(crate) fn beginning() -> Timestamp {
    "2026-09-01T00:00:00Z".parse().expect("a date")
}

/// How long a simulated year is.
pub(crate) const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The script of a seed: episodes of trouble spread over a year, each with
/// alerts, answers and mishaps close to each other.
pub(crate) fn script(seed: u64, cast: Cast) -> Vec<Stimulus> {
    let mut chance = Prng::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(1));
    let mut script = Vec::new();
    for _ in 0..chance.between(4, 14) {
        let mut at = beginning() + SignedDuration::from_secs(chance.between(0, YEAR.as_secs() - 40 * 86_400));
        if chance.chance(25) {
            at = near_a_change_of_the_clocks(&mut chance);
        }
        let focus = index(&mut chance, cast.alerts);
        for _ in 0..chance.between(3, 22) {
            script.push(Stimulus { at, what: stimulus(&mut chance, cast, focus) });
            at += pause(&mut chance);
        }
        if chance.chance(90) {
            let all_clear = (0..cast.alerts).map(|alert| What::Clear { alert: to_index(alert) });
            script.extend(all_clear.map(|what| Stimulus { at, what }));
        }
    }
    script.sort_by_key(|stimulus| stimulus.at);
    script
}

fn near_a_change_of_the_clocks(chance: &mut Prng) -> Timestamp {
    let changes =
        ["2026-10-25T00:30:00Z", "2026-11-01T05:30:00Z", "2027-03-14T06:30:00Z", "2027-03-28T00:30:00Z"];
    chance.pick(&changes).parse().expect("a date")
}

fn pause(chance: &mut Prng) -> SignedDuration {
    let longest = *chance.pick(&[1, 20, 90, 90, 600, 600, 3600, 10_800, 86_400]);
    SignedDuration::from_secs(chance.between(0, longest + 1))
}

fn stimulus(chance: &mut Prng, cast: Cast, focus: usize) -> What {
    let alert = if chance.chance(60) { focus } else { index(chance, cast.alerts) };
    let group = index(chance, cast.groups);
    match chance.below(100) {
        0..22 => What::Fire { alert },
        22..31 => What::Clear { alert },
        31..37 => What::Hide { alert, hidden: chance.chance(60) },
        37..49 => What::Send { group, how: how(chance) },
        49..52 => What::Replica { alert, shift: SignedDuration::from_secs(chance.between(-120, 120)) },
        52..55 => What::Ask { pick: index(chance, 5) },
        55..81 => {
            let button = *chance.pick(&[Button::None, Button::Fresh, Button::Fresh, Button::Stale]);
            let (pick, who) = (index(chance, 5), index(chance, cast.people));
            What::Act { pick, who, deed: deed(chance, cast), button }
        }
        81..84 => What::SetClock {
            by: *chance.pick(&[SignedDuration::from_hours(1), SignedDuration::from_hours(-1)]),
        },
        84..87 => What::Reload { rules: index(chance, 3) },
        87..90 => What::Down { span: outage(chance) },
        90..93 => What::CrashBeforeCommit { span: outage(chance) },
        93..95 => What::CrashAfterCommit { span: outage(chance) },
        _ => What::Feishu(*chance.pick(&[
            Verdict::Done,
            Verdict::Done,
            Verdict::Busy,
            Verdict::Refused,
            Verdict::Lost,
            Verdict::Unreachable,
        ])),
    }
}

fn how(chance: &mut Prng) -> How {
    match chance.below(4) {
        0 => How::Plainly,
        1 => How::Twice,
        2 => How::Late(SignedDuration::from_secs(chance.between(1, 900))),
        _ => How::Truncated,
    }
}

fn deed(chance: &mut Prng, cast: Cast) -> Deed {
    match chance.below(10) {
        0..4 => Deed::Acknowledge,
        4 => Deed::Unacknowledge,
        5 => Deed::Snooze(SignedDuration::from_mins(chance.between(1, 300))),
        6 => Deed::Resolve,
        7..9 => Deed::Escalate,
        // One more than there are: somebody whom nobody knows.
        _ => Deed::HandOver { to: index(chance, cast.people + 1) },
    }
}

fn outage(chance: &mut Prng) -> SignedDuration {
    let longest = *chance.pick(&[5, 60, 3600, 3 * 86_400]);
    SignedDuration::from_secs(chance.between(1, longest + 1))
}

fn index(chance: &mut Prng, count: u64) -> usize {
    to_index(chance.below(count))
}

fn to_index(number: u64) -> usize {
    usize::try_from(number).expect("an index fits")
}
