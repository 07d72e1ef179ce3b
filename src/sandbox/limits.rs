//! Counts calls in sliding windows, as Feishu's gateway and business limits do.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::api::Api;

/// Whether Feishu's rates are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limits {
    /// 50/s and 1000/min per call, 5/s per chat and person, 5/s per edited message.
    #[default]
    Feishu,
    /// Anything goes; for tests whose clock stands still.
    Off,
}

/// What a rate is counted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A call of one app.
    Call(String, Api),
    /// Messages into a chat (a person's conversation is one too).
    Chat(String),
    /// Changes of a message.
    Message(String),
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// The windows. Refused calls are not counted.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: BTreeMap<Subject, VecDeque<Timestamp>>,
}

impl Meter {
    /// Counts one, or says in how many seconds the next one is welcome.
    pub(super) fn admit(&mut self, subject: Subject, now: Timestamp) -> Result<(), u64> {
        let windows: &[(SignedDuration, usize)] = match &subject {
            Subject::Call(..) => &[(SECOND, 50), (MINUTE, 1000)],
            Subject::Chat(_) | Subject::Message(_) => &[(SECOND, 5)],
        };
        let keep = windows.iter().map(|(length, _)| *length).max().unwrap_or(SECOND);
        let seen = self.seen.entry(subject).or_default();
        while seen.front().is_some_and(|at| now.duration_since(*at) >= keep) {
            seen.pop_front();
        }
        for (length, most) in windows {
            let oldest_inside =
                seen.len().checked_sub(*most).and_then(|n| seen.get(n)).map(|at| now.duration_since(*at));
            if let Some(age) = oldest_inside.filter(|age| age < length) {
                let wait_ms = (*length - age).as_millis();
                return Err(u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1));
            }
        }
        seen.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn the_sixth_message_of_a_second_waits_for_the_first_to_age() {
        let mut meter = Meter::default();
        let chat = || Subject::Chat("oc_1".into());
        for ms in [0, 100, 200, 300, 400] {
            assert_eq!(meter.admit(chat(), at(ms)), Ok(()));
        }
        assert_eq!(meter.admit(chat(), at(999)), Err(1));
        assert_eq!(meter.admit(chat(), at(1000)), Ok(()));
        assert_eq!(meter.admit(chat(), at(1050)), Err(1));
        assert_eq!(meter.admit(Subject::Chat("oc_2".into()), at(1050)), Ok(()));
    }

    #[test]
    fn a_minute_of_calls_runs_out_even_below_fifty_a_second() {
        let mut meter = Meter::default();
        let call = || Subject::Call("cli_1".into(), Api::Send);
        let mut admitted = 0;
        let mut waits = Vec::new();
        for n in 0..1100 {
            match meter.admit(call(), at(n * 25)) {
                Ok(()) => admitted += 1,
                Err(wait) => waits.push(wait),
            }
        }
        assert_eq!(admitted, 1000);
        assert_eq!(waits.first(), Some(&35));
    }
}
