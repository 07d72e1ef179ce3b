//! What it means that Feishu refuses a long connection (feishu-api.md §8, §11).
//!
//! One table for the codes of the endpoint call, one rule for the handshake.
//! A code no row names needs somebody who can read it.

use crate::feishu::CallError;

/// Whether trying again by itself may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass: on with the schedule.
    Retry,
    /// It will not pass until somebody has done this.
    Stop(&'static str),
}

const CREDENTIALS: Verdict = Verdict::Stop(
    "check feishu.app_id, feishu.app_secret and feishu.base_url against the app's Credentials page in \
     Feishu's console",
);
const FORBIDDEN: Verdict = Verdict::Stop(
    "in Feishu's console, check that it is a self-built app that is released and enabled, and that events and \
     callbacks are subscribed through a long connection",
);
const CROWDED: Verdict = Verdict::Stop(
    "the app has 50 connections, the most there may be: stop other programs that use the same app, or give \
     larkhorn an app of its own",
);
const UNKNOWN: Verdict = Verdict::Stop(
    "look the code up in Feishu's documentation, or take feishu.events: http instead of long_connection",
);

/// Codes of the endpoint call's answer.
const ENDPOINT: [(i64, Verdict); 6] = [
    (1, Verdict::Retry),
    (1_000_040_343, Verdict::Retry),
    (403, FORBIDDEN),
    (514, CREDENTIALS),
    (1_000_040_344, CREDENTIALS),
    (CONNECTIONS_EXCEEDED, CROWDED),
];
const CONNECTIONS_EXCEEDED: i64 = 1_000_040_350;

/// Of the call that asks where to connect to. An answer with another status than
/// 200 says nothing about the app, whatever its code.
pub(super) fn of_call(error: &CallError) -> Verdict {
    match (error.http, error.code) {
        (Some(200), Some(code)) => {
            ENDPOINT.iter().find(|(known, _)| *known == code).map_or(UNKNOWN, |(_, verdict)| *verdict)
        }
        _ => Verdict::Retry,
    }
}

/// Of a refused handshake, by its headers `Handshake-Status` and
/// `Handshake-Autherrcode`. A ticket that was used up is refused this way too;
/// the next try brings a new one.
pub(super) fn of_handshake(status: Option<i64>, auth_code: Option<i64>) -> Verdict {
    match (status, auth_code) {
        (Some(514), Some(CONNECTIONS_EXCEEDED)) => CROWDED,
        (Some(403), _) => FORBIDDEN,
        _ => Verdict::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::Verdict as CallVerdict;

    #[test]
    fn every_code_of_the_endpoint_has_its_verdict() {
        for (http, code, verdict) in [
            (None, None, Verdict::Retry),
            (Some(200), None, Verdict::Retry),
            (Some(500), None, Verdict::Retry),
            (Some(429), Some(99_991_400), Verdict::Retry),
            (Some(503), Some(514), Verdict::Retry),
            (Some(200), Some(1), Verdict::Retry),
            (Some(200), Some(1_000_040_343), Verdict::Retry),
            (Some(200), Some(403), FORBIDDEN),
            (Some(200), Some(514), CREDENTIALS),
            (Some(200), Some(1_000_040_344), CREDENTIALS),
            (Some(200), Some(1_000_040_350), CROWDED),
            (Some(200), Some(10_014), UNKNOWN),
        ] {
            let error = CallError {
                api: "long_connection",
                http,
                code,
                message: String::new(),
                log_id: None,
                verdict: CallVerdict::GiveUp,
            };
            assert_eq!(of_call(&error), verdict, "{http:?} {code:?}");
        }
    }

    #[test]
    fn every_refusal_of_the_handshake_has_its_verdict() {
        for (status, auth_code, verdict) in [
            (Some(514), Some(1_000_040_350), CROWDED),
            (Some(514), Some(1_000_040_344), Verdict::Retry),
            (Some(514), None, Verdict::Retry),
            (Some(403), None, FORBIDDEN),
            (Some(403), Some(1_000_040_350), FORBIDDEN),
            (Some(500), None, Verdict::Retry),
            (None, Some(1_000_040_350), Verdict::Retry),
            (None, None, Verdict::Retry),
        ] {
            assert_eq!(of_handshake(status, auth_code), verdict, "{status:?} {auth_code:?}");
        }
    }
}
