//! Whether Feishu as a whole can be reached and lets the app in, and which places take cards.
//!
//! In memory only: after a start nothing is known to fail yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::Destination;
use crate::feishu::{CallError, Verdict};

/// See the module.
#[derive(Debug, Default)]
pub struct Reach {
    feishu: Mutex<Known>,
    closed: Mutex<BTreeMap<Destination, Closed>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The first call since Feishu's last answer that failed.
    failing_since: Option<Timestamp>,
    /// Since when it has refused the app, and its last words.
    refused: Option<(Timestamp, String)>,
}

/// A place that refuses cards.
#[derive(Debug)]
struct Closed {
    since: Timestamp,
    last: Timestamp,
    why: String,
}

/// Places are tried every few minutes; one of which nothing was heard for so
/// long has no card to be posted any more.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(11);
/// So many of them are named.
const NAMED_MAX: usize = 3;

impl Reach {
    /// What came of a call. That a person or a chat is refused is an answer.
    pub fn hear(&self, answer: Result<(), &CallError>, now: Timestamp) {
        let mut known = self.feishu.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.map_err(|error| (error.verdict, error)) {
            Err((Verdict::NotYet(_), _)) => {}
            Err((Verdict::Unknown | Verdict::NotSent, _)) => {
                known.failing_since.get_or_insert(now);
            }
            Err((Verdict::Credentials, error)) => {
                known.failing_since.get_or_insert(now);
                let since = known.refused.as_ref().map_or(now, |(since, _)| *since);
                known.refused = Some((since, error.to_string()));
            }
            Ok(()) | Err(_) => *known = Known::default(),
        }
    }

    /// Whether every call has failed for so long.
    pub fn is_out(&self, span: SignedDuration, now: Timestamp) -> bool {
        let known = self.feishu.lock().unwrap_or_else(PoisonError::into_inner);
        known.failing_since.is_some_and(|since| now.duration_since(since) >= span)
    }

    /// A card cannot be posted there, and why.
    pub fn refuses(&self, place: &Destination, why: String, now: Timestamp) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let since = closed.get(place).map_or(now, |known| known.since);
        closed.insert(place.clone(), Closed { since, last: now, why });
    }

    /// A card was posted there.
    pub fn takes(&self, place: &Destination) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }

    /// Since when places refuse cards, and why, the first few by name.
    pub fn closed(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, known| now.duration_since(known.last) < FORGOTTEN);
        let since = closed.values().map(|known| known.since).min();
        let named = closed.iter().take(NAMED_MAX).map(|(place, known)| format!("{place}: {}", known.why));
        let more = closed.len().saturating_sub(NAMED_MAX);
        let words: Vec<String> = named.chain((more > 0).then(|| format!("+{more}"))).collect();
        drop(closed);
        Some((since?, words.join("; ")))
    }

    /// Since when Feishu refuses the app, and its words.
    pub fn refused(&self) -> Option<(Timestamp, String)> {
        self.feishu.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn failed(verdict: Verdict) -> CallError {
        let message = "app secret invalid".to_owned();
        CallError { api: "token", http: None, code: Some(10_014), message, log_id: None, verdict }
    }

    #[test]
    fn an_answer_of_any_kind_is_a_sign_of_life_but_a_closed_door_is_not() {
        let minute = SignedDuration::from_mins(1);
        for (verdict, is_out) in [
            (Verdict::Unknown, true),
            (Verdict::NotSent, true),
            (Verdict::Credentials, true),
            (Verdict::NotYet(at(0)), false),
            (Verdict::ChatGone, false),
            (Verdict::GiveUp, false),
        ] {
            let reach = Reach::default();
            assert!(!reach.is_out(minute, at(1000)), "nothing has failed yet");
            for second in [0, 30, 59] {
                reach.hear(Err(&failed(verdict)), at(second));
                assert!(!reach.is_out(minute, at(second)));
            }
            assert_eq!(reach.is_out(minute, at(60)), is_out, "{verdict:?}");
            reach.hear(Ok(()), at(60));
            assert!(!reach.is_out(minute, at(1000)), "{verdict:?}");
        }
    }

    #[test]
    fn who_refuses_the_app_is_quoted_since_the_first_time() {
        let reach = Reach::default();
        for second in [10, 20] {
            reach.hear(Err(&failed(Verdict::Credentials)), at(second));
        }
        reach.hear(Err(&failed(Verdict::NotSent)), at(30));
        let words = "token: 10014 app secret invalid".to_owned();
        assert_eq!(reach.refused(), Some((at(10), words)));
        reach.hear(Ok(()), at(40));
        assert_eq!(reach.refused(), None);
    }

    #[test]
    fn places_that_refuse_are_named_until_they_take_a_card_or_nothing_is_heard() {
        let place = |id: &str| Destination::Chat(crate::domain::ChatId(id.to_owned()));
        let reach = Reach::default();
        for (second, id) in [(0, "oc_b"), (5, "oc_a"), (300, "oc_b")] {
            reach.refuses(&place(id), format!("no at {second}"), at(second));
        }
        assert_eq!(reach.closed(at(300)), Some((at(0), "oc_a: no at 5; oc_b: no at 300".to_owned())));
        assert_eq!(reach.closed(at(700)), Some((at(0), "oc_b: no at 300".to_owned())));
        reach.takes(&place("oc_b"));
        assert_eq!(reach.closed(at(700)), None);
        for id in ["oc_1", "oc_2", "oc_3", "oc_4", "oc_5"] {
            reach.refuses(&place(id), "no".to_owned(), at(800));
        }
        assert!(reach.closed(at(800)).unwrap().1.ends_with("oc_3: no; +2"));
    }
}
