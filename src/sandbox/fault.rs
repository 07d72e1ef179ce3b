//! Faults that a test or a human injects: what goes wrong, with which call, how often.

use std::time::Duration;

use super::api::Api;
use super::refusal::Refusal;

/// Something that shall go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// With which call.
    pub api: Api,
    /// How often; `None`: until the faults are cleared.
    pub times: Option<u32>,
    /// What goes wrong.
    pub outcome: Outcome,
}

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Refused with this code and text, HTTP 400. Nothing happens.
    Code(i64, String),
    /// Answered with this status and a body that is no JSON. Nothing happens.
    Http(u16),
    /// Done at once, answered so many milliseconds of the machine's time later.
    Latency(u64),
    /// Done, and the connection breaks before the answer arrives.
    LostResponse,
    /// HTTP 429 with both headers. Nothing happens.
    RateLimited {
        /// Seconds until the next call is welcome.
        reset_s: u64,
    },
}

/// Faults that come by chance, with any call. The same seed and the same calls
/// give the same faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrest {
    /// Of a hundred calls so many go wrong.
    pub percent: u64,
    /// What may go wrong, each as likely as the others. Not empty.
    pub outcomes: Vec<Outcome>,
    /// Where chance begins.
    pub seed: u64,
}

impl Unrest {
    /// What goes wrong with the next call, if anything.
    fn next(&mut self) -> Option<&Outcome> {
        if self.chance() % 100 >= self.percent {
            return None;
        }
        let count = u64::try_from(self.outcomes.len()).unwrap_or(1).max(1);
        let at = usize::try_from(self.chance() % count).unwrap_or_default();
        self.outcomes.get(at)
    }

    /// Splitmix64, as Steele, Lea and Flood published it in 2014.
    fn chance(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// What the faults make of one call.
#[derive(Debug, Default)]
pub(super) struct Twist {
    /// Answer this instead of doing anything.
    pub(super) refusal: Option<Refusal>,
    /// Answer this bare status instead of doing anything.
    pub(super) bare: Option<u16>,
    /// Wait before answering.
    pub(super) delay: Duration,
    /// Break the connection instead of answering.
    pub(super) lose: bool,
}

impl Twist {
    /// Of the faults that prevent the call, only the first acts; delays and lost
    /// answers add to it. Whether it acts.
    fn take(&mut self, outcome: &Outcome) -> bool {
        let prevented = self.refusal.is_some() || self.bare.is_some();
        match outcome {
            Outcome::Latency(ms) => self.delay += Duration::from_millis(*ms),
            Outcome::LostResponse => self.lose = true,
            Outcome::Code(..) | Outcome::Http(_) | Outcome::RateLimited { .. } if prevented => return false,
            Outcome::Code(code, msg) => self.refusal = Some(Refusal::new(*code, msg)),
            Outcome::Http(status) => self.bare = Some(*status),
            Outcome::RateLimited { reset_s } => self.refusal = Some(Refusal::rate_limited(*reset_s)),
        }
        true
    }
}

/// Takes what applies to one call and counts it.
pub(super) fn strike(faults: &mut Vec<Fault>, unrest: Option<&mut Unrest>, api: Api) -> Twist {
    let mut twist = Twist::default();
    for fault in faults.iter_mut().filter(|f| f.api == api && f.times != Some(0)) {
        if twist.take(&fault.outcome) {
            fault.times = fault.times.map(|n| n.saturating_sub(1));
        }
    }
    faults.retain(|f| f.times != Some(0));
    if let Some(outcome) = unrest.and_then(Unrest::next) {
        twist.take(outcome);
    }
    twist
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_act_in_order_as_often_as_asked_and_on_their_call_only() {
        let code =
            |n| Fault { api: Api::Send, times: Some(n), outcome: Outcome::Code(230_002, "out".into()) };
        let mut faults = vec![code(2), Fault { api: Api::Send, times: Some(1), outcome: Outcome::Http(502) }];
        assert!(strike(&mut faults, None, Api::Reply).refusal.is_none());
        assert_eq!(strike(&mut faults, None, Api::Send).refusal.unwrap().code, 230_002);
        let second = strike(&mut faults, None, Api::Send);
        assert!(second.refusal.is_some() && second.bare.is_none());
        assert_eq!(strike(&mut faults, None, Api::Send).bare, Some(502));
        assert_eq!(faults, []);
    }

    #[test]
    fn unrest_strikes_as_often_as_asked_and_alike_each_time() {
        let outcomes = vec![Outcome::Http(502), Outcome::LostResponse];
        let strikes = || {
            let mut unrest = Unrest { percent: 20, outcomes: outcomes.clone(), seed: 7 };
            let twists = (0..1000).map(move |_| strike(&mut Vec::new(), Some(&mut unrest), Api::Send));
            twists.map(|twist| (twist.bare, twist.lose)).collect::<Vec<_>>()
        };
        let (bare, lost) =
            (strikes().iter().filter(|t| t.0.is_some()).count(), strikes().iter().filter(|t| t.1).count());
        assert!((70..130).contains(&bare) && (70..130).contains(&lost), "{bare} {lost}");
        assert_eq!(strikes(), strikes());
    }
}
