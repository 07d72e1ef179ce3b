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

/// Takes what applies to one call and counts it. Of the faults that prevent the
/// call, only the first one injected acts; delays and lost answers add to it.
pub(super) fn strike(faults: &mut Vec<Fault>, api: Api) -> Twist {
    let mut twist = Twist::default();
    for fault in faults.iter_mut().filter(|f| f.api == api && f.times != Some(0)) {
        let prevented = twist.refusal.is_some() || twist.bare.is_some();
        match &fault.outcome {
            Outcome::Latency(ms) => twist.delay += Duration::from_millis(*ms),
            Outcome::LostResponse => twist.lose = true,
            Outcome::Code(..) | Outcome::Http(_) | Outcome::RateLimited { .. } if prevented => continue,
            Outcome::Code(code, msg) => twist.refusal = Some(Refusal::new(*code, msg)),
            Outcome::Http(status) => twist.bare = Some(*status),
            Outcome::RateLimited { reset_s } => twist.refusal = Some(Refusal::rate_limited(*reset_s)),
        }
        fault.times = fault.times.map(|n| n.saturating_sub(1));
    }
    faults.retain(|f| f.times != Some(0));
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
        assert!(strike(&mut faults, Api::Reply).refusal.is_none());
        assert_eq!(strike(&mut faults, Api::Send).refusal.unwrap().code, 230_002);
        let second = strike(&mut faults, Api::Send);
        assert!(second.refusal.is_some() && second.bare.is_none());
        assert_eq!(strike(&mut faults, Api::Send).bare, Some(502));
        assert_eq!(faults, []);
    }
}
