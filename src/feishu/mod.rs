//! Speaks to Feishu (or Lark), and says how an incident looks there.
//!
//! [`Client`] makes calls: it holds the tenant token, reads answers and gives
//! each failure a [`Verdict`]. [`Cards`] draws incidents as cards and as lines
//! of text. The two do not know each other. [`callbacks`] reads what Feishu says
//! of its own accord: buttons, replies, reactions. It comes over HTTP or over the
//! [`long_connection`], and is answered by [`listening`] either way.
//!
//! # Invariants
//!
//! * No call waits or is repeated here (but once, for a refused token): whether
//!   and when to try again is the courier's business.
//! * No call is made beyond Feishu's documented rates; what would be fails at once.
//! * Whatever an alert says, a card is valid, within Feishu's limits, and no
//!   text of an alert acts in it as mention, link or markup.
//! * The app secret and tokens are never printed.
//!
//! Besides `sandbox`, which plays Feishu, the only room that knows Feishu's JSON.

pub mod callbacks;
mod cards;
mod client;
mod custom_bot;
mod directory;
mod errand;
mod error;
mod ids;
mod limits;
pub mod listening;
pub mod long_connection;
mod members;
mod messages;
mod pins;
mod survey;
mod token;
mod urgent;
mod verdict;

pub use cards::{CardInput, Cards, ListedAlert, Paged, Proof, Rendered, StormInput};
pub use client::{Client, ClientConfig, ClientError, Observer};
pub use custom_bot::{BotError, CustomBot};
pub use directory::BotInfo;
pub use error::CallError;
pub use ids::{UserId, UserIdKind};
pub(crate) use limits::Openings;
pub use limits::{Allowance, Rate};
pub use messages::{Address, Content, Placed, Sent};
pub use pins::{Pinned, Place};
pub use survey::{ChatSettings, Need, SCOPES, Scope};
pub use urgent::{UrgeFailed, Urged};
pub(crate) use verdict::Api;
pub use verdict::Verdict;
