//! What may befall a pager in a year, and how a seed makes a script of it.
//!
//! A script is a list of timed stimuli. Each stands for itself: whichever are
//! dropped, the rest still is a script, so a failing one can be made small.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::Action;
use larkhorn::feishu::Verdict;

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
    /// So many alerts of the flood's group start to fire at once, from this one on.
    Flood { first: usize, count: usize },
    /// All alerts of the flood recover.
    Ebb,
    /// An alert is silenced in Alertmanager for so long; no time at all: the silence
    /// is taken off.
    Hide { alert: usize, span: SignedDuration },
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
    /// The next decision is lost before its commit.
    CrashBeforeCommit { span: SignedDuration },
    /// What came of the next buzz is never reported.
    CrashBeforeReport { span: SignedDuration },
    /// The pager dies after the next commit of what came in; whoever sent it never
    /// learns and sends it again.
    CrashAfterCommit { span: SignedDuration },
    /// For so long Feishu answers like this.
    Feishu { reply: Reply, span: SignedDuration },
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
    Silence(SignedDuration),
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
pub(crate) enum Reply {
    /// It rings.
    Rings,
    /// It rings, but not for all: somebody is not in the chat.
    RingsForSome,
    /// It rings, but the answer is lost.
    RingsUnheard,
    /// It does not ring.
    Fails(Verdict),
}

impl Reply {
    /// All there are: what a verdict means is the courier's, see there.
    pub(crate) const ALL: [Self; 19] = [
        Self::Rings,
        Self::RingsForSome,
        Self::RingsUnheard,
        Self::Fails(Verdict::RetryAfter(Duration::from_secs(30))),
        Self::Fails(Verdict::Unknown),
        Self::Fails(Verdict::NotSent),
        Self::Fails(Verdict::Credentials),
        Self::Fails(Verdict::TargetInvalid),
        Self::Fails(Verdict::NotInChat),
        Self::Fails(Verdict::ChatGone),
        Self::Fails(Verdict::PersonGone),
        Self::Fails(Verdict::TooManyUnread),
        Self::Fails(Verdict::QuotaUsedUp),
        Self::Fails(Verdict::CardRejected),
        Self::Fails(Verdict::TooLong),
        Self::Fails(Verdict::ContentRefused),
        Self::Fails(Verdict::MessageGone),
        Self::Fails(Verdict::Forbidden),
        Self::Fails(Verdict::GiveUp),
    ];

    /// The word for it in what is counted.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::RingsForSome => "rings for some",
            Self::RingsUnheard => "rings, answer lost",
            Self::Fails(verdict) => verdict.as_str(),
        }
    }
}

/// How many alerts, groups and people a script may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cast {
    pub(crate) alerts: u64,
    /// Those of them that may burn for weeks once somebody has them.
    pub(crate) patient: &'static [usize],
    /// How many more there are in the flood's group.
    pub(crate) flood: u64,
    pub(crate) groups: u64,
    pub(crate) people: u64,
}

/// The year that is simulated, from this day on. It has both of the changes to
/// and from daylight saving in every zone that has them.
pub(crate) fn beginning() -> Timestamp {
    "2026-09-01T00:00:00Z".parse().expect("a date")
}

/// When clocks change in the zones of the rules: Berlin and New York, back and forth.
pub(crate) static CHANGES: LazyLock<[Timestamp; 4]> = LazyLock::new(|| {
    ["2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z", "2027-03-14T07:00:00Z", "2027-03-28T01:00:00Z"]
        .map(|change| change.parse().expect("a date"))
});

/// How long a simulated year is.
pub(crate) const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The script of a seed: episodes of trouble spread over a year, each with
/// alerts, answers and mishaps close to each other.
pub(crate) fn script(seed: u64, cast: Cast) -> Vec<Stimulus> {
    let mut chance = Prng::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(1));
    let mut script = Vec::new();
    for _ in 0..chance.between(6, 18) {
        let mut at = beginning() + SignedDuration::from_secs(chance.between(0, YEAR.as_secs() - 40 * 86_400));
        if chance.chance(25) {
            at = near_a_change_of_the_clocks(&mut chance);
        }
        let focus = index(&mut chance, cast.alerts);
        for _ in 0..chance.between(3, 22) {
            let what = stimulus(&mut chance, cast, focus);
            script.extend(companions(&mut chance, cast, at, &what));
            script.push(Stimulus { at, what });
            at += pause(&mut chance);
        }
        if chance.chance(40) {
            at = burn_on(&mut chance, cast, at, &mut script);
        }
        script.extend(all_clear(cast).map(|what| Stimulus { at, what }));
        at += SignedDuration::from_secs(chance.between(0, 86_400));
        script.extend(tidy_up(&mut chance, cast).into_iter().map(|what| Stimulus { at, what }));
    }
    script.sort_by_key(|stimulus| stimulus.at);
    script
}

fn near_a_change_of_the_clocks(chance: &mut Prng) -> Timestamp {
    *chance.pick(&*CHANGES) - SignedDuration::from_mins(chance.between(10, 60))
}

