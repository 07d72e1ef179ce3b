//! What is admitted, as tables and over random callers.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::domain::ChatId;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

fn ms(at_: Timestamp) -> i64 {
    at_.as_millisecond() - 1_800_000_000_000
}

fn chat(n: u8) -> Target {
    Target::Place(Destination::Chat(ChatId(format!("oc_{n}"))))
}

fn ask(api: Api, urgent: Urgent) -> Ask<'static> {
    Ask { api, target: None, urgent }
}

fn pacer() -> Pacer {
    Pacer::new(Allowance::documented())
}

/// How many of the greediest are admitted at that moment.
fn drain(pacer: &mut Pacer, now: Timestamp, ask: &Ask<'_>) -> usize {
    (0..2000).take_while(|_| pacer.admit(now, ask) == Admission::Now).count()
}

/// Whoever is told to wait does so, until `until`; the instants of all calls.
fn greedy(pacer: &mut Pacer, from: i64, until: i64, ask: &Ask<'_>) -> Vec<i64> {
    let (mut now, mut made) = (at(from), Vec::new());
    while now < at(until) {
        match pacer.admit(now, ask) {
            Admission::Now => made.push(ms(now)),
            Admission::At(then) => {
                assert!(then > now, "it says when to come again");
                now = then;
            }
        }
    }
    made
}

#[test]
fn the_louder_the_more_of_a_second() {
    let table = [
        (Api::Send, Urgent::Phone, 50),
        (Api::Send, Urgent::Sms, 50),
        (Api::Reply, Urgent::App, 48),
        (Api::Send, Urgent::None, 45),
        (Api::EditCard, Urgent::None, 50),
        (Api::Pin, Urgent::None, 50),
    ];
    for (api, urgent, most) in table {
        assert_eq!(drain(&mut pacer(), at(0), &ask(api, urgent)), most, "{urgent} {}", api.as_str());
    }
}

#[test]
fn what_a_storm_leaves_of_a_minute_is_for_pages() {
    for (storm, left) in [(Urgent::None, 100), (Urgent::App, 40)] {
        let mut pacer = pacer();
        greedy(&mut pacer, 0, 50_000, &ask(Api::Send, storm));
        assert!(matches!(pacer.admit(at(50_000), &ask(Api::Send, storm)), Admission::At(_)));
        let pages = greedy(&mut pacer, 50_000, 59_000, &ask(Api::Send, Urgent::Phone));
        assert_eq!(pages.len(), left, "a storm of {storm}");
        assert_eq!(drain(&mut pacer, at(50_000), &ask(Api::Reply, Urgent::None)), 45, "another API");
    }
}

#[test]
fn at_least_95_percent_of_what_is_allowed_is_used() {
    for (urgent, allowed) in [(Urgent::Phone, 1000.0), (Urgent::App, 960.0), (Urgent::None, 900.0)] {
        let made = greedy(&mut pacer(), 0, 600_000, &ask(Api::Send, urgent)).len();
        let share = f64::from(u32::try_from(made).unwrap()) / (allowed * 10.0);
        assert!(share > 0.99, "{urgent}: {share}");
    }
    for urgent in [Urgent::Phone, Urgent::App] {
        let (to, mut pacer) = (chat(1), pacer());
        let made = greedy(&mut pacer, 0, 60_000, &Ask { target: Some(&to), ..ask(Api::Send, urgent) }).len();
        assert!(made > 5 * 60 * 96 / 100, "{urgent}: {made} in a minute");
    }
}

#[test]
fn a_page_is_let_into_a_busy_chat_within_half_a_second() {
    let to = chat(1);
    for moment in (10_000..12_000).step_by(37) {
        let mut pacer = pacer();
        greedy(&mut pacer, 0, moment, &Ask { target: Some(&to), ..ask(Api::Send, Urgent::App) });
        let page = Ask { target: Some(&to), ..ask(Api::Send, Urgent::Phone) };
        let line = Ask { api: Api::Reply, ..page };
        let mut now = at(moment);
        for ask in [page, line] {
            if let Admission::At(then) = pacer.admit(now, &ask) {
                now = then;
                assert_eq!(pacer.admit(now, &ask), Admission::Now);
            }
        }
        assert!(ms(now) - moment < 700, "card and line at {moment} take until {}", ms(now));
    }
}

#[test]
fn a_refusal_closes_the_api_to_all_and_leaves_the_others_alone() {
    let mut pacer = pacer();
    let to = chat(1);
    let send = Ask { target: Some(&to), ..ask(Api::Send, Urgent::None) };
    assert_eq!(pacer.admit(at(0), &send), Admission::Now);
    pacer.refused(at(0), &send, Limit::Api, Duration::from_secs(7));
    let page = ask(Api::Send, Urgent::Phone);
    assert_eq!(pacer.admit(at(7_199), &page), Admission::At(at(7_200)));
    assert_eq!(pacer.admit(at(7_199), &ask(Api::Reply, Urgent::None)), Admission::Now);
    assert_eq!(drain(&mut pacer, at(7_200), &page), 50, "once may be an accident");
    pacer.refused(at(8_000), &send, Limit::Api, Duration::from_secs(1));
    assert_eq!(drain(&mut pacer, at(9_300), &page), 37, "twice makes the rate a quarter smaller");
}

