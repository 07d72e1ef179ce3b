//! Who may answer what, who was first, and what an answer does to the ladder.

use super::*;

const AGES: i64 = 100_000;

fn person(name: &str) -> Actor {
    Actor { name: name.into(), known: true, via: Via::Card }
}

/// What becomes of it when somebody does something at a minute, without a button.
fn does(standing: Standing, name: &str, action: &Action, minute: i64) -> (Standing, Vec<Effect>, Answer) {
    act(standing, action, &person(name), None, &EVERYBODY, at(minute))
}

/// The same, where it is done.
fn done(standing: Standing, name: &str, action: &Action, minute: i64) -> (Standing, Vec<Effect>) {
    let (standing, effects, answer) = does(standing, name, action, minute);
    assert_eq!(answer, Answer::Done);
    (standing, effects)
}

/// A standing of the two-rung ladder, acknowledged by lin in the first minute.
fn acknowledged(timeout: Option<SignedDuration>) -> Standing {
    let (mut standing, _) = opened(ladder(), "critical");
    standing.severity.ack_timeout = timeout;
    done(standing, "lin", &Action::Acknowledge, 1).0
}

/// Everything that is paged from a minute to another, as `minute who@how`, and the end.
fn heard(mut standing: Standing, from: i64, to: i64) -> (Standing, Vec<String>) {
    let mut heard = Vec::new();
    for minute in from..=to {
        let (next, effects) = tick(standing, minute);
        heard.extend(pages(&effects).into_iter().map(|page| format!("{minute} {page}")));
        standing = next;
    }
    (standing, heard)
}

fn snooze(minutes: i64) -> Action {
    Action::Snooze { span: SignedDuration::from_mins(minutes) }
}

#[test]
fn an_acknowledge_stops_the_ladder_and_takes_the_pins_of_others_off() {
    let (standing, _) = opened(ladder(), "critical");
    let (standing, effects) = done(standing, "lin", &Action::Acknowledge, 1);
    assert_eq!((standing.phase(), standing.holder()), (Phase::Acknowledged, Some("lin")));
    assert!(effects.contains(&Effect::Unpin { keep: Some("lin".into()) }));
    assert!(effects.contains(&Effect::Refresh) && !effects.contains(&Effect::Announce));
    assert_eq!((standing.due_at, standing.ladder), (None, Ladder::Idle));
    assert_eq!(tick(standing.clone(), AGES), (standing, Vec::new()));
}

#[test]
fn an_acknowledge_while_alerts_are_gathered_posts_the_card() {
    let gathering =
        Observation { group_wait: SignedDuration::from_mins(5), ..seen(vec![firing(1, "critical")]) };
    let (standing, _) = open(&gathering, &EVERYBODY, at(0)).unwrap();
    let (standing, effects) = done(standing, "lin", &Action::Acknowledge, 1);
    assert!(effects.contains(&Effect::Announce) && pages(&effects).is_empty());
    assert_eq!(tick(standing, 5).1, Vec::new());
}

#[test]
fn the_first_answer_wins_and_later_ones_learn_whose_it_was() {
    let standing = acknowledged(None);
    let (after, effects, answer) = does(standing.clone(), "mara", &Action::Acknowledge, 2);
    assert_eq!(answer, Answer::Already { by: Some("lin".into()) });
    assert_eq!((after, effects), (standing, Vec::new()));
}

#[test]
fn a_button_of_an_earlier_answer_is_void_whatever_it_says() {
    let (standing, _) = opened(ladder(), "critical");
    let drawn = standing.epoch;
    let (standing, _) = done(standing, "lin", &Action::Acknowledge, 1);
    let hand_over = Action::HandOver { to: "otto".into() };
    for action in
        [Action::Acknowledge, Action::Escalate, Action::Resolve, snooze(5), Action::Unacknowledge, hand_over]
    {
        let late = act(standing.clone(), &action, &person("mara"), Some(drawn), &EVERYBODY, at(2));
        assert_eq!(late, (standing.clone(), Vec::new(), Answer::Outdated { by: Some("lin".into()) }));
    }
    let fresh =
        act(standing.clone(), &Action::Resolve, &person("mara"), Some(standing.epoch), &EVERYBODY, at(2));
    assert_eq!(fresh.2, Answer::Done);
}