fn all_clear(cast: Cast) -> impl Iterator<Item = What> {
    (0..cast.alerts).map(|alert| What::Clear { alert: to_index(alert) }).chain([What::Ebb])
}

/// Somebody looks through what the pager takes for open and says that it is over:
/// of alerts that recover while they are silenced, no sender ever says so.
fn tidy_up(chance: &mut Prng, cast: Cast) -> Vec<What> {
    let thorough = if chance.chance(90) { 16 } else { 0 };
    let resolve = |_| {
        let (pick, who) = (index(chance, 50), index(chance, cast.people));
        What::Act { pick, who, deed: Deed::Resolve, button: Button::None }
    };
    (0..thorough).map(resolve).collect()
}

/// Most of it is over. What is left burns on, for days if nobody has looked at
/// it, else for weeks. Until when.
fn burn_on(chance: &mut Prng, cast: Cast, at: Timestamp, script: &mut Vec<Stimulus>) -> Timestamp {
    let looked_at = chance.chance(75);
    let burns_on = if looked_at { *chance.pick(cast.patient) } else { index(chance, cast.alerts) };
    let over = all_clear(cast).filter(|what| *what != What::Clear { alert: burns_on });
    let over = over.chain([What::Fire { alert: burns_on }]);
    script.extend(over.map(|what| Stimulus { at, what }));
    // Long enough to have been announced.
    let mut at = at + SignedDuration::from_secs(chance.between(60, 600));
    let deeds = [Deed::Acknowledge, Deed::Acknowledge, Deed::Silence(A_WEEK), Deed::Snooze(A_WEEK)];
    let (who, deed) = (index(chance, cast.people), *chance.pick(&deeds));
    for pick in 0..if looked_at { 6 } else { 0 } {
        let what = What::Act { pick, who, deed, button: Button::None };
        script.push(Stimulus { at, what });
    }
    let days = match (looked_at, deed) {
        (true, Deed::Acknowledge) => 60,
        (true, _) => 8,
        (false, _) => 3,
    };
    at += SignedDuration::from_secs(chance.between(0, days * 86_400));
    at
}

/// The longest that anything may be put off at once.
const A_WEEK: SignedDuration = Action::SPAN_MAX;

fn pause(chance: &mut Prng) -> SignedDuration {
    let longest = *chance.pick(&[1, 20, 90, 90, 600, 600, 3600, 10_800, 86_400]);
    SignedDuration::from_secs(chance.between(0, longest + 1))
}

fn stimulus(chance: &mut Prng, cast: Cast, focus: usize) -> What {
    let alert = if chance.chance(60) { focus } else { index(chance, cast.alerts) };
    let group = index(chance, cast.groups);
    match chance.below(100) {
        0..20 => What::Fire { alert },
        20 => {
            let (first, count) = (index(chance, cast.flood), index(chance, cast.flood) + 1);
            What::Flood { first, count }
        }
        21 => What::Ebb,
        22..31 => What::Clear { alert },
        31..39 => {
            let alert =
                if chance.chance(30) { to_index(cast.alerts) + index(chance, cast.flood) } else { alert };
            What::Hide { alert, span: outage(chance) }
        }
        39..49 => What::Send { group, how: how(chance) },
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
        84..87 => What::Reload { rules: *chance.pick(&[0, 0, 0, 1, 2]) },
        87..90 => What::Down { span: outage(chance) },
        90..92 => What::CrashBeforeCommit { span: outage(chance) },
        92 => What::CrashBeforeReport { span: outage(chance) },
        93..95 => What::CrashAfterCommit { span: outage(chance) },
        _ => {
            let longest = *chance.pick(&[60, 600, 3600, 10_800]);
            let span = SignedDuration::from_secs(chance.between(1, longest));
            What::Feishu { reply: *chance.pick(&Reply::ALL), span }
        }
    }
}

/// What may come along with a stimulus, just before it: silences are taken off
/// again soon, and floods are what machines die of and what is silenced in part.
fn companions(chance: &mut Prng, cast: Cast, at: Timestamp, what: &What) -> Vec<Stimulus> {
    if let What::Hide { alert, .. } = what
        && chance.chance(60)
    {
        let off_at = at + SignedDuration::from_secs(chance.between(1, 3000));
        let off = What::Hide { alert: *alert, span: SignedDuration::ZERO };
        let burns = alert
            .checked_sub(to_index(cast.alerts))
            .map(|first| Stimulus { at, what: What::Flood { first, count: 1 + index(chance, 3) } });
        burns.into_iter().chain([Stimulus { at: off_at, what: off }]).collect()
    } else if matches!(what, What::Flood { .. }) && chance.chance(30) {
        vec![Stimulus { at, what: What::CrashAfterCommit { span: outage(chance) } }]
    } else {
        Vec::new()
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
    match chance.below(11) {
        0..4 => Deed::Acknowledge,
        4 => Deed::Unacknowledge,
        5 if chance.chance(30) => Deed::Unacknowledge,
        5 => Deed::Snooze(SignedDuration::from_mins(chance.between(1, 300))),
        6 => Deed::Resolve,
        7..9 => Deed::Escalate,
        9 => Deed::Silence(SignedDuration::from_mins(chance.between(1, 300))),
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
