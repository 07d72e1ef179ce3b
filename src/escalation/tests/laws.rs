//! The invariants of the module's first page, over any story.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["lin", "mara", "nobody-knows"];

/// Something that happens to an incident.
#[derive(Debug, Clone)]
enum Move {
    Event(Event),
    /// Somebody does something; with a button drawn so many epochs ago, or without one.
    Act(Action, &'static str, Option<u64>),
}

fn any_fingerprints() -> impl Strategy<Value = BTreeSet<Fingerprint>> {
    prop::collection::btree_set((0u64..3).prop_map(Fingerprint), 0..3)
}

/// Severities of these stories: the loud lapses, the quiet holds.
fn graded(level: &str, targets_only: bool) -> Severity {
    let ack_timeout = (level == "critical").then(|| SignedDuration::from_mins(12));
    Severity { ack_timeout, acknowledge_by_targets: targets_only, ..severity(level) }
}

fn any_observation() -> impl Strategy<Value = Event> {
    let any_sighting = (0u64..3, any::<bool>(), 0i64..6, 0usize..3, prop::bool::weighted(0.2)).prop_map(
        |(alert, fires, started, level, targets_only)| {
            let status = if fires { AlertStatus::Firing } else { AlertStatus::Resolved };
            let level = ["critical", "warning", "info"][level];
            Sighting { severity: graded(level, targets_only), ..sighting(alert, status, started, level) }
        },
    );
    let sightings = prop::collection::vec(any_sighting, 0..4);
    (sightings, 0usize..3, 0i64..3, prop::option::of(0u64..2), any::<bool>()).prop_map(
        |(sightings, policy, wait, listing, complete)| {
            Event::Observed(Observation {
                listing: listing.map(Listing),
                complete,
                policy: [ladder(), one_step(), Policy::default()][policy].clone(),
                group_wait: SignedDuration::from_mins(wait),
                stale_after: SignedDuration::from_mins(45),
                ..seen(sightings)
            })
        },
    )
}

fn any_action() -> impl Strategy<Value = Action> {
    let span = || (1i64..40).prop_map(SignedDuration::from_mins);
    prop_oneof![
        3 => Just(Action::Acknowledge),
        2 => Just(Action::Unacknowledge),
        1 => span().prop_map(|span| Action::Snooze { span }),
        1 => span().prop_map(|span| Action::Silence { span }),
        1 => Just(Action::Resolve),
        2 => Just(Action::Escalate),
        1 => (0usize..3).prop_map(|name| Action::HandOver { to: NAMES[name].into() }),
    ]
}

/// A move and the minutes that pass before it.
fn any_move() -> impl Strategy<Value = (Move, i64)> {
    let reconciled = (any_fingerprints(), any_fingerprints())
        .prop_map(|(firing, suppressed)| Event::Reconciled(Reconciliation { firing, suppressed }));
    let event = prop_oneof![4 => any_observation(), 4 => Just(Event::Tick), 1 => reconciled];
    let deed = (any_action(), 0usize..3, prop::option::of(0u64..2))
        .prop_map(|(action, name, age)| Move::Act(action, NAMES[name], age));
    (prop_oneof![3 => event.prop_map(Move::Event), 2 => deed], prop_oneof![4 => 0i64..8, 1 => 8i64..70])
}

fn unlisted(standing: &Standing) -> bool {
    matches!(standing.hold, Some(Hold::Unlisted { .. }))
}

/// What holds of any standing.
fn check_standing(standing: &Standing) -> Result<(), TestCaseError> {
    if !standing.is_open() {
        prop_assert_eq!((standing.due_at, &standing.hold, standing.ladder), (None, &None, Ladder::Idle));
        return Ok(());
    }
    prop_assert!(burning(standing) > 0, "open, but nothing burns");
    prop_assert_eq!(unlisted(standing), standing.firing() == 0 && !is_quieted(standing));
    let answered_for_good = matches!(standing.response, Response::Acknowledged { expires_at: None, .. });
    let nobody_to_page = standing.policy.steps.is_empty() || standing.severity.urgent == Urgent::None;
    prop_assert!(
        standing.due_at.is_some() || answered_for_good || (standing.ladder == Ladder::Idle && nobody_to_page),
        "nothing will ever happen to {:?}",
        standing
    );
    let acknowledged = matches!(standing.response, Response::Acknowledged { .. });
    prop_assert!(!(acknowledged && is_quieted(standing)));
    Ok(())
}

/// What holds of any change.
fn check_change(before: &Standing, after: &Standing, effects: &[Effect]) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.generation, before.generation + u64::from(after != before));
    prop_assert!(after != before || effects.is_empty(), "nothing changed, yet {:?}", effects);
    let answer = |standing: &Standing| (standing.phase(), standing.holder().map(str::to_owned));
    prop_assert!((before.epoch..=before.epoch + 1).contains(&after.epoch));
    prop_assert!(answer(before) == answer(after) || after.epoch > before.epoch, "old buttons still count");
    if before.is_open() && after.is_open() {
        prop_assert!(!before.severity.outranks(&after.severity));
    }
    if !pages(effects).is_empty() {
        prop_assert!(after.is_open() && after.holder().is_none(), "paged, but somebody has it");
        let let_go = after.epoch > before.epoch || (unlisted(before) && !unlisted(after));
        prop_assert!(before.may_page() || let_go, "paged while it was answered or held");
    }
    Ok(())
}

