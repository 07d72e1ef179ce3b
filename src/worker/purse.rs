//! The purse: what calls and text messages may still cost by the rules' budget.
//!
//! # Invariants
//!
//! * What a buzz costs is written down before it is made, in the transaction
//!   that decides whether it may be: two buzzes never share the last of a budget, and a
//!   crash loses no count.
//! * Without a limit everything is counted too, so one that is added later
//!   knows what the month has cost so far.
//!
//! A month is one of the calendar in the zone of the settings. How loudly
//! people may be buzzed is decided by `escalation::budget`, what surely was not
//! buzzed and is given back is told by the courier.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::domain::{Allotment, Budget, Clock, Incident, Urgent};
use crate::escalation::budget::{allot, passed, percent};
use crate::rules::RuleSet;
use crate::store::{Spending, Store, StoreError};
use crate::telemetry::Metrics;

/// How often the metric is brought up to date: months begin and rules change.
const EVERY: Duration = Duration::from_mins(1);
/// The channels that cost money, loudest first.
const PAID: [Urgent; 2] = [Urgent::Phone, Urgent::Sms];

/// See the module.
#[derive(Clone)]
pub struct Purse {
    store: Arc<dyn Store>,
    rules: Arc<ArcSwap<RuleSet>>,
    zone: TimeZone,
    metrics: Metrics,
}

/// How much of a channel's month is used. From the last of
/// [`WARN_AT_PERCENT`](crate::escalation::budget::WARN_AT_PERCENT) on it is worth an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Which.
    pub channel: Urgent,
    /// People buzzed since the month began.
    pub used: u32,
    /// How many may be, the reserve included.
    pub month: u32,
}

impl Level {
    /// What is left of the month, the reserve included.
    pub fn remaining(&self) -> u32 {
        self.month.saturating_sub(self.used)
    }

    /// What is used, in percent, rounded down.
    pub fn percent(&self) -> u32 {
        percent(self.used, self.month)
    }
}

impl Purse {
    /// A purse of the rules in force, whose months are those of `zone`.
    pub fn new(
        store: Arc<dyn Store>,
        rules: Arc<ArcSwap<RuleSet>>,
        zone: TimeZone,
        metrics: Metrics,
    ) -> Self {
        Self { store, rules, zone, metrics }
    }

    /// How much of each channel's month is used now, loudest first. A channel
    /// without such a limit is left out, and so is one that is not to be used at all.
    ///
    /// # Errors
    ///
    /// When the store cannot tell.
    pub async fn levels(&self, now: Timestamp) -> Result<Vec<Level>, StoreError> {
        let budget = self.budget();
        let spent = self.store.spent(month_from(now, &self.zone)).await?;
        let level = |channel: Urgent| {
            let month = budget.of(channel)?.month.filter(|month| *month > 0)?;
            Some(Level { channel, used: spent.get(&channel).copied().unwrap_or_default(), month })
        };
        Ok(PAID.into_iter().filter_map(level).collect())
    }

    /// Keeps the metric up to date until `stop` is true.
    pub async fn keep_told(self, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.tell(clock.now()).await {
                tracing::error!(%error, "what is left of the budget cannot be told");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Tells the metrics what is left.
    ///
    /// # Errors
    ///
    /// When the store cannot tell.
    pub async fn tell(&self, now: Timestamp) -> Result<(), StoreError> {
        let levels = self.levels(now).await?;
        self.metrics.budgets(levels.iter().map(|level| (level.channel.as_str(), level.remaining())));
        Ok(())
    }

    /// Pays for a buzz of an incident as far as the budget reaches. `spending` names
    /// job, people and what comes back of the job's last try.
    pub(super) async fn spend(
        &self,
        incident: &Incident,
        wanted: Urgent,
        spending: Spending,
    ) -> Result<Allotment, StoreError> {
        let budget = self.budget();
        let loudest = incident.standing.severity.rank == 0;
        let people = spending.people.clone();
        let spending = Spending { month_from: month_from(spending.at, &self.zone), ..spending };
        let decide = Box::new(move |spent: &_| allot(&budget, spent, loudest, wanted, &people));
        let (spent, allotted) = self.store.spend(spending, decide).await?;
        let channel = allotted.urgent;
        if let Some(month) = budget.of(channel).and_then(|limits| limits.month) {
            let before = spent.get(&channel).map_or(0, |used| used.month);
            let more = u32::try_from(allotted.people.len()).unwrap_or(u32::MAX);
            let level = Level { channel, used: before.saturating_add(more), month };
            self.metrics.budget(channel.as_str(), level.remaining());
            if let Some(mark) = passed(before, level.used, month) {
                let (used, next) = (level.used, if channel == Urgent::Phone { "SMS" } else { "app" });
                tracing::warn!(
                    channel = channel.as_str(),
                    used,
                    month,
                    "{mark} % of this month's {channel} budget is used; when it is used up people are buzzed by \
                     {next} instead; budget.{channel}.month in the rules raises it"
                );
            }
        }
        Ok(allotted)
    }

    fn budget(&self) -> Budget {
        *self.rules.load().budget()
    }
}

/// When the month began.
fn month_from(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let first = now.to_zoned(zone.clone()).date().first_of_month();
    first.to_zoned(zone.clone()).map_or(now, |begin| begin.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_of_its_zone() {
        let zone = |name: &str| TimeZone::get(name).unwrap();
        for (now, name, expected) in [
            ("2026-11-30T15:59:59Z", "Asia/Shanghai", "2026-10-31T16:00:00Z"),
            ("2026-11-30T16:00:00Z", "Asia/Shanghai", "2026-11-30T16:00:00Z"),
            ("2026-11-30T16:00:00Z", "UTC", "2026-11-01T00:00:00Z"),
        ] {
            let from = month_from(now.parse().unwrap(), &zone(name));
            assert_eq!(from.to_string(), expected, "{now} {name}");
        }
    }
}
