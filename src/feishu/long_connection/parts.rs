//! Puts events together that come in several frames.
//!
//! The parts of an event share a `message_id`, say of how many (`sum`) they are
//! which (`seq`), and may come in any order. What is not whole after five
//! seconds is forgotten: it was never answered, so Feishu sends it again.
//! However much is begun and never ended, memory stays bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::frame::Frame;

/// How long the parts of an event may be apart.
const LIFETIME: Duration = Duration::from_secs(5);
/// Most parts of one event.
const PARTS_MAX: usize = 256;
/// Most events of which some parts are still to come.
const EVENTS_MAX: usize = 64;
/// Most that the parts of all of them may hold, in bytes.
const BYTES_MAX: usize = 8 << 20;

/// Why a part is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of an event is thrown away: {0}")]
pub(super) struct Misfit(&'static str);

/// Events of which some parts are still to come.
#[derive(Debug, Default)]
pub(super) struct Parts {
    begun: BTreeMap<String, Begun>,
}

#[derive(Debug)]
struct Begun {
    since: Instant,
    /// By `seq`.
    parts: Vec<Option<Vec<u8>>>,
}

impl Begun {
    fn bytes(&self) -> usize {
        self.parts.iter().flatten().map(Vec::len).sum()
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let parts: Option<Vec<&[u8]>> = self.parts.iter().map(Option::as_deref).collect();
        parts.map(|parts| parts.concat())
    }
}

impl Parts {
    /// The payload that a frame makes whole; `None` while parts are missing.
    pub(super) fn put(&mut self, frame: &mut Frame, now: Instant) -> Result<Option<Vec<u8>>, Misfit> {
        self.begun.retain(|_, begun| now.duration_since(begun.since) < LIFETIME);
        let payload = frame.payload.take().unwrap_or_default();
        let number = |key: &str, otherwise: usize| {
            frame.header(key).map_or(Ok(otherwise), |text| {
                text.parse().map_err(|_| Misfit("sum and seq are not both numbers"))
            })
        };
        let (sum, seq) = (number("sum", 1)?, number("seq", 0)?);
        if sum <= 1 {
            return Ok(Some(payload));
        }
        let id = frame.header("message_id").ok_or(Misfit("it names no message"))?;
        if sum > PARTS_MAX {
            return Err(Misfit("the event has too many parts"));
        }
        if seq >= sum {
            return Err(Misfit("seq is not below sum"));
        }
        let held: usize = self.begun.values().map(Begun::bytes).sum();
        let begins = !self.begun.contains_key(id);
        if held.saturating_add(payload.len()) > BYTES_MAX || (begins && self.begun.len() >= EVENTS_MAX) {
            return Err(Misfit("too much waits for its other parts"));
        }
        let fresh = || Begun { since: now, parts: vec![None; sum] };
        let begun = self.begun.entry(id.to_owned()).or_insert_with(fresh);
        if begun.parts.len() != sum {
            return Err(Misfit("the parts do not agree on how many they are"));
        }
        if let Some(place) = begun.parts.get_mut(seq) {
            *place = Some(payload);
        }
        let whole = begun.whole();
        if whole.is_some() {
            self.begun.remove(id);
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(id: &str, sum: usize, seq: usize, payload: &[u8]) -> Frame {
        let headers = [("message_id", id.to_owned()), ("sum", sum.to_string()), ("seq", seq.to_string())];
        Frame {
            headers: headers.map(|(key, value)| (key.to_owned(), value)).into(),
            payload: Some(payload.to_vec()),
            ..Frame::default()
        }
    }

    fn misfit(parts: &mut Parts, mut frame: Frame) -> &'static str {
        parts.put(&mut frame, Instant::now()).unwrap_err().0
    }

    #[test]
    fn parts_in_any_order_and_between_others_become_whole() {
        let (mut parts, now) = (Parts::default(), Instant::now());
        let mut put = |mut frame: Frame| parts.put(&mut frame, now).unwrap();
        assert_eq!(
            put(Frame { payload: Some(b"alone".to_vec()), ..Frame::default() }),
            Some(b"alone".to_vec())
        );
        assert_eq!(put(part("m", 1, 0, b"one")), Some(b"one".to_vec()));
        assert_eq!(put(part("a", 3, 2, b"c")), None);
        assert_eq!(put(part("b", 2, 0, b"x")), None);
        assert_eq!(put(part("a", 3, 0, b"")), None, "an empty part is a part");
        assert_eq!(put(part("a", 3, 0, b"a")), None, "the same one again");
        assert_eq!(put(part("b", 2, 1, b"y")), Some(b"xy".to_vec()));
        assert_eq!(put(part("a", 3, 1, b"b")), Some(b"abc".to_vec()));
        assert_eq!(put(part("a", 3, 1, b"b")), None, "what was whole begins anew");
    }

    #[test]
    fn what_is_not_whole_in_time_is_forgotten() {
        let (mut parts, now) = (Parts::default(), Instant::now());
        parts.put(&mut part("m", 2, 0, b"a"), now).unwrap();
        let late = now + LIFETIME;
        assert_eq!(parts.put(&mut part("m", 2, 1, b"b"), late), Ok(None));
        assert_eq!(parts.put(&mut part("m", 2, 0, b"a"), late + LIFETIME / 2), Ok(Some(b"ab".to_vec())));
        assert!(parts.begun.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_thrown_away_and_memory_stays_bounded() {
        let mut parts = Parts::default();
        assert_eq!(misfit(&mut parts, part("m", 2, 2, b"")), "seq is not below sum");
        assert_eq!(misfit(&mut parts, part("m", PARTS_MAX + 1, 0, b"")), "the event has too many parts");
        let mut unnamed = part("m", 2, 0, b"");
        unnamed.headers.remove(0);
        assert_eq!(misfit(&mut parts, unnamed), "it names no message");
        let mut odd = part("m", 2, 0, b"");
        odd.headers[1].1 = "-2".to_owned();
        assert_eq!(misfit(&mut parts, odd), "sum and seq are not both numbers");
        assert!(parts.put(&mut part("m", 2, 0, b""), Instant::now()).is_ok());
        let disagree = "the parts do not agree on how many they are";
        assert_eq!(misfit(&mut parts, part("m", 3, 2, b"")), disagree);
        let full = "too much waits for its other parts";
        assert_eq!(misfit(&mut parts, part("n", 2, 0, &vec![0; BYTES_MAX + 1])), full);
        for n in 1..EVENTS_MAX {
            assert!(parts.put(&mut part(&format!("m{n}"), 2, 0, b""), Instant::now()).is_ok());
        }
        assert_eq!(misfit(&mut parts, part("one more", 2, 0, b"")), full);
        assert_eq!(parts.begun.len(), EVENTS_MAX);
    }

    proptest! {
        #[test]
        fn every_cut_and_order_gives_the_event_back(
            event in proptest::collection::vec(any::<u8>(), 0..200),
            size in 1_usize..60,
            order in any::<u64>(),
        ) {
            let cut: Vec<&[u8]> = if event.is_empty() { vec![&[]] } else { event.chunks(size).collect() };
            let mut left: Vec<usize> = (0..cut.len()).collect();
            let (mut parts, now, mut last) = (Parts::default(), Instant::now(), None);
            while !left.is_empty() {
                let next = usize::try_from(order % 97).unwrap() % left.len();
                let seq = left.swap_remove(next);
                prop_assert_eq!(&last, &None);
                last = parts.put(&mut part("m", cut.len(), seq, cut[seq]), now).unwrap();
            }
            prop_assert_eq!(last, Some(event));
            prop_assert!(parts.begun.is_empty());
        }
    }
}
