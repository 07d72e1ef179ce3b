//! Stories of single incidents, on virtual time.

use super::*;
use crate::domain::{Action, Actor, Answer, ChatId, Contact, Days, Person, Phase, Ranks, Step, Via, When};

mod answers;
mod exhaustion;
mod holds;
mod laws;

/// Everybody the targets name, except the absent.
struct Team {
    absent: Vec<&'static str>,
    /// Who is paged when a ladder is used up; empty: nobody was named.
    last: Vec<&'static str>,
}

impl Roster for Team {
    fn recipients(&self, targets: &[Target], _now: Timestamp) -> Recipients {
        let mut found = Recipients::default();
        for target in targets {
            match target {
                Target::Person(name) if self.absent.contains(&name.as_str()) => {}
                Target::Person(name) => found
                    .people
                    .push(Person { name: name.clone(), contact: Contact::OpenId(format!("ou_{name}")) }),
                Target::Chat(name) => found.chats.push(ChatId(name.clone())),
                Target::Team(_) | Target::Schedule(_) => {}
            }
        }
        found
    }

    fn catch_all(&self, now: Timestamp) -> Option<CatchAll> {
        let targets: Vec<_> = self.last.iter().map(|name| Target::Person((*name).into())).collect();
        let every = SignedDuration::from_mins(20);
        (!targets.is_empty()).then(|| CatchAll { recipients: self.recipients(&targets, now), every })
    }

    /// The windows of these stories hold on their days, as UTC counts them.
    fn within(&self, window: &Window, now: Timestamp) -> bool {
        window.days.contains(now.to_zoned(jiff::tz::TimeZone::UTC).weekday())
    }
}

const EVERYBODY: Team = Team { absent: Vec::new(), last: Vec::new() };

/// Everybody but these.
fn without(absent: &[&'static str]) -> Team {
    Team { absent: absent.to_vec(), last: Vec::new() }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn severity(name: &str) -> Severity {
    let (rank, urgent) = match name {
        "critical" => (0, Urgent::Phone),
        "warning" => (1, Urgent::App),
        _ => (2, Urgent::None),
    };
    Severity {
        rank,
        name: name.into(),
        urgent,
        pin: rank == 0,
        ack_timeout: None,
        acknowledge_by_targets: false,
    }
}

fn step(wait_minutes: i64, person: &str, urgent: Option<Urgent>) -> Step {
    let notify = vec![Target::Person(person.into())];
    Step { wait: SignedDuration::from_mins(wait_minutes), notify, urgent, when: None }
}

fn one_step() -> Policy {
    Policy { steps: vec![step(0, "lin", None)], repeat: 0 }
}

fn ladder() -> Policy {
    Policy { steps: vec![step(0, "lin", Some(Urgent::App)), step(3, "mara", None)], repeat: 1 }
}

fn sighting(alert: u64, status: AlertStatus, started: i64, level: &str) -> Sighting {
    let (fingerprint, starts_at) = (Fingerprint(alert), Some(at(started)));
    Sighting { fingerprint, status, starts_at, ends_at: None, severity: severity(level) }
}

fn seen(sightings: Vec<Sighting>) -> Observation {
    Observation {
        sightings,
        listing: None,
        complete: false,
        policy: one_step(),
        group_wait: SignedDuration::ZERO,
        stale_after: SignedDuration::from_hours(1),
    }
}

fn firing(alert: u64, level: &str) -> Sighting {
    sighting(alert, AlertStatus::Firing, 0, level)
}

fn resolved(alert: u64) -> Sighting {
    sighting(alert, AlertStatus::Resolved, 0, "warning")
}

fn tell(standing: Standing, sightings: Vec<Sighting>, minute: i64) -> (Standing, Vec<Effect>) {
    advance(standing, &Event::Observed(seen(sightings)), &EVERYBODY, at(minute))
}

fn tick(standing: Standing, minute: i64) -> (Standing, Vec<Effect>) {
    advance(standing, &Event::Tick, &EVERYBODY, at(minute))
}

/// `lin@phone` for each page among the effects, the catch-all's too.
fn pages(effects: &[Effect]) -> Vec<String> {
    let mut pages = Vec::new();
    for effect in effects {
        if let Effect::Page { recipients, urgent, .. } | Effect::CatchAll { recipients, urgent } = effect {
            pages.extend(recipients.people.iter().map(|p| format!("{}@{urgent}", p.name)));
        }
    }
    pages
}

fn opened(policy: Policy, level: &str) -> (Standing, Vec<Effect>) {
    let observation = Observation { policy, ..seen(vec![firing(1, level)]) };
    open(&observation, &EVERYBODY, at(0)).unwrap()
}

#[test]
fn a_critical_alert_is_announced_and_rings_the_phone_at_once() {
    let (standing, effects) = opened(one_step(), "critical");
    assert!(effects.contains(&Effect::Announce));
    assert_eq!(pages(&effects), ["lin@phone"]);
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Spent, Some(at(30))));
}

