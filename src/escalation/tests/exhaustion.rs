//! When nobody answers: the last resort, again and again.

use super::*;

/// Nobody absent, otto behind the catch-all, every twenty minutes.
fn backed() -> Team {
    Team { absent: Vec::new(), last: vec!["otto"] }
}

/// What is paged minute by minute up to one, as `minute who@how`, and the end.
fn story(policy: Policy, level: &str, team: &Team, to: i64) -> (Standing, Vec<String>) {
    let observation = Observation { policy, ..seen(vec![firing(1, level)]) };
    let (mut standing, effects) = open(&observation, team, at(0)).unwrap();
    let mut heard: Vec<String> = pages(&effects).into_iter().map(|page| format!("0 {page}")).collect();
    for minute in 1..=to {
        let (next, effects) = advance(standing, &Event::Tick, team, at(minute));
        heard.extend(pages(&effects).into_iter().map(|page| format!("{minute} {page}")));
        standing = next;
    }
    (standing, heard)
}

#[test]
fn the_catch_all_is_paged_as_often_as_the_rules_say_until_somebody_answers() {
    let short = Policy { repeat: 0, ..ladder() };
    let (standing, heard) = story(short, "critical", &backed(), 50);
    assert_eq!(heard, ["0 lin@app", "3 mara@phone", "6 otto@phone", "26 otto@phone", "46 otto@phone"]);
    assert_eq!((standing.ladder, standing.catch_alls), (Ladder::Exhausted, 3));
    assert!(standing.paged.contains("otto"));
    let otto = Actor { name: "otto".into(), known: true, via: Via::Api };
    let (standing, _, _) = act(standing, &Action::Acknowledge, &otto, None, &backed(), at(51));
    assert_eq!(tick(standing.clone(), 5_000), (standing, Vec::new()));
}

#[test]
fn it_is_noted_once_that_the_ladder_is_used_up_and_each_time_who_was_paged() {
    let (standing, _) = story(one_step(), "critical", &backed(), 19);
    let (standing, effects) = advance(standing, &Event::Tick, &backed(), at(20));
    let paged = |times| {
        Effect::Note(Happening::CatchAll { times, urgent: Urgent::Phone, people: vec!["otto".into()] })
    };
    assert!(effects.contains(&Effect::Note(Happening::Exhausted)) && effects.contains(&paged(1)));
    let (_, effects) = advance(standing, &Event::Tick, &backed(), at(40));
    assert!(!effects.contains(&Effect::Note(Happening::Exhausted)) && effects.contains(&paged(2)));
}

#[test]
fn without_a_catch_all_the_last_people_are_paged_every_half_hour() {
    let (_, heard) = story(one_step(), "warning", &EVERYBODY, 65);
    assert_eq!(heard, ["0 lin@app", "30 lin@app", "60 lin@app"]);
}

#[test]
fn a_catch_all_with_nobody_behind_it_falls_back_on_the_last_people() {
    let team = Team { absent: vec!["otto"], last: vec!["otto"] };
    let (_, heard) = story(Policy { repeat: 0, ..ladder() }, "critical", &team, 26);
    assert_eq!(heard, ["0 lin@app", "3 mara@phone", "6 mara@phone", "26 mara@phone"]);
}

#[test]
fn when_every_step_is_empty_the_catch_all_is_paged_at_once() {
    let team = Team { absent: vec!["lin", "mara"], last: vec!["otto"] };
    let (standing, heard) = story(ladder(), "critical", &team, 20);
    assert_eq!(heard, ["0 otto@phone", "20 otto@phone"]);
    assert_eq!((standing.ladder, standing.last_step), (Ladder::Exhausted, None));
}

#[test]
fn when_nobody_is_left_at_all_it_keeps_asking_and_finds_whoever_comes_back() {
    let nobody = without(&["lin", "mara"]);
    let (standing, heard) = story(ladder(), "critical", &nobody, 40);
    assert_eq!((heard, standing.catch_alls), (Vec::<String>::new(), 0));
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Exhausted, Some(at(60))));
    assert_eq!(pages(&tick(standing, 60).1), ["mara@phone"]);
}

#[test]
fn a_severity_that_buzzes_nobody_is_not_repeated() {
    let (standing, heard) = story(one_step(), "info", &backed(), 200);
    assert_eq!(heard, ["0 lin@none"]);
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Idle, None));
    let team = Team { absent: vec!["lin"], last: vec!["otto"] };
    assert_eq!(story(one_step(), "info", &team, 200).1, ["0 otto@none"]);
}

#[test]
fn what_was_quiet_and_used_up_starts_over_when_it_gets_loud() {
    let (standing, _) = story(one_step(), "info", &backed(), 5);
    let (standing, effects) = advance(
        standing,
        &Event::Observed(seen(vec![firing(1, "info"), firing(2, "critical")])),
        &backed(),
        at(6),
    );
    assert_eq!((pages(&effects), standing.due_at), (vec!["lin@phone".to_owned()], Some(at(26))));
}

#[test]
fn a_rise_at_the_end_of_the_ladder_rings_again_and_leaves_the_deadline() {
    let (standing, _) = story(one_step(), "warning", &backed(), 25);
    let due = standing.due_at;
    let (standing, effects) = tell(standing, vec![firing(2, "critical")], 26);
    assert_eq!((pages(&effects), standing.due_at), (vec!["lin@phone".to_owned()], due));
    assert_eq!(pages(&advance(standing, &Event::Tick, &backed(), at(40)).1), ["otto@phone"]);
}

#[test]
fn what_comes_back_counts_its_catch_alls_anew() {
    let (standing, _) = story(one_step(), "critical", &backed(), 45);
    assert_eq!(standing.catch_alls, 2);
    let (standing, _) = tell(standing, vec![resolved(1)], 46);
    let (standing, _) = tell(standing, vec![sighting(1, AlertStatus::Firing, 47, "critical")], 47);
    assert_eq!((standing.catch_alls, standing.ladder), (0, Ladder::Spent));
}

#[test]
fn listed_again_the_last_resort_is_paged_as_often_as_the_rules_say() {
    let (standing, _) = story(Policy { repeat: 0, ..ladder() }, "critical", &backed(), 7);
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Exhausted, Some(at(26))));
    let hushed = Event::Suppressed([Fingerprint(1)].into());
    let (standing, _) = advance(standing, &hushed, &backed(), at(8));
    assert!(matches!(standing.hold, Some(Hold::Unlisted { .. })));
    let again = Event::Observed(seen(vec![firing(1, "critical")]));
    let (standing, _) = advance(standing, &again, &backed(), at(10));
    assert_eq!((standing.hold, standing.due_at), (None, Some(at(30))));
}
