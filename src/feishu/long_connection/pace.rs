//! How fast to ping, and when to connect again. Feishu says so with each
//! connection and with any pong.

use std::time::Duration;

use serde::Deserialize;

use super::verdict::Verdict;

/// Until the next try while only somebody's hands can help. A pager gives up
/// for good on nothing: a mended secret or a freed connection is found by itself.
const SLOW: Duration = Duration::from_mins(10);
/// The least pause, so that a peer that hangs up at once is not hammered.
const LEAST: Duration = Duration::from_millis(250);
/// Longer than this nobody may tell us to wait.
const LONGEST: Duration = Duration::from_hours(1);

/// What Feishu's `ClientConfig` says, made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two pings.
    pub ping: Duration,
    /// The first try to reconnect comes within this, at random.
    pub nonce: Duration,
    /// Between later tries.
    pub interval: Duration,
    /// How many tries; `None`: without end.
    pub tries: Option<u32>,
}

impl Default for Pace {
    /// Feishu's defaults.
    fn default() -> Self {
        Self {
            ping: Duration::from_mins(2),
            nonce: Duration::from_secs(30),
            interval: Duration::from_mins(2),
            tries: None,
        }
    }
}

/// Seconds, as Feishu writes them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ClientConfig {
    reconnect_count: Option<i64>,
    reconnect_interval: Option<i64>,
    reconnect_nonce: Option<i64>,
    ping_interval: Option<i64>,
}

impl Pace {
    /// With what a `ClientConfig` says; what is missing or makes no sense stays as
    /// it was.
    #[must_use]
    pub(super) fn told(self, config: &[u8]) -> Self {
        let config: ClientConfig = serde_json::from_slice(config).unwrap_or_default();
        let span = |seconds: Option<i64>, least: u64, otherwise: Duration| {
            let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let span = seconds.filter(|seconds| *seconds >= least).map(Duration::from_secs);
            span.map_or(otherwise, |span| span.min(LONGEST))
        };
        Self {
            ping: span(config.ping_interval, 1, self.ping),
            nonce: span(config.reconnect_nonce, 0, self.nonce),
            interval: span(config.reconnect_interval, 1, self.interval),
            tries: config.reconnect_count.map_or(self.tries, |tries| u32::try_from(tries).ok()),
        }
    }

    /// How long the peer may say nothing at all before it is taken for dead.
    pub(super) fn silence(&self) -> Duration {
        self.ping * 2
    }

    /// The pause before the next try, after so many tries in a row that failed
    /// (the end of a connection that stood is none). `chance` is any number at random.
    pub fn pause(&self, failures: u32, verdict: Verdict, chance: u64) -> Duration {
        let used_up = self.tries.is_some_and(|tries| failures >= tries.max(1));
        if verdict != Verdict::Retry || used_up {
            return SLOW;
        }
        if failures > 0 {
            return self.interval;
        }
        let width = u64::try_from(self.nonce.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        Duration::from_millis(chance % width).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn feishu_sets_the_pace_within_reason() {
        let all = br#"{"ReconnectCount":3,"ReconnectInterval":9,"ReconnectNonce":0,"PingInterval":5}"#;
        let told = Pace::default().told(all);
        let wanted = Pace { ping: seconds(5), nonce: seconds(0), interval: seconds(9), tries: Some(3) };
        assert_eq!(told, wanted);
        assert_eq!(told.told(br#"{"ReconnectCount":-1}"#), Pace { tries: None, ..wanted });
        for nonsense in [
            r#"{"PingInterval":0,"ReconnectInterval":0,"ReconnectNonce":-1}"#,
            r#"{"PingInterval":"5"}"#,
            "{",
            "",
        ] {
            assert_eq!(told.told(nonsense.as_bytes()), wanted, "{nonsense}");
        }
        assert_eq!(told.told(br#"{"PingInterval":9000000000000}"#).ping, LONGEST);
        assert_eq!(wanted.silence(), seconds(10));
    }

    #[test]
    fn the_schedule_is_feishus_and_never_ends() {
        let pace = Pace { tries: Some(2), ..Pace::default() };
        let pause = |failures| pace.pause(failures, Verdict::Retry, 7_000);
        assert_eq!([pause(0), pause(1), pause(2), pause(9)], [seconds(7), seconds(120), SLOW, SLOW]);
        let endless = Pace::default();
        assert_eq!(endless.pause(4_000_000, Verdict::Retry, 7_000), seconds(120));
        assert_eq!(endless.pause(0, Verdict::Stop("do this"), 7_000), SLOW);
        let at_once = Pace { nonce: seconds(0), tries: Some(0), ..Pace::default() };
        assert_eq!(at_once.pause(0, Verdict::Retry, 7), LEAST);
        assert_eq!(at_once.pause(1, Verdict::Retry, 7), SLOW);
    }

    proptest! {
        #[test]
        fn the_first_try_comes_within_the_nonce(chance: u64, nonce in 1_u64..3_600) {
            let pause = Pace { nonce: seconds(nonce), ..Pace::default() }.pause(0, Verdict::Retry, chance);
            prop_assert!(pause >= LEAST && pause <= seconds(nonce));
        }
    }
}