#[test]
fn a_refusal_at_a_chat_closes_that_chat_only() {
    let mut pacer = pacer();
    let (first, second) = (chat(1), chat(2));
    let to = |target| Ask { target: Some(target), ..ask(Api::Send, Urgent::Phone) };
    pacer.refused(at(0), &to(&first), Limit::Target, Duration::from_millis(300));
    assert_eq!(pacer.admit(at(10), &to(&first)), Admission::At(at(500)));
    assert_eq!(pacer.admit(at(10), &to(&second)), Admission::Now);
}

#[test]
fn answers_that_come_while_it_is_closed_make_it_no_slower() {
    let mut pacer = pacer();
    let send = ask(Api::Send, Urgent::Phone);
    for late in 0..30 {
        pacer.refused(at(late), &send, Limit::Api, Duration::from_secs(1));
    }
    assert_eq!(drain(&mut pacer, at(2_000), &send), 50);
}

/// A tenant that lets through only so many a minute, whatever the documents say.
#[test]
fn a_slower_tenant_is_found_out_and_recovered_from() {
    let (mut pacer, send) = (pacer(), ask(Api::Send, Urgent::Phone));
    let (mut now, mut granted, mut refused) = (at(0), VecDeque::new(), Vec::new());
    while now < at(3_600_000) {
        match pacer.admit(now, &send) {
            Admission::At(then) => now = then,
            Admission::Now => {
                while granted.front().is_some_and(|call| after(*call, SignedDuration::from_mins(1)) <= now) {
                    granted.pop_front();
                }
                if granted.len() < 300 {
                    granted.push_back(now);
                } else {
                    refused.push(ms(now));
                    pacer.refused(now, &send, Limit::Api, Duration::from_secs(1));
                }
            }
        }
    }
    let late = refused.iter().filter(|at| **at > 600_000).count();
    assert!(late < 300 * 50 / 100, "{late} refusals in 50 minutes, below 1 %");
    // The tenant is generous again.
    let made = greedy(&mut pacer, 3_600_000, 3_600_000 + 1_800_000, &send);
    let last = made.iter().filter(|at| **at > 3_600_000 + 1_740_000).count();
    assert!(last > 990, "{last} calls in the last minute");
}

#[test]
fn a_booked_call_is_counted_once() {
    let (mut pacer, send) = (pacer(), ask(Api::Send, Urgent::Phone));
    assert_eq!(pacer.book(at(0), JobId(7), &send), Admission::Now);
    assert_eq!(drain(&mut pacer, at(0), &send), 49);
    let reply = ask(Api::Reply, Urgent::Phone);
    assert_eq!(pacer.admit_for(at(0), JobId(7), &reply), Admission::Now, "counted by itself");
    assert_eq!(pacer.admit_for(at(0), JobId(7), &send), Admission::Now);
    assert_eq!(pacer.admit_for(at(0), JobId(7), &send), Admission::At(at(1_040)), "that was another");
    assert_eq!(pacer.book(at(2_000), JobId(8), &send), Admission::Now);
    pacer.finish(JobId(8));
    assert!(pacer.booked.is_empty());
    assert_eq!(drain(&mut pacer, at(3_000), &send), 50, "it was not made");
}

#[test]
fn a_booked_call_counts_from_when_it_is_made() {
    let (mut pacer, send) = (pacer(), ask(Api::Send, Urgent::Phone));
    for job in 0..50 {
        assert_eq!(pacer.book(at(0), JobId(job), &send), Admission::Now);
    }
    assert!(matches!(pacer.admit(at(5_000), &send), Admission::At(_)), "none is made yet");
    for job in 0..50 {
        assert_eq!(pacer.admit_for(at(5_000), JobId(job), &send), Admission::Now);
    }
    assert_eq!(pacer.admit(at(5_500), &send), Admission::At(at(6_040)));
}

#[test]
fn a_clock_that_is_set_back_blocks_nothing() {
    let (mut pacer, send) = (pacer(), ask(Api::Send, Urgent::Phone));
    drain(&mut pacer, at(3_600_000), &send);
    assert_eq!(pacer.admit(at(0), &send), Admission::At(at(1_040)));
    assert_eq!(drain(&mut pacer, at(1_040), &send), 50);
}

#[test]
fn an_allowance_is_divided() {
    let second = |calls| Rate { calls, within: SignedDuration::from_secs(1) };
    let third = Allowance::documented().shared_by(3);
    assert_eq!(third.api, [second(16), Rate { calls: 333, within: SignedDuration::from_mins(1) }]);
    assert_eq!(third.target, [second(1)]);
    let tenth = Allowance::documented().shared_by(10);
    assert_eq!(tenth.target, [Rate { calls: 1, within: SignedDuration::from_secs(2) }]);
    assert_eq!(Allowance::documented().shared_by(0), Allowance::documented());
}