#[test]
fn a_resolve_beats_a_late_acknowledge_and_everything_else() {
    let standing = acknowledged(None);
    let (recovered, _) = tell(standing.clone(), vec![resolved(1)], 2);
    let (closed, _) = done(standing, "mara", &Action::Resolve, 2);
    for over in [recovered, closed] {
        let silence = Action::Silence { span: SignedDuration::from_mins(5) };
        for action in [Action::Acknowledge, Action::Unacknowledge, Action::Escalate, snooze(5), silence] {
            for epoch in [None, Some(over.epoch), Some(0)] {
                let late = act(over.clone(), &action, &person("lin"), epoch, &EVERYBODY, at(3));
                assert_eq!(late, (over.clone(), Vec::new(), Answer::Over));
            }
        }
    }
}

#[test]
fn taken_back_the_ladder_starts_over_after_ten_seconds() {
    let (standing, effects) = done(acknowledged(None), "lin", &Action::Unacknowledge, 2);
    assert_eq!((standing.phase(), standing.holder()), (Phase::Triggered, None));
    assert_eq!(standing.due_at, Some(at(2) + SignedDuration::from_secs(10)));
    assert!(pages(&effects).is_empty());
    assert_eq!(heard(standing, 2, 9).1, ["3 lin@app", "6 mara@phone", "9 lin@app"]);
}

#[test]
fn a_slip_of_the_finger_pages_nobody() {
    let (standing, _) = done(acknowledged(None), "lin", &Action::Unacknowledge, 2);
    let (standing, effects) = done(standing, "lin", &Action::Acknowledge, 2);
    assert!(pages(&effects).is_empty());
    assert_eq!(heard(standing, 2, 60).1, Vec::<String>::new());
}

#[test]
fn what_nobody_has_cannot_be_taken_back() {
    let (standing, _) = opened(ladder(), "critical");
    let answer = does(standing.clone(), "lin", &Action::Unacknowledge, 1);
    assert_eq!(answer, (standing, Vec::new(), Answer::Already { by: None }));
}

#[test]
fn an_acknowledge_is_reminded_at_three_quarters_and_lapses_into_the_first_step() {
    let standing = acknowledged(Some(SignedDuration::from_mins(40)));
    let (standing, early) = heard(standing, 1, 30);
    let (standing, effects) = tick(standing, 31);
    assert!(early.is_empty() && pages(&effects).is_empty());
    assert!(effects.contains(&Effect::Remind { name: "lin".into() }));
    assert!(effects.contains(&Effect::Note(Happening::Reminded { by: "lin".into() })));
    assert_eq!((standing.phase(), standing.due_at), (Phase::Acknowledged, Some(at(41))));
    let epoch = standing.epoch;
    let (standing, effects) = tick(standing, 41);
    assert!(effects.contains(&Effect::Note(Happening::AcknowledgeExpired { by: "lin".into() })));
    assert_eq!((standing.phase(), standing.epoch), (Phase::Triggered, epoch + 1));
    assert_eq!(pages(&effects), ["lin@app"]);
    assert_eq!(heard(standing, 42, 45).1, ["44 mara@phone"]);
}

#[test]
fn after_downtime_an_acknowledge_lapses_without_a_reminder() {
    let (standing, effects) = tick(acknowledged(Some(SignedDuration::from_mins(40))), 600);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Remind { .. })));
    assert_eq!((pages(&effects), standing.due_at), (vec!["lin@app".to_owned()], Some(at(603))));
}

#[test]
fn a_snooze_ends_in_the_first_step_while_it_fires() {
    let (standing, _) = opened(ladder(), "critical");
    let (standing, effects) = done(standing, "lin", &snooze(60), 1);
    assert!(effects.contains(&Effect::Unpin { keep: None }));
    assert_eq!((standing.phase(), standing.holder()), (Phase::Snoozed, Some("lin")));
    assert_eq!(heard(standing, 2, 64).1, ["61 lin@app", "64 mara@phone"]);
}

#[test]
fn what_recovers_while_it_is_snoozed_stays_quiet() {
    let (standing, _) = done(opened(ladder(), "critical").0, "lin", &snooze(60), 1);
    let (standing, _) = tell(standing, vec![resolved(1)], 30);
    assert_eq!(tick(standing.clone(), 61), (standing, Vec::new()));
}

#[test]
fn a_snoozed_incident_can_be_acknowledged_and_woken() {
    let (standing, _) = done(opened(ladder(), "critical").0, "lin", &snooze(60), 1);
    let (taken, _) = done(standing.clone(), "mara", &Action::Acknowledge, 2);
    assert_eq!((taken.holder(), heard(taken.clone(), 3, 200).1.len()), (Some("mara"), 0));
    let (woken, _) = done(standing, "mara", &Action::Unacknowledge, 2);
    assert_eq!(heard(woken, 2, 4).1, ["3 lin@app"]);
}

