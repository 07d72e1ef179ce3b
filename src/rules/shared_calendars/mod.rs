//! Calendars of others that a layer takes its shifts from: what they are called,
//! what is in them, and who is on call by them.
//!
//! The rules name a calendar by a file or an address ([`CalendarAddress`]); the
//! edge reads it and hands its text in ([`Calendars`]). Here the text becomes
//! events ([`ical`]), and events with people in them become shifts ([`Shifts`]).
//!
//! # Who an event puts on call
//!
//! * Those whom its title names: a name of `people` or an e-mail address there, in
//!   any case; several with a comma, slash or the like between them; after a colon
//!   (`On call: Lin`) if the whole is no name.
//! * Else its attendees who did not decline, by their e-mail addresses.
//! * A title may begin with a level, as in `[L1] lin`: while events overlap, those
//!   of the highest level count. Within a level everybody is on call.
//!
//! Nothing here opens a file or asks a server: see `app`.

mod address;
mod event;
mod ical;
mod shifts;
mod written;
mod zones;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use address::{CalendarAddress, masked};
pub(super) use ical::Event;
pub(super) use shifts::{Shifts, named};

/// A calendar as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarCopy {
    /// Its text, iCalendar (RFC 5545).
    pub text: String,
    /// When that was: events that repeat are worked out for [`SPAN_YEARS`] before
    /// and after.
    pub read_at: Timestamp,
}

/// What the edge has read of the calendars that the rules name; why not, where it
/// could not.
pub type Calendars = BTreeMap<CalendarAddress, Result<CalendarCopy, String>>;

/// For so many years around the time it was read a calendar says who is on call.
const SPAN_YEARS: i64 = 3;

/// Why a text cannot serve as a calendar; `None`: it can.
pub fn calendar_problem(copy: &CalendarCopy) -> Option<String> {
    events(copy, &TimeZone::UTC).err()
}

/// What is in a calendar, and remarks about what was left out. Times without a zone
/// are of `zone`.
///
/// # Errors
///
/// Why it cannot be understood. Better none than half of it.
pub(super) fn events(copy: &CalendarCopy, zone: &TimeZone) -> Result<(Vec<Event>, Vec<String>), String> {
    // Somebody else's text in somebody else's parser, and a pager that must start.
    let read = || ical::read(&copy.text, zone, copy.read_at);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("it is beyond what can be understood".to_owned()))
}
