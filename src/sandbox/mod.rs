//! A stateful fake Feishu: the test double of all tests, the stage of `larkhorn demo`.
//!
//! It keeps people, chats, messages with every content they had, buzzes and
//! pins, and answers the paths, envelopes, limits and codes of the Open
//! Platform that larkhorn uses (feishu-api.md, §12 is the checklist). Any app id
//! and secret are admitted. It tells the app of pressed buttons, replies, reactions
//! and read receipts: over a long connection once the app has opened one, else to
//! a [`Callback`], signed and encrypted. Besides the API it serves a page with
//! two phones and controls for it, on loopback only.
//!
//! # Invariants
//!
//! * State lives in memory; ids come from counters, time from the given clock
//!   (injected latency and the app's answers alone take the machine's time). The same calls
//!   give the same world.
//! * A call either changes the world wholly or is refused and changes nothing
//!   (but counters, and strangers whom an open world has met).
//! * What is not documented is not invented: where Feishu's behaviour is
//!   unknown, the code says what it assumes.
//!
//! Nothing of larkhorn's deciding belongs here (of its rooms, only the nouns and
//! the frames of the long connection are used), and nobody but `app`, `cli` and
//! tests may look in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::domain::Clock;

mod answering;
mod api;
mod auth;
mod buzzing;
mod call;
mod callback;
mod card;
mod control;
mod directory;
mod events;
mod fault;
mod limits;
mod long_connection;
mod marks;
mod model;
mod page;
mod pressing;
mod preview;
mod reading;
mod refusal;
mod sending;
mod server;
mod snapshot;
mod stage;
mod talking;
mod world;

pub use api::Api;
pub use callback::Callback;
pub use events::Delivery;
pub use fault::{Fault, Outcome, Unrest};
pub use limits::Limits;
pub use long_connection::Pace;
pub use model::{Account, Buzz, CallRecord, Chat, Message, Pinned, Reaction, Revision};
pub use pressing::{NoButton, Pressed, Toast};
pub use server::Running;

use world::World;

/// What kind of world it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether rates are enforced.
    pub limits: Limits,
    /// Unknown chats and people come to be when they are first named, everybody
    /// a member of every group, so that any rules file works. Otherwise naming
    /// them is the documented error.
    pub open_world: bool,
    /// How long a token lives.
    pub token_ttl: SignedDuration,
    /// The bot's name.
    pub bot_name: String,
    /// People that SMS can still reach this month; `None`: without end.
    pub sms_quota: Option<u64>,
    /// People that calls can still reach this month; `None`: without end.
    pub phone_quota: Option<u64>,
    /// Where pressed buttons and events go while no long connection has been
    /// opened; `None`: nowhere, buttons do nothing.
    pub callback: Option<Callback>,
    /// How clients of the long connection shall ping and come back.
    pub pace: Pace,
}

impl Default for Options {
    /// A strict world with Feishu's limits and no quota.
    fn default() -> Self {
        Self {
            limits: Limits::Feishu,
            open_world: false,
            token_ttl: SignedDuration::from_hours(2),
            bot_name: "Larkhorn".to_owned(),
            sms_quota: None,
            phone_quota: None,
            callback: None,
            pace: Pace::default(),
        }
    }
}

/// The fake Feishu. Clones show the same world.
#[derive(Clone)]
pub struct Sandbox {
    clock: Arc<dyn Clock>,
    world: Arc<Mutex<World>>,
    /// Counts changes, for those who watch the page.
    version: Arc<watch::Sender<u64>>,
    http: Option<reqwest::Client>,
    /// Held while events are sent.
    delivering: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// An empty world.
    pub fn new(clock: Arc<dyn Clock>, options: Options) -> Self {
        Self {
            clock,
            world: Arc::new(Mutex::new(World::new(options))),
            version: Arc::new(watch::Sender::new(0)),
            http: callback::client(),
            delivering: Arc::default(),
        }
    }

    /// A panic while the lock is held leaves a world worth looking at, so
    /// poisoning is passed over.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, at: impl FnOnce(&World) -> T) -> T {
        at(&self.lock())
    }

    fn change<T>(&self, how: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let outcome = how(&mut self.lock(), self.clock.now());
        self.version.send_modify(|version| *version += 1);
        outcome
    }
}