#[test]
fn an_end_that_a_person_declared_outlives_repeats_for_a_day_but_not_news() {
    let (standing, effects) = done(opened(ladder(), "critical").0, "lin", &Action::Resolve, 1);
    assert!(effects.contains(&Effect::Unpin { keep: None }) && effects.contains(&Effect::Refresh));
    assert_eq!((standing.phase(), standing.holder()), (Phase::Resolved, Some("lin")));
    let none = SignedDuration::ZERO;
    assert!(takes(&standing, none, at(1 + 24 * 60)) && !takes(&standing, none, at(2 + 24 * 60)));
    let (standing, effects) = tell(standing, vec![firing(1, "critical")], 700);
    assert_eq!((standing.is_open(), effects), (false, Vec::new()));
    let (standing, effects) = tell(standing, vec![firing(1, "critical"), firing(2, "critical")], 701);
    assert_eq!((standing.reopens, pages(&effects)), (1, vec!["lin@phone".to_owned()]));
}

#[test]
fn an_end_that_a_person_declared_holds_no_longer_than_any_once_all_has_recovered() {
    let (standing, _) = done(opened(ladder(), "critical").0, "lin", &Action::Resolve, 1);
    let (standing, _) = tell(standing, vec![resolved(1)], 5);
    assert!(!takes(&standing, SignedDuration::from_mins(10), at(12)));
}

#[test]
fn a_rise_wakes_whoever_settled_it_only_when_it_crosses_into_a_call() {
    let quiet = |action: &Action, level: &str| done(opened(ladder(), level).0, "lin", action, 1).0;
    for action in [Action::Acknowledge, snooze(60)] {
        for (before, after, expected) in [
            ("warning", "critical", vec!["lin@app"]),
            ("info", "warning", vec![]),
            ("info", "critical", vec!["lin@app"]),
        ] {
            let standing = quiet(&action, before);
            let epoch = standing.epoch;
            let (standing, effects) = tell(standing, vec![firing(2, after)], 2);
            assert_eq!(pages(&effects), expected, "{action:?} {before} {after}");
            assert_eq!(standing.may_page(), !expected.is_empty());
            assert_eq!(standing.epoch, epoch + u64::from(!expected.is_empty()));
            assert_eq!(standing.severity.name, after);
        }
    }
}

#[test]
fn a_late_copy_of_a_worse_alert_raises_nothing() {
    let (standing, _) = opened(ladder(), "warning");
    let (standing, _) = tell(standing, vec![firing(2, "warning")], 1);
    let (standing, _) = tell(standing, vec![resolved(2)], 2);
    let news = vec![firing(2, "critical"), firing(3, "warning")];
    let (standing, effects) = tell(standing, news, 2);
    assert_eq!((standing.severity.name.as_str(), pages(&effects).len()), ("warning", 0));
}

#[test]
fn escalated_the_next_rung_is_paged_at_once_whoever_has_it() {
    let open = opened(ladder(), "critical").0;
    let taken = done(open.clone(), "lin", &Action::Acknowledge, 1).0;
    let asleep = done(open.clone(), "lin", &snooze(60), 1).0;
    for standing in [open, taken, asleep] {
        let epoch = standing.epoch;
        let (standing, effects) = done(standing, "lin", &Action::Escalate, 2);
        assert_eq!(pages(&effects), ["mara@phone"]);
        assert_eq!((standing.phase(), standing.epoch), (Phase::Triggered, epoch + 1));
        assert_eq!(heard(standing, 3, 8).1, ["5 lin@app", "8 mara@phone"]);
    }
}

#[test]
fn escalated_beyond_the_last_rung_the_catch_all_is_paged() {
    let team = Team { absent: Vec::new(), last: vec!["otto"] };
    let (standing, _) = opened(one_step(), "critical");
    let taken = done(standing.clone(), "lin", &Action::Acknowledge, 1).0;
    for standing in [standing, taken] {
        let (standing, effects, answer) =
            act(standing, &Action::Escalate, &person("lin"), None, &team, at(2));
        assert_eq!((answer, pages(&effects)), (Answer::Done, vec!["otto@phone".to_owned()]));
        assert_eq!((standing.ladder, standing.due_at), (Ladder::Exhausted, Some(at(22))));
        let (again, effects, _) = act(standing, &Action::Escalate, &person("lin"), None, &team, at(3));
        assert_eq!((again.catch_alls, pages(&effects).len()), (2, 1));
    }
}