#[test]
fn the_severity_is_the_ceiling_of_every_step() {
    assert_eq!(pages(&opened(one_step(), "warning").1), ["lin@app"]);
    assert_eq!(pages(&opened(one_step(), "info").1), ["lin@none"]);
}

#[test]
fn recovery_ends_it_and_a_late_tick_pages_nobody() {
    let (standing, _) = opened(ladder(), "critical");
    let (standing, effects) = tell(standing, vec![resolved(1)], 1);
    assert_eq!(standing.phase(), Phase::Resolved);
    assert!(effects.contains(&Effect::Refresh) && effects.contains(&Effect::Unpin { keep: None }));
    let (after, effects) = tick(standing.clone(), 60);
    assert_eq!((after, effects), (standing, Vec::new()));
}

#[test]
fn the_ladder_climbs_step_by_step_and_round_by_round_until_used_up() {
    let (mut standing, effects) = opened(ladder(), "critical");
    assert_eq!(pages(&effects), ["lin@app"]);
    let mut heard = Vec::new();
    for minute in 1..45 {
        let (next, effects) = tick(standing, minute);
        heard.extend(pages(&effects).into_iter().map(|page| format!("{minute} {page}")));
        standing = next;
    }
    assert_eq!(heard, ["3 mara@phone", "6 lin@app", "9 mara@phone", "12 mara@phone", "42 mara@phone"]);
    assert_eq!(standing.ladder, Ladder::Exhausted);
}

#[test]
fn after_downtime_one_overdue_step_runs_and_the_next_counts_from_now() {
    let (standing, _) = opened(ladder(), "critical");
    let (standing, effects) = tick(standing, 600);
    assert_eq!(pages(&effects), ["mara@phone"]);
    assert_eq!(standing.due_at, Some(at(603)));
}

#[test]
fn a_step_that_reaches_nobody_is_passed_over_at_once() {
    let observation = Observation { policy: ladder(), ..seen(vec![firing(1, "critical")]) };
    let (standing, effects) = open(&observation, &without(&["lin"]), at(0)).unwrap();
    assert_eq!(pages(&effects), ["mara@phone"]);
    assert_eq!(standing.last_step, Some((1, 0)));
}

#[test]
fn when_nobody_stands_behind_any_step_the_ladder_says_so() {
    let observation = Observation { policy: ladder(), ..seen(vec![firing(1, "critical")]) };
    let (standing, effects) = open(&observation, &without(&["lin", "mara"]), at(0)).unwrap();
    assert_eq!(standing.ladder, Ladder::Exhausted);
    assert!(effects.contains(&Effect::Announce) && effects.contains(&Effect::Note(Happening::Exhausted)));
}

#[test]
fn repeats_and_retries_are_no_news() {
    let (standing, _) = opened(one_step(), "critical");
    let (after, effects) = tell(standing.clone(), vec![firing(1, "critical")], 5);
    assert_eq!((after, effects), (standing, Vec::new()));
}

