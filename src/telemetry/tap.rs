//! The tap: what comes in and what is decided, for whoever watches right now.
//!
//! # Invariants
//!
//! * Telling never waits and never fails: news that a watcher is too slow for are
//!   dropped for that watcher, who is told how many.
//! * Nobody watching costs nothing but a look at a counter.
//! * Once closed, every watch ends, and no new one begins.
//!
//! News are not kept and may be missed. What must not be lost is in the store.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use crate::domain::Fact;

/// News that a watcher may be behind.
const BEHIND_MAX: usize = 1024;
/// Watchers at a time: each holds a connection.
const WATCHERS_MAX: usize = 32;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// When.
    pub at: Timestamp,
    /// What, in a word: `webhook`, `incident` or `job`.
    pub what: &'static str,
    /// Its particulars by name. Steps and rounds count from 0.
    pub facts: Vec<(&'static str, Fact)>,
}

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Something happened.
    News(Arc<News>),
    /// So many things happened too fast to be told.
    Skipped(u64),
}

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub struct Tap {
    news: broadcast::Sender<Arc<News>>,
    closed: Arc<watch::Sender<bool>>,
}

/// Why nobody can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWatch {
    /// So many watch already.
    TooMany,
    /// It is closed.
    Closed,
}

/// One watcher's view.
#[derive(Debug)]
pub struct Watching {
    news: broadcast::Receiver<Arc<News>>,
    closed: watch::Receiver<bool>,
}

impl Default for Tap {
    fn default() -> Self {
        let (news, _) = broadcast::channel(BEHIND_MAX);
        let (closed, _) = watch::channel(false);
        Self { news, closed: Arc::new(closed) }
    }
}

impl Tap {
    /// Tells those who watch, if anybody does; only then is the news made.
    pub fn tell(&self, news: impl FnOnce() -> News) {
        if self.is_watched() {
            // The last watcher may just have left.
            drop(self.news.send(Arc::new(news())));
        }
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.news.receiver_count() > 0
    }

    /// Watches from now on.
    ///
    /// # Errors
    ///
    /// When too many watch already, or it is closed.
    pub fn watch(&self) -> Result<Watching, NoWatch> {
        if *self.closed.borrow() {
            return Err(NoWatch::Closed);
        }
        if self.news.receiver_count() >= WATCHERS_MAX {
            return Err(NoWatch::TooMany);
        }
        Ok(Watching { news: self.news.subscribe(), closed: self.closed.subscribe() })
    }

    /// Ends every watch.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}

impl Watching {
    /// The next that is to be seen; `None`: it is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<Seen> {
        tokio::select! {
            biased;
            _ = self.closed.wait_for(|closed| *closed) => None,
            news = self.news.recv() => match news {
                Ok(news) => Some(Seen::News(news)),
                Err(broadcast::error::RecvError::Lagged(count)) => Some(Seen::Skipped(count)),
                Err(broadcast::error::RecvError::Closed) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(number: i64) -> News {
        News { at: Timestamp::UNIX_EPOCH, what: "job", facts: vec![("number", Fact::Number(number))] }
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_how_much_was_missed() {
        let tap = Tap::default();
        tap.tell(|| panic!("nobody watches, so nothing is made"));
        let (mut slow, mut quick) = (tap.watch().unwrap(), tap.watch().unwrap());
        let sent = i64::try_from(BEHIND_MAX).unwrap() + 76;
        for number in 0..sent {
            tap.tell(|| news(number));
            assert_eq!(quick.next().await, Some(Seen::News(Arc::new(news(number)))));
        }
        assert_eq!(slow.next().await, Some(Seen::Skipped(76)));
        assert_eq!(slow.next().await, Some(Seen::News(Arc::new(news(76)))));
    }

    #[tokio::test]
    async fn watches_are_counted_and_end_with_the_tap() {
        let tap = Tap::default();
        let mut watches: Vec<Watching> = (0..WATCHERS_MAX).map(|_| tap.watch().unwrap()).collect();
        assert_eq!(tap.watch().unwrap_err(), NoWatch::TooMany);
        watches.pop();
        assert!(tap.watch().is_ok());
        let mut last = watches.pop().unwrap();
        drop(watches);
        tap.tell(|| news(1));
        tap.close();
        assert_eq!(last.next().await, None, "what was not seen by then is missed");
        assert_eq!(tap.watch().unwrap_err(), NoWatch::Closed);
        drop(last);
        assert!(!tap.is_watched());
    }
}
