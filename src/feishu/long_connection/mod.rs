//! The long connection: a WebSocket that larkhorn opens to Feishu, over which
//! buttons, replies and emoji come without any public address (feishu-api.md §8).
//!
//! [`Client::open_long_connection`](super::Client::open_long_connection) asks
//! where to connect to and connects; the [`Session`] it gives is run until it
//! ends. Each event goes to one connection of the app, whichever, so replicas
//! share them without knowing of each other.
//!
//! # Invariants
//!
//! * An event is answered 200 only after the listener has kept it; 500 makes
//!   Feishu send it again.
//! * A peer that says nothing for two ping intervals is dead, whatever TCP believes.
//! * What was dialled holds a ticket and a key, and shows in no error, log or `Debug`.
//! * Whatever the peer sends, memory stays bounded and nothing panics.
//!
//! Whether and when to connect again is the worker's business; [`Pace::pause`]
//! says what Feishu asks for.

mod dial;
mod frame;
mod pace;
mod parts;
mod session;
mod verdict;

pub use dial::NotOpened;
pub use frame::{Frame, Method, NoFrame};
pub use pace::Pace;
pub use session::{Ended, Session, told_to_stop};
pub use verdict::Verdict;