#[test]
fn openings_say_what_would_be_admitted() {
    let (mut pacer, to) = (pacer(), chat(1));
    let card = Ask { target: Some(&to), ..ask(Api::Send, Urgent::App) };
    assert_eq!(pacer.openings(at(0)).next, None);
    assert_eq!(drain(&mut pacer, at(0), &card), 3, "then it spreads out");
    let open = pacer.openings(at(0));
    let Target::Place(place) = &to else { unreachable!() };
    assert_eq!(open.places[place], Headroom { loud: 2, app: 0, rest: 0 });
    assert_eq!(open.place, Headroom { loud: 5, app: 3, rest: 3 });
    assert_eq!(open.apis[&Api::Send], Headroom { loud: 47, app: 45, rest: 42 });
    assert_eq!(open.api, Headroom { loud: 50, app: 48, rest: 45 });
    assert_eq!(open.next, Some(at(156)));
    let much_later = pacer.openings(at(70_000));
    assert!(much_later.places.is_empty() && much_later.next.is_none());
}

#[derive(Debug, Clone)]
enum Op {
    Ask {
        api: u8,
        chat: u8,
        urgent: u8,
        booked: bool,
    },
    /// The oldest job that has booked makes its call, or ends without.
    Go {
        makes_it: bool,
    },
    Refused {
        chat: u8,
        whole_api: bool,
    },
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => (0..2_u8, 0..3_u8, 0..4_u8, any::<bool>())
            .prop_map(|(api, chat, urgent, booked)| Op::Ask { api, chat, urgent, booked }),
        16 => prop::bool::weighted(0.9).prop_map(|makes_it| Op::Go { makes_it }),
        1 => (0..3_u8, any::<bool>()).prop_map(|(chat, whole_api)| Op::Refused { chat, whole_api }),
        6 => (0..400_i64).prop_map(Op::Wait),
        1 => (1_000..30_000_i64).prop_map(Op::Wait),
    ]
}

/// Each is at least `within_ms` after the one `most` before it.
fn never_above(calls: &[i64], most: usize, within_ms: i64) {
    for (earlier, later) in calls.iter().zip(calls.iter().skip(most)) {
        assert!(later - earlier >= within_ms, "{most} in {within_ms} ms: {earlier} … {later}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_window_ever_holds_more_than_is_allowed(
        ops in prop::collection::vec(op(), 1..3000),
        processes in 1_u32..4,
    ) {
        let mut pacer = Pacer::new(Allowance::documented().shared_by(processes));
        let (mut now, mut by_api, mut by_chat) = (0, vec![Vec::new(); 2], vec![Vec::new(); 3]);
        let mut jobs = VecDeque::new();
        for (step, op) in ops.into_iter().enumerate() {
            match op {
                Op::Wait(ms) => now += ms,
                Op::Refused { chat: n, whole_api } => {
                    let to = chat(n);
                    let limit = if whole_api { Limit::Api } else { Limit::Target };
                    let ask = Ask { target: Some(&to), ..ask(Api::Send, Urgent::None) };
                    pacer.refused(at(now), &ask, limit, Duration::from_secs(1));
                }
                Op::Go { makes_it } => {
                    let Some((job, api, n, urgent)) = jobs.pop_front() else { continue };
                    let to = chat(n);
                    let ask = Ask { api: [Api::Send, Api::Reply][usize::from(api)], target: Some(&to), urgent };
                    if makes_it {
                        prop_assert_eq!(pacer.admit_for(at(now), job, &ask), Admission::Now);
                        by_api[usize::from(api)].push(now);
                        by_chat[usize::from(n)].push(now);
                    }
                    pacer.finish(job);
                }
                Op::Ask { api, chat: n, urgent, booked } => {
                    let to = chat(n);
                    let which = [Api::Send, Api::Reply][usize::from(api)];
                    let urgent = Urgent::ALL[usize::from(urgent)];
                    let open = pacer.openings(at(now));
                    let Target::Place(place) = &to else { unreachable!() };
                    let place = open.places.get(place).unwrap_or(&open.place).of(urgent);
                    let room = open.apis.get(&which).unwrap_or(&open.api).of(urgent).min(place);
                    let ask = Ask { api: which, target: Some(&to), urgent };
                    let job = JobId(i64::try_from(step).unwrap());
                    let admission =
                        if booked { pacer.book(at(now), job, &ask) } else { pacer.admit(at(now), &ask) };
                    prop_assert_eq!(admission == Admission::Now, room > 0, "openings and admissions agree");
                    match admission {
                        Admission::Now if booked => jobs.push_back((job, api, n, urgent)),
                        Admission::Now => {
                            by_api[usize::from(api)].push(now);
                            by_chat[usize::from(n)].push(now);
                        }
                        Admission::At(then) => prop_assert!(then > at(now)),
                    }
                }
            }
        }
        let part = |calls: usize| calls / usize::try_from(processes).unwrap();
        for calls in &by_api {
            never_above(calls, part(50), 1000);
            never_above(calls, part(1000), 60_000);
        }
        for calls in &by_chat {
            never_above(calls, part(5), 1000);
        }
    }
}
