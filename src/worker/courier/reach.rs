//! Whether Feishu as a whole can be reached and lets the app in.
//!
//! In memory only: after a start nothing is known to fail yet.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::feishu::{CallError, Verdict};

/// See the module.
#[derive(Debug, Default)]
pub struct Reach(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The first call since Feishu's last answer that failed.
    failing_since: Option<Timestamp>,
    /// Since when it has refused the app, and its last words.
    refused: Option<(Timestamp, String)>,
}

impl Reach {
    /// What came of a call. That a person or a chat is refused is an answer.
    pub fn hear(&self, answer: Result<(), &CallError>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.failing_since.is_some_and(|since| now.duration_since(since) >= span)
    }

    /// Since when Feishu refuses the app, and its words.
    pub fn refused(&self) -> Option<(Timestamp, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
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
}
