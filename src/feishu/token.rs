//! The tenant token: fetched once for all who wait, renewed before it ends.
//!
//! # Invariants
//!
//! * At most one fetch is under way; whoever needs a token meanwhile shares its
//!   outcome, good or bad, even if the one who started it has gone.
//! * A token is renewed [`MARGIN_SECONDS`] before it ends. When that fails the
//!   old one serves on until its end, and the next try waits [`PAUSE_SECONDS`].
//! * A token is dropped only by someone who was refused with that very token.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::error::CallError;

/// Feishu hands out a new token once the old has less than 30 minutes left, so
/// ten are early enough to get one and late enough to get a new one.
const MARGIN_SECONDS: i64 = 600;
const PAUSE_SECONDS: i64 = 30;

/// A token and how long it lives from the moment it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) token: SecretString,
    pub(crate) lifetime: SignedDuration,
}

pub(crate) type Fetch = BoxFuture<'static, Result<Fetched, CallError>>;

#[derive(Debug)]
struct Held {
    token: SecretString,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    fetching: Option<Shared<Fetch>>,
}

/// Keeps the token of one app.
#[derive(Default)]
pub(crate) struct TokenKeeper {
    state: Mutex<State>,
}

impl TokenKeeper {
    /// A token that is good at `now`; calls `fetch` when there is none or it ends soon.
    pub(crate) async fn token(
        &self,
        now: Timestamp,
        fetch: impl FnOnce() -> Fetch,
    ) -> Result<SecretString, CallError> {
        let fetching = {
            let mut state = self.lock();
            if let Some(held) = state.held.as_ref().filter(|held| now < held.renew_at) {
                return Ok(held.token.clone());
            }
            state.fetching.get_or_insert_with(|| fetch().shared()).clone()
        };
        let outcome = fetching.clone().await;
        self.lock().settle(now, &fetching, &outcome);
        match outcome {
            Ok(fetched) => Ok(fetched.token),
            Err(error) => self.still_good(now).ok_or(error),
        }
    }

    /// Forgets a token that Feishu did not accept.
    pub(crate) fn refused(&self, token: &SecretString) {
        let mut state = self.lock();
        let same = |held: &Held| held.token.expose_secret() == token.expose_secret();
        if state.held.as_ref().is_some_and(same) {
            state.held = None;
        }
    }

    fn still_good(&self, now: Timestamp) -> Option<SecretString> {
        self.lock().held.as_ref().filter(|held| now < held.ends_at).map(|held| held.token.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first of those who waited writes the outcome down.
    fn settle(&mut self, now: Timestamp, fetching: &Shared<Fetch>, outcome: &Result<Fetched, CallError>) {
        if !self.fetching.as_ref().is_some_and(|current| current.ptr_eq(fetching)) {
            return;
        }
        self.fetching = None;
        match outcome {
            Ok(fetched) => {
                let margin = MARGIN_SECONDS.min(fetched.lifetime.as_secs() / 2);
                let ends_at = now.saturating_add(fetched.lifetime).unwrap_or(now);
                let renew_at = ends_at.saturating_sub(SignedDuration::from_secs(margin)).unwrap_or(now);
                self.held = Some(Held { token: fetched.token.clone(), renew_at, ends_at });
            }
            Err(_) => {
                if let Some(held) = &mut self.held {
                    let pause = SignedDuration::from_secs(PAUSE_SECONDS);
                    held.renew_at = now.saturating_add(pause).unwrap_or(held.ends_at).min(held.ends_at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::feishu::verdict::{Api, Verdict};

    /// Hands out t-1, t-2, … once let, and counts how often it was asked.
    struct Source {
        asked: AtomicU32,
        gate: Semaphore,
    }

    impl Source {
        fn new(permits: usize) -> Arc<Self> {
            Arc::new(Self { asked: AtomicU32::new(0), gate: Semaphore::new(permits) })
        }

        fn fetch(self: &Arc<Self>, works: bool) -> Fetch {
            let source = Arc::clone(self);
            async move {
                let n = source.asked.fetch_add(1, Ordering::SeqCst) + 1;
                source.gate.acquire().await.unwrap().forget();
                let lifetime = SignedDuration::from_hours(2);
                let failed = || CallError::unanswered(Api::Token, Verdict::NotSent, "no connection");
                works.then(|| Fetched { token: format!("t-{n}").into(), lifetime }).ok_or_else(failed)
            }
            .boxed()
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * n).unwrap()
    }

    async fn ask(
        keeper: &TokenKeeper,
        at: Timestamp,
        source: &Arc<Source>,
        works: bool,
    ) -> Result<String, CallError> {
        let token = keeper.token(at, || source.fetch(works)).await;
        token.map(|token| token.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn all_who_wait_share_one_fetch_and_its_outcome() {
        for works in [true, false] {
            let (keeper, source) = (TokenKeeper::default(), Source::new(0));
            let callers = join_all((0..50).map(|_| ask(&keeper, minute(0), &source, works)));
            let release = async {
                tokio::task::yield_now().await;
                source.gate.add_permits(1);
            };
            let (tokens, ()) = tokio::join!(callers, release);
            assert_eq!(source.asked(), 1);
            assert!(tokens.iter().all(|t| t.is_ok() == works), "{tokens:?}");
        }
    }

    #[tokio::test]
    async fn whoever_started_the_fetch_may_leave() {
        let (keeper, source) = (TokenKeeper::default(), Source::new(0));
        {
            let mut first = Box::pin(ask(&keeper, minute(0), &source, true));
            assert!((&mut first).now_or_never().is_none());
        }
        source.gate.add_permits(1);
        assert_eq!(ask(&keeper, minute(0), &source, true).await.unwrap(), "t-1");
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn a_token_is_renewed_ten_minutes_before_its_end() {
        let (keeper, source) = (TokenKeeper::default(), Source::new(9));
        for (at, expected) in [(0, "t-1"), (109, "t-1"), (110, "t-2"), (219, "t-2"), (500, "t-3")] {
            assert_eq!(ask(&keeper, minute(at), &source, true).await.unwrap(), expected, "minute {at}");
        }
    }

    #[tokio::test]
    async fn a_token_serves_to_its_end_while_no_new_one_can_be_had() {
        let (keeper, source) = (TokenKeeper::default(), Source::new(9));
        ask(&keeper, minute(0), &source, true).await.unwrap();
        assert_eq!(ask(&keeper, minute(111), &source, false).await.unwrap(), "t-1");
        assert_eq!(source.asked(), 2);
        let within_the_pause = minute(111) + SignedDuration::from_secs(PAUSE_SECONDS - 1);
        assert_eq!(ask(&keeper, within_the_pause, &source, false).await.unwrap(), "t-1");
        assert_eq!(source.asked(), 2);
        assert_eq!(ask(&keeper, minute(120), &source, false).await.unwrap_err().verdict, Verdict::NotSent);
        assert_eq!(ask(&keeper, minute(121), &source, true).await.unwrap(), "t-4");
    }

    #[tokio::test]
    async fn only_the_token_that_was_refused_is_dropped() {
        let (keeper, source) = (TokenKeeper::default(), Source::new(9));
        ask(&keeper, minute(0), &source, true).await.unwrap();
        keeper.refused(&"t-0".into());
        assert_eq!(ask(&keeper, minute(1), &source, true).await.unwrap(), "t-1");
        keeper.refused(&"t-1".into());
        assert_eq!(ask(&keeper, minute(1), &source, true).await.unwrap(), "t-2");
    }
}
