//! Alerts that their sender lists no longer: neither burning for sure nor recovered.

use super::*;

const GROUP: Listing = Listing(7);

/// A complete payload of the group.
fn listing(sightings: Vec<Sighting>) -> Observation {
    Observation { listing: Some(GROUP), complete: true, policy: ladder(), ..seen(sightings) }
}

/// A complete payload of the group comes.
fn list(standing: Standing, sightings: Vec<Sighting>, minute: i64) -> (Standing, Vec<Effect>) {
    advance(standing, &Event::Observed(listing(sightings)), &EVERYBODY, at(minute))
}

/// Two alerts of the group; lin was paged at 0, mara is due at 3.
fn two() -> Standing {
    let both = listing(vec![firing(1, "critical"), firing(2, "critical")]);
    open(&both, &EVERYBODY, at(0)).unwrap().0
}

/// The same, of which nothing is listed since minute 1.
fn unlisted() -> Standing {
    list(two(), Vec::new(), 1).0
}

fn reconciled(
    standing: Standing,
    firing: &[u64],
    suppressed: &[u64],
    minute: i64,
) -> (Standing, Vec<Effect>) {
    let set = |alerts: &[u64]| alerts.iter().copied().map(Fingerprint).collect();
    let found = Reconciliation { firing: set(firing), suppressed: set(suppressed) };
    advance(standing, &Event::Reconciled(found), &EVERYBODY, at(minute))
}

fn noted(effects: &[Effect], what: &Happening) -> bool {
    effects.contains(&Effect::Note(what.clone()))
}

fn acknowledge(standing: Standing, timeout: Option<SignedDuration>, minute: i64) -> Standing {
    let mut standing = standing;
    standing.severity.ack_timeout = timeout;
    let lin = Actor { name: "lin".into(), known: true, via: Via::Card };
    let (standing, _, answer) = act(standing, &Action::Acknowledge, &lin, None, &EVERYBODY, at(minute));
    assert_eq!(answer, Answer::Done);
    standing
}

#[test]
fn when_nothing_is_listed_the_ladder_stands_still() {
    let (standing, effects) = list(two(), Vec::new(), 1);
    assert!(noted(&effects, &Happening::Unlisted) && effects.contains(&Effect::Refresh));
    assert_eq!(standing.hold, Some(Hold::Unlisted { since: at(1), stale_at: at(61) }));
    assert_eq!((standing.is_open(), standing.due_at), (true, Some(at(61))));
    assert_eq!(tick(standing.clone(), 60), (standing, Vec::new()));
}

#[test]
fn while_something_is_listed_the_ladder_climbs_on() {
    let (standing, _) = list(two(), vec![firing(2, "critical")], 1);
    assert_eq!((standing.count(MemberState::Unlisted), &standing.hold), (1, &None));
    assert_eq!(pages(&tick(standing, 3).1), ["mara@phone"]);
}

#[test]
fn payloads_of_other_groups_and_truncated_ones_leave_nothing_out() {
    let others = Observation { listing: Some(Listing(8)), ..listing(Vec::new()) };
    let truncated = Observation { complete: false, ..listing(Vec::new()) };
    let nameless = Observation { listing: None, ..listing(Vec::new()) };
    for observation in [others, truncated, nameless] {
        let after = advance(two(), &Event::Observed(observation), &EVERYBODY, at(1));
        assert_eq!(after, (two(), Vec::new()));
    }
}

#[test]
fn listed_again_it_climbs_on_where_it_stood() {
    let (standing, effects) = list(unlisted(), vec![firing(1, "critical")], 30);
    assert!(noted(&effects, &Happening::ListedAgain) && pages(&effects).is_empty());
    assert_eq!((&standing.hold, standing.due_at), (&None, Some(at(33))));
    assert_eq!(pages(&tick(standing, 33).1), ["mara@phone"]);
}

#[test]
fn what_is_not_heard_of_for_long_enough_counts_as_over_and_comes_back_when_listed() {
    let (standing, effects) = tick(unlisted(), 61);
    assert!(noted(&effects, &Happening::Stale) && effects.contains(&Effect::Unpin { keep: None }));
    assert_eq!((standing.phase(), standing.holder(), standing.due_at), (Phase::Resolved, None, None));
    let (standing, effects) = list(standing, vec![firing(1, "critical")], 65);
    assert_eq!((standing.reopens, pages(&effects)), (1, vec!["lin@app".to_owned()]));
}

#[test]
fn a_recovery_of_all_that_is_not_listed_ends_it() {
    let (standing, effects) = list(unlisted(), vec![resolved(1), resolved(2)], 5);
    assert!(noted(&effects, &Happening::Resolved));
    assert_eq!((standing.phase(), standing.hold), (Phase::Resolved, None));
}

