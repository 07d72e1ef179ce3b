//! How much work somebody is ready to take from the outbox.

use std::collections::BTreeMap;

use crate::domain::{Destination, Headroom};

/// Which jobs one is ready for. What does not fit is passed over, so that it
/// holds up nobody behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appetite {
    /// Jobs of any kind.
    pub jobs: Headroom,
    /// Jobs of these [kinds](crate::domain::Job::kind); of all others as many as there are.
    pub kinds: BTreeMap<&'static str, Headroom>,
    /// Posts, buzzes and reminders at these places.
    pub places: BTreeMap<Destination, Headroom>,
    /// The same at each place that is not named.
    pub place: Headroom,
}

impl Appetite {
    /// For any jobs, so many.
    pub fn of(jobs: usize) -> Self {
        Self {
            jobs: Headroom { loud: jobs, app: jobs, rest: jobs },
            kinds: BTreeMap::new(),
            places: BTreeMap::new(),
            place: Headroom::PLENTY,
        }
    }
}