#[test]
fn handed_over_it_is_theirs_and_they_are_told() {
    let (standing, _) = opened(ladder(), "critical");
    let to = || Action::HandOver { to: "otto".into() };
    let (standing, effects) = done(standing, "lin", &to(), 1);
    assert_eq!(standing.holder(), Some("otto"));
    assert!(standing.paged.contains("otto"));
    assert!(effects.contains(&Effect::Remind { name: "otto".into() }));
    assert!(effects.contains(&Effect::Unpin { keep: Some("otto".into()) }));
    let (standing, _) = done(standing, "otto", &Action::HandOver { to: "lin".into() }, 2);
    assert_eq!((standing.holder(), heard(standing.clone(), 3, 99).1.len()), (Some("lin"), 0));
    let unknown = act(standing.clone(), &to(), &person("lin"), None, &without(&["otto"]), at(3));
    assert_eq!(unknown, (standing, Vec::new(), Answer::Impossible { why: "unknown_person" }));
}

#[test]
fn where_only_the_people_paged_may_answer_others_may_still_call_for_help() {
    let (mut standing, _) = opened(ladder(), "critical");
    standing.severity.acknowledge_by_targets = true;
    let hand_over = Action::HandOver { to: "mara".into() };
    let silence = Action::Silence { span: SignedDuration::from_mins(5) };
    for action in [Action::Acknowledge, Action::Resolve, snooze(5), hand_over, silence] {
        let refused = does(standing.clone(), "otto", &action, 1);
        assert_eq!(refused, (standing.clone(), Vec::new(), Answer::NotAllowed));
        assert_eq!(does(standing.clone(), "lin", &action, 1).2, Answer::Done);
    }
    assert_eq!(does(standing, "otto", &Action::Escalate, 1).2, Answer::Done);
}

#[test]
fn a_silence_is_asked_for_and_holds_as_a_snooze_does() {
    let silence = Action::Silence { span: SignedDuration::from_mins(30) };
    let (standing, effects) = done(opened(ladder(), "critical").0, "lin", &silence, 1);
    assert!(effects.contains(&Effect::Silence { until: at(31), by: "lin".into() }));
    assert_eq!((standing.phase(), standing.due_at), (Phase::Snoozed, Some(at(31))));
    // What recovered under it was told to nobody: it is asked about first.
    let (standing, paged) = heard(standing, 2, 31);
    assert_eq!((paged.len(), standing.firing(), standing.due_at), (0, 0, Some(at(91))));
    let (standing, _) = tell(standing, vec![firing(1, "critical")], 32);
    assert_eq!(heard(standing, 32, 32).1, ["32 lin@app"]);
}

#[test]
fn silences_end_when_somebody_wants_to_hear_of_it_again() {
    let silence = Action::Silence { span: SignedDuration::from_hours(1) };
    let ends = |action: &Action| {
        let (silenced, _) = done(opened(ladder(), "critical").0, "lin", &silence, 1);
        done(silenced, "mara", action, 2).1.contains(&Effect::EndSilence)
    };
    let table = [
        (Action::Unacknowledge, true),
        (Action::Escalate, true),
        (Action::Resolve, true),
        (Action::Acknowledge, false),
        (snooze(60), false),
        (silence.clone(), false),
    ];
    for (action, expected) in table {
        assert_eq!(ends(&action), expected, "{action:?}");
    }
    let (_, effects) = done(acknowledged(None), "lin", &Action::Unacknowledge, 2);
    assert!(!effects.contains(&Effect::EndSilence), "there was none");
}

#[test]
fn an_emoji_taken_off_takes_back_only_a_fresh_answer_of_its_own() {
    let off = |name: &str, seconds: i64| {
        let standing = acknowledged(None);
        let Response::Acknowledged { at, .. } = standing.response else { panic!("{standing:?}") };
        let actor = Actor { name: name.into(), known: true, via: Via::Reaction };
        let now = at + SignedDuration::from_secs(seconds);
        act(standing, &Action::Unacknowledge, &actor, None, &EVERYBODY, now).2
    };
    let outdated = Answer::Outdated { by: Some("lin".into()) };
    for (name, seconds, expected) in
        [("lin", 120, Answer::Done), ("lin", 121, outdated.clone()), ("mara", 1, outdated)]
    {
        assert_eq!(off(name, seconds), expected, "{name} after {seconds} s");
    }
}
