//! The nouns that more than one room uses: alerts, severities, policies,
//! people, standings of incidents, notifications.
//!
//! Plain values and the laws between them. Nothing here derives a wire format
//! (each edge owns its own), reads a clock or knows a sender, a store or Feishu.
//! Instants are [`jiff::Timestamp`]s that somebody passed in.

#![warn(missing_docs)]

mod action;
mod alert;
mod budget;
mod clock;
mod headroom;
mod heartbeat;
mod ids;
mod incident;
mod labels;
mod notification;
mod policy;
mod schedule;
mod severity;
mod timeline;

pub use action::{Action, Actor, Answer, Via};
pub use alert::{Alert, AlertGroup, AlertStatus, Fingerprint, GroupHeader, OWN_SOURCE, SourceKind};
pub use budget::{Allotment, Budget, Cap, Limits, Spent, Used};
pub use clock::Clock;
pub use headroom::Headroom;
pub use heartbeat::Heartbeat;
pub use ids::{ChatId, Contact, Destination, IncidentId, IncidentKey, JobId, MessageId, Person, StormId};
pub use incident::{Hold, Incident, Ladder, Listing, Member, MemberState, Phase, Response, Standing};
pub use labels::Labels;
pub use notification::Job;
pub use policy::{Policy, Ranks, Recipients, Step, Target, When};
pub use schedule::{Days, Hours, Window};
pub use severity::{Severity, Urgent};
pub use timeline::{Fact, Happening, RecordedEntry, TimelineEntry};
