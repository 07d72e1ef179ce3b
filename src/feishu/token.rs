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