#[test]
fn a_new_member_refreshes_the_card_and_does_not_page_again() {
    let (standing, _) = opened(one_step(), "critical");
    let (standing, effects) = tell(standing, vec![firing(1, "critical"), firing(2, "critical")], 5);
    assert_eq!((standing.firing(), pages(&effects).len()), (2, 0));
    assert!(effects.contains(&Effect::Refresh));
}

#[test]
fn a_worse_member_pages_again_at_the_new_loudness() {
    let (standing, _) = opened(one_step(), "warning");
    let (standing, effects) = tell(standing, vec![firing(2, "critical")], 5);
    assert_eq!(pages(&effects), ["lin@phone"]);
    let (standing, _) = tell(standing, vec![resolved(2)], 6);
    assert_eq!(standing.severity.name, "critical", "never goes down while open");
}

#[test]
fn a_recovery_of_something_never_seen_opens_nothing() {
    assert_eq!(open(&seen(vec![resolved(1)]), &EVERYBODY, at(0)), None);
}

#[test]
fn old_news_is_ignored() {
    let fresh = sighting(1, AlertStatus::Firing, 10, "warning");
    let (standing, _) = open(&seen(vec![fresh]), &EVERYBODY, at(11)).unwrap();
    let (after, _) = tell(standing.clone(), vec![resolved(1)], 12);
    assert_eq!(after, standing, "the recovery of an earlier firing");
}

#[test]
fn a_late_copy_of_a_firing_does_not_reopen_but_a_lost_and_found_alert_does() {
    let (standing, _) = opened(one_step(), "critical");
    let (standing, _) = tell(standing, vec![resolved(1)], 5);
    let late =
        advance(standing.clone(), &Event::Observed(seen(vec![firing(1, "critical")])), &EVERYBODY, at(5));
    assert_eq!(late, (standing.clone(), Vec::new()));
    let (found, effects) = tell(standing, vec![firing(1, "critical")], 9);
    assert_eq!((found.reopens, pages(&effects)), (1, vec!["lin@phone".to_owned()]));
}

#[test]
fn a_flap_reopens_the_same_incident_from_the_first_step() {
    let (standing, _) = opened(ladder(), "critical");
    let (standing, _) = tick(standing, 3);
    let (standing, _) = tell(standing, vec![resolved(1)], 4);
    assert!(takes(&standing, SignedDuration::from_mins(10), at(14)));
    assert!(!takes(&standing, SignedDuration::from_mins(10), at(15)));
    let again = sighting(1, AlertStatus::Firing, 6, "critical");
    let (standing, effects) = tell(standing, vec![again], 6);
    assert_eq!((standing.reopens, standing.is_open()), (1, true));
    assert_eq!(pages(&effects), ["lin@phone"], "by the policy of now");
}

#[test]
fn what_clears_within_group_wait_is_never_announced() {
    let observation =
        Observation { group_wait: SignedDuration::from_mins(1), ..seen(vec![firing(1, "critical")]) };
    let (standing, effects) = open(&observation, &EVERYBODY, at(0)).unwrap();
    assert!(!effects.contains(&Effect::Announce));
    let (cleared, effects) = tell(standing.clone(), vec![resolved(1)], 0);
    assert_eq!(effects, [Effect::Note(Happening::Resolved)]);
    assert!(!cleared.is_open());
    let (_, effects) = tick(standing, 1);
    assert!(effects.contains(&Effect::Announce));
    assert_eq!(pages(&effects), ["lin@phone"]);
}

#[test]
fn a_rule_without_people_only_tells_the_chat() {
    let (standing, effects) = opened(Policy::default(), "critical");
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Idle, None));
    assert!(effects.contains(&Effect::Announce) && pages(&effects).is_empty());
}

#[test]
fn an_endless_wait_has_a_deadline_too() {
    let gathering = Observation { group_wait: SignedDuration::MAX, ..seen(vec![firing(1, "critical")]) };
    let (standing, _) = open(&gathering, &EVERYBODY, at(0)).unwrap();
    assert_eq!((standing.ladder, standing.due_at), (Ladder::Gathering, Some(Timestamp::MAX)));
}