/// One move; `None` where there is no incident yet.
fn moved(
    before: Option<Standing>,
    what: Move,
    team: &Team,
    now: Timestamp,
) -> Result<Option<Standing>, TestCaseError> {
    let Some(before) = before else {
        let Move::Event(Event::Observed(observation)) = what else { return Ok(None) };
        return Ok(open(&observation, team, now).map(|(standing, _)| standing));
    };
    let (after, effects) = match what {
        Move::Event(event) => {
            let (after, effects) = advance(before.clone(), &event, team, now);
            let overdue = after.due_at.is_some_and(|due| due <= now);
            prop_assert!(event != Event::Tick || !overdue, "a tick leaves nothing overdue");
            let paged = !pages(&effects).is_empty();
            prop_assert!(!paged || after.may_page(), "an event pages about what is answered or held");
            (after, effects)
        }
        Move::Act(action, name, age) => {
            let actor = Actor { name: name.into(), known: true, via: Via::Api };
            let drawn = age.map(|age| before.epoch.saturating_sub(age));
            let (after, effects, answer) = act(before.clone(), &action, &actor, drawn, team, now);
            prop_assert_eq!(answer == Answer::Done, after != before);
            let old = drawn.is_some_and(|drawn| drawn != before.epoch);
            prop_assert!(answer != Answer::Done || (before.is_open() && !old));
            prop_assert_eq!(after.epoch, before.epoch + u64::from(answer == Answer::Done));
            let paged = !pages(&effects).is_empty();
            prop_assert!(!paged || action == Action::Escalate, "nobody is paged for {:?}", action);
            (after, effects)
        }
    };
    check_change(&before, &after, &effects)?;
    Ok(Some(after))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_story_keeps_the_invariants(
        moves in prop::collection::vec(any_move(), 1..60),
        absent in prop::sample::select(vec![&[][..], &["lin"], &["lin", "mara"]]),
        backed in any::<bool>(),
    ) {
        let mut absent = absent.to_vec();
        absent.push("nobody-knows");
        let team = Team { absent, last: if backed { vec!["otto"] } else { Vec::new() } };
        let (mut minute, mut standing) = (0, None);
        for (what, pause) in moves {
            minute += pause;
            standing = moved(standing, what, &team, at(minute))?;
            if let Some(standing) = &standing {
                check_standing(standing)?;
            }
        }
    }

    #[test]
    fn left_alone_it_ends_or_goes_on_paging(opening in any_observation(), moves in prop::collection::vec(any_move(), 0..12)) {
        let team = Team { absent: vec!["nobody-knows"], last: vec!["otto"] };
        let mut standing = moved(None, Move::Event(opening), &team, at(0))?;
        let mut minute = 0;
        for (what, pause) in moves {
            minute += pause;
            standing = moved(standing, what, &team, at(minute))?;
        }
        let Some(mut standing) = standing else { return Ok(()) };
        let mut paged = 0;
        for _ in 0..200 {
            let Some(due) = standing.due_at else { break };
            let (next, effects) = advance(standing, &Event::Tick, &team, due.max(at(minute)));
            paged += pages(&effects).len();
            standing = next;
        }
        let settled = !standing.is_open() || standing.due_at.is_none();
        prop_assert!(settled || paged > 100, "neither over nor paging: {:?}", standing);
    }
}