#[test]
fn asked_the_sender_settles_what_was_left_out() {
    let (fires, effects) = reconciled(unlisted(), &[1], &[], 5);
    assert_eq!((fires.firing(), fires.count(MemberState::Resolved)), (1, 1));
    assert!(noted(&effects, &Happening::ListedAgain));
    assert_eq!(pages(&tick(fires, 8).1), ["mara@phone"]);
    let (held, effects) = reconciled(unlisted(), &[], &[1, 2], 50);
    assert_eq!(held.hold, Some(Hold::Unlisted { since: at(50), stale_at: at(110) }));
    assert!(pages(&effects).is_empty() && held.due_at == Some(at(110)));
    let (gone, effects) = reconciled(unlisted(), &[], &[], 5);
    assert!(noted(&effects, &Happening::Resolved) && !gone.is_open());
}

#[test]
fn asking_about_what_is_listed_or_over_changes_nothing() {
    let over = tick(unlisted(), 61).0;
    for standing in [two(), over] {
        assert_eq!(reconciled(standing.clone(), &[], &[], 70), (standing, Vec::new()));
    }
}

#[test]
fn an_acknowledge_of_something_unlisted_holds_against_others() {
    let standing = acknowledge(unlisted(), None, 2);
    let mara = Actor { name: "mara".into(), known: true, via: Via::Card };
    let (_, _, answer) = act(standing.clone(), &Action::Acknowledge, &mara, None, &EVERYBODY, at(3));
    assert_eq!(answer, Answer::Already { by: Some("lin".into()) });
    let (standing, _) = list(standing, vec![firing(1, "critical")], 4);
    assert_eq!((standing.phase(), standing.due_at), (Phase::Acknowledged, None));
}

#[test]
fn an_acknowledge_that_lapses_while_nothing_is_listed_pages_when_it_is_again() {
    let standing = acknowledge(unlisted(), Some(SignedDuration::from_mins(20)), 2);
    let (standing, effects) = tick(standing, 22);
    assert!(pages(&effects).is_empty());
    assert_eq!((standing.phase(), standing.due_at), (Phase::Triggered, Some(at(61))));
    let (standing, _) = list(standing, vec![firing(1, "critical")], 30);
    assert_eq!(pages(&tick(standing, 30).1), ["lin@app"]);
}

#[test]
fn taken_back_while_nothing_is_listed_it_stays_held() {
    let standing = acknowledge(unlisted(), None, 2);
    let lin = Actor { name: "lin".into(), known: true, via: Via::Card };
    let (standing, _, _) = act(standing, &Action::Unacknowledge, &lin, None, &EVERYBODY, at(3));
    assert_eq!((standing.may_page(), standing.due_at), (false, Some(at(61))));
    assert!(!tick(standing, 61).0.is_open());
}

#[test]
fn a_snooze_that_ends_while_nothing_is_listed_pages_nobody_until_it_is_stale() {
    let lin = Actor { name: "lin".into(), known: true, via: Via::Card };
    let snooze = Action::Snooze { span: SignedDuration::from_mins(30) };
    let (standing, _, _) = act(two(), &snooze, &lin, None, &EVERYBODY, at(1));
    let (standing, _) = list(standing, Vec::new(), 10);
    assert_eq!((standing.phase(), standing.due_at), (Phase::Snoozed, Some(at(31))));
    let (standing, effects) = tick(standing, 31);
    assert_eq!((pages(&effects).len(), standing.due_at), (0, Some(at(91))));
    assert!(!tick(standing, 91).0.is_open());
}

#[test]
fn escalated_while_nothing_is_listed_one_rung_is_paged_and_no_more() {
    let lin = Actor { name: "lin".into(), known: true, via: Via::Card };
    let (standing, effects, answer) = act(unlisted(), &Action::Escalate, &lin, None, &EVERYBODY, at(2));
    assert_eq!((answer, pages(&effects)), (Answer::Done, vec!["mara@phone".to_owned()]));
    assert_eq!(standing.due_at, Some(at(62)));
    assert!(pages(&tick(standing, 62).1).is_empty());
}

#[test]
fn the_same_word_of_the_sender_at_the_same_time_is_no_news() {
    let (held, effects) = reconciled(unlisted(), &[], &[1, 2], 30);
    assert!(!effects.is_empty(), "it is worth another hour");
    let (again, effects) = reconciled(held.clone(), &[], &[1, 2], 30);
    assert_eq!((again, effects), (held, Vec::new()));
}