fn conditional(when: When) -> Policy {
    let mut policy = ladder();
    policy.steps.insert(1, Step { when: Some(when), ..step(2, "otto", None) });
    policy
}

/// Who is paged at the opening, after two minutes and after five.
fn climbed(policy: Policy, level: &str, alerts: u64) -> Vec<Vec<String>> {
    let sightings = (0..alerts).map(|alert| firing(alert, level)).collect();
    let observation = Observation { policy, ..seen(sightings) };
    let (standing, effects) = open(&observation, &EVERYBODY, at(0)).unwrap();
    let mut all = vec![pages(&effects)];
    let (standing, effects) = tick(standing, 2);
    all.push(pages(&effects));
    all.push(pages(&tick(standing, 5).1));
    all
}

#[test]
fn a_step_whose_condition_does_not_hold_is_passed_over_at_once() {
    let loud = When { severity: Some(Ranks { loudest: 0, quietest: 0 }), ..When::default() };
    let many = When { firing: 3, ..When::default() };
    let today = at(2).to_zoned(jiff::tz::TimeZone::UTC).weekday();
    let window = |days| Window { hours: None, days, calendar: None, timezone: "UTC".into() };
    let now = When { window: Some(window(Days::default().with(today))), ..When::default() };
    let then = When { window: Some(window(Days::default().with(today.wrapping_add(1)))), ..When::default() };
    let all = When { severity: loud.severity, ..many.clone() };
    for (when, level, alerts, holds) in [
        (&loud, "critical", 1, true),
        (&loud, "warning", 1, false),
        (&many, "critical", 3, true),
        (&many, "critical", 2, false),
        (&now, "critical", 1, true),
        (&then, "critical", 1, false),
        (&all, "critical", 3, true),
        (&all, "critical", 1, false),
        (&all, "warning", 3, false),
    ] {
        let loudest = if level == "critical" { "phone" } else { "app" };
        let [otto, mara] = ["otto", "mara"].map(|name| vec![format!("{name}@{loudest}")]);
        let first = vec!["lin@app".to_owned()];
        let expected = if holds { [first, otto, mara] } else { [first, mara, vec!["lin@app".to_owned()]] };
        assert_eq!(climbed(conditional(when.clone()), level, alerts), expected, "{when:?} {level} {alerts}");
    }
}

#[test]
fn a_condition_that_does_not_hold_is_noted_and_leaves_the_ladder_waiting() {
    let policy = conditional(When { firing: 2, ..When::default() });
    let (standing, _) = opened(policy, "critical");
    let (standing, effects) = tick(standing, 2);
    assert!(effects.contains(&Effect::Note(Happening::StepSkipped { step: 1, round: 0 })));
    assert_eq!((standing.last_step, standing.ladder), (Some((2, 0)), Ladder::Waiting { step: 0, round: 1 }));
}

#[test]
fn a_rise_does_not_repeat_a_step_that_is_for_the_quiet_only() {
    let mut policy = one_step();
    policy.steps[0].when =
        Some(When { severity: Some(Ranks { loudest: 1, quietest: u16::MAX }), ..When::default() });
    let (standing, effects) = opened(policy, "warning");
    assert_eq!(pages(&effects), ["lin@app"]);
    let (_, effects) = tell(standing, vec![firing(2, "critical")], 1);
    assert_eq!(pages(&effects), Vec::<String>::new());
}

#[test]
fn a_ladder_that_never_may_run_is_used_up_at_once() {
    let never = When { firing: 9, ..When::default() };
    let policy = Policy { steps: vec![Step { when: Some(never), ..step(0, "lin", None) }], repeat: 3 };
    let (standing, effects) = opened(policy, "critical");
    assert_eq!((pages(&effects), standing.ladder), (vec!["lin@phone".to_owned()], Ladder::Exhausted));
    assert!(effects.contains(&Effect::Note(Happening::Exhausted)));
}
