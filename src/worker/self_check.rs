//! Looks at larkhorn itself, every few seconds: what keeps pages from people
//! becomes an incident of its own, and an outside watcher hears a beat only
//! while every open incident is on time.
//!
//! # Invariants
//!
//! * An alarm rings as soon as its condition holds and is over when it has not
//!   held for [`SETTLED`]: what comes and goes is one incident.
//! * Looking changes nothing; incidents are opened and resolved by the engine.
//! * When the store cannot be asked, the last resort is told directly: no
//!   incident could be kept.
//!
//! Who is told is decided by the rules' catch-all, how loudly by the loudest severity.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use tokio::sync::watch;

use super::courier::Reach;
use super::engine::{Alarm, Engine};
use super::long_connection::Line;
use super::purse::Purse;
use super::replicas::{self, Part};
use super::sinks::Sinks;
use crate::domain::{Clock, OWN_SOURCE, Urgent};
use crate::escalation::budget::WARN_AT_PERCENT;
use crate::fallback::Notice;
use crate::store::{Backlog, Store, StoreError};
use crate::telemetry::{Refusals, Refused};
use crate::wire;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);
/// A page that has waited for so long is late.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// Feishu has refused the app for so long.
const REFUSED: SignedDuration = SignedDuration::from_secs(30);
/// The long connection has been down for so long. Feishu's own schedule needs two minutes at times.
const DEAF: SignedDuration = SignedDuration::from_mins(5);
/// So much of a month's budget is used up: the last warning of its spending.
const LOW_PERCENT: u32 = {
    let [_, last] = WARN_AT_PERCENT;
    last
};
/// A webhook that was too large is news for so long: a sender with more of the
/// same has tried again by then (Alertmanager's `group_interval` is 5 min).
const TOO_LARGE: SignedDuration = SignedDuration::from_mins(15);
/// A condition that has not held for so long is over.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);
/// How often the last resort hears that the store is broken.
const STORE_NOTICE_EVERY: SignedDuration = SignedDuration::from_mins(30);
/// How often the outside watcher hears a beat.
const BEAT_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Its answers are not looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is looked at.
#[derive(Debug, Default)]
struct Vitals {
    /// When the oldest page that waits was asked for.
    page_waits_since: Option<Timestamp>,
    /// Since when Feishu refuses the app, and its words.
    refused: Option<(Timestamp, String)>,
    /// Channels of whose month so much is used up, in percent.
    budgets: Vec<(Urgent, u32)>,
    /// Since when places refuse cards, and which.
    closed: Option<(Timestamp, String)>,
    /// Since when the long connection is down, and why.
    deaf: Option<(Timestamp, String)>,
    /// The last webhook that was too large.
    too_large: Option<Refused>,
    /// The shared calendar that was not read for too long: since when, and which.
    calendar: Option<(Timestamp, String)>,
}

impl Vitals {
    /// The alarms whose condition holds now.
    fn alarms(self, now: Timestamp) -> Vec<Alarm> {
        let for_long = |since: Timestamp, span| now.duration_since(since) >= span;
        let late = self.page_waits_since.filter(|since| for_long(*since, LATE)).map(|_| Alarm::DeliveryLate);
        let refused = self.refused.filter(|(since, _)| for_long(*since, REFUSED));
        let deaf = self.deaf.filter(|(since, _)| for_long(*since, DEAF));
        let refused = refused.map(|(_, why)| Alarm::FeishuRefuses { why });
        let deaf = deaf.map(|(_, why)| Alarm::LongConnectionDown { why });
        let low = self.budgets.iter().filter(|(_, percent)| *percent >= LOW_PERCENT);
        let low: Vec<String> = low.map(|(channel, percent)| format!("{channel} {percent} %")).collect();
        let budget = (!low.is_empty()).then(|| Alarm::BudgetLow { why: low.join(", ") });
        let closed = self.closed.map(|(_, why)| Alarm::CardsRefused { why });
        let too_large = self.too_large.filter(|refused| !for_long(refused.at, TOO_LARGE)).map(|refused| {
            Alarm::PayloadRefused { why: format!("{} > {} bytes", refused.source, refused.limit) }
        });
        let calendar = self.calendar.map(|(since, which)| {
            let since = (since > Timestamp::UNIX_EPOCH).then(|| since.to_string());
            Alarm::CalendarStale { why: format!("{which}, {}", since.as_deref().unwrap_or("—")) }
        });
        [calendar, budget, closed, late, refused, deaf, too_large].into_iter().flatten().collect()
    }
}

/// Which alarms ring. The words of one stay as they were when it began.
#[derive(Debug, Default)]
struct Ringing(BTreeMap<&'static str, (Alarm, Timestamp, Timestamp)>);

impl Ringing {
    /// Takes what holds now in; those that ring, with their beginnings.
    fn hear(&mut self, alarms: Vec<Alarm>, now: Timestamp) -> Vec<(Alarm, Timestamp)> {
        for alarm in alarms {
            self.0.entry(alarm.name()).or_insert((alarm, now, now)).2 = now;
        }
        self.0.retain(|_, (_, _, last)| now.duration_since(*last) < SETTLED);
        self.0.values().map(|(alarm, since, _)| (alarm.clone(), *since)).collect()
    }
}

/// An outside watcher that expects a beat.
pub struct Watcher {
    http: reqwest::Client,
    url: Url,
}

impl Watcher {
    /// `None` when the address is none.
    pub fn new(http: reqwest::Client, url: &str) -> Option<Self> {
        Some(Self { http, url: wire::address(url)? })
    }

    async fn beat(&self) {
        let secrets = [self.url.as_str().into()];
        match wire::answer(self.http.get(self.url.clone()), ANSWER_BYTES_MAX, &secrets).await {
            Ok((200..=299, _)) => {}
            Ok((status, _)) => tracing::warn!(status, "self_check.heartbeat_url does not take the beat"),
            Err(error) => tracing::warn!(error = error.message, "self_check.heartbeat_url does not answer"),
        }
    }
}

/// See the module.
pub struct SelfCheck {
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    reach: Arc<Reach>,
    line: Option<watch::Receiver<Line>>,
    purse: Option<Purse>,
    sinks: Option<Arc<Sinks>>,
    refusals: Option<Arc<Refusals>>,
    watcher: Option<Watcher>,
    calendars: Option<watch::Receiver<Option<(Timestamp, String)>>>,
    part: Part,
    ringing: Ringing,
    beat_at: Option<Timestamp>,
    store_told_at: Option<Timestamp>,
}

impl SelfCheck {
    /// Looks at these.
    pub fn new(engine: Arc<Engine>, store: Arc<dyn Store>, clock: Arc<dyn Clock>, reach: Arc<Reach>) -> Self {
        Self {
            engine,
            store,
            clock,
            reach,
            line: None,
            purse: None,
            sinks: None,
            refusals: None,
            watcher: None,
            calendars: None,
            part: replicas::alone(),
            ringing: Ringing::default(),
            beat_at: None,
            store_told_at: None,
        }
    }

    /// Looks at the long connection too.
    #[must_use]
    pub fn listening(self, line: Option<watch::Receiver<Line>>) -> Self {
        Self { line, ..self }
    }

    /// Looks at the month's budget too.
    #[must_use]
    pub fn counting(self, purse: Purse) -> Self {
        Self { purse: Some(purse), ..self }
    }

    /// Has other ways to tell that the store is broken.
    #[must_use]
    pub fn with_sinks(self, sinks: Option<Arc<Sinks>>) -> Self {
        Self { sinks, ..self }
    }

    /// Looks at what the door has refused too.
    #[must_use]
    pub fn hearing_of(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals: Some(refusals), ..self }
    }

    /// Looks at the shared calendars too: the one that was not read for too long.
    #[must_use]
    pub fn reading(self, calendars: watch::Receiver<Option<(Timestamp, String)>>) -> Self {
        Self { calendars: Some(calendars), ..self }
    }

    /// Lets somebody outside know that all is well.
    #[must_use]
    pub fn watched_by(self, watcher: Option<Watcher>) -> Self {
        Self { watcher, ..self }
    }

    /// Raises alarms only while this process leads those that share the store.
    #[must_use]
    pub fn one_of(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// Looks again and again until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.look().await;
        }
    }

    /// Looks once.
    pub async fn look(&mut self) {
        let now = self.clock.now();
        match self.examine(now).await {
            Ok(backlog) => self.beat(&backlog, now).await,
            Err(error) => self.store_is_broken(&error, now).await,
        }
    }

    async fn examine(&mut self, now: Timestamp) -> Result<Backlog, StoreError> {
        let backlog = self.store.backlog().await?;
        if !self.part.borrow().leads {
            // Begun by another, an alarm is that one's to end.
            self.ringing = Ringing::default();
            return Ok(backlog);
        }
        let line = self.line.as_ref().map(|line| line.borrow().clone());
        let vitals = Vitals {
            page_waits_since: backlog.page_oldest,
            refused: self.reach.refused(),
            closed: self.reach.closed(now),
            budgets: match &self.purse {
                Some(purse) => purse.levels(now).await?.iter().map(|l| (l.channel, l.percent())).collect(),
                None => Vec::new(),
            },
            deaf: line.and_then(|line| Some((line.since, line.trouble?))),
            calendar: self.calendars.as_ref().and_then(|calendars| calendars.borrow().clone()),
            too_large: self.refusals.as_ref().and_then(|refusals| refusals.last()),
        };
        let ringing = self.ringing.hear(vitals.alarms(now), now);
        self.engine.alarm(&ringing, now).await?;
        Ok(backlog)
    }

    /// Beats while every open incident is on time and pages go out.
    async fn beat(&mut self, backlog: &Backlog, now: Timestamp) {
        let Some(watcher) = &self.watcher else { return };
        if self.beat_at.is_some_and(|at| now.duration_since(at) < BEAT_EVERY) {
            return;
        }
        let overdue = |at: Option<Timestamp>| at.is_some_and(|at| now.duration_since(at) >= LATE);
        if overdue(backlog.next_due) || overdue(backlog.page_oldest) || overdue(backlog.inbox_oldest) {
            tracing::warn!("no beat to self_check.heartbeat_url: pages or incidents are late");
            return;
        }
        self.beat_at = Some(now);
        watcher.beat().await;
    }

    async fn store_is_broken(&mut self, error: &StoreError, now: Timestamp) {
        tracing::error!(%error, "the store cannot be asked: webhooks are refused, nobody is paged");
        let told = self.store_told_at.is_some_and(|at| now.duration_since(at) < STORE_NOTICE_EVERY);
        let Some(sinks) = self.sinks.as_ref().filter(|_| !told) else { return };
        self.store_told_at = Some(now);
        let notice = Notice {
            incident: OWN_SOURCE.to_owned(),
            title: "StoreBroken".to_owned(),
            severity: "critical".to_owned(),
            urgent: Urgent::Phone,
            people: Vec::new(),
            text: format!(
                "larkhorn cannot use its store: webhooks are refused and nobody is paged. \
                 larkhorn 无法使用数据库：webhook 被拒绝，无法呼叫任何人。 {error}"
            ),
            opened_at: now,
        };
        for name in sinks.names() {
            if let Err(error) = sinks.tell(name, &notice, now).await {
                tracing::error!(sink = name, %error, "the last resort did not take it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn an_alarm_rings_when_its_condition_has_held_for_long_enough() {
        let names = |vitals: Vitals, second: i64| {
            vitals.alarms(at(second)).iter().map(Alarm::name).collect::<Vec<_>>()
        };
        let all = || Vitals {
            page_waits_since: Some(at(0)),
            refused: Some((at(0), "10014 app secret invalid".to_owned())),
            closed: None,
            budgets: vec![(Urgent::Phone, 89)],
            deaf: Some((at(0), "connection refused".to_owned())),
            too_large: None,
            calendar: None,
        };
        let table = [
            (29, vec![]),
            (30, vec!["FeishuRefuses"]),
            (59, vec!["FeishuRefuses"]),
            (60, vec!["DeliveryLate", "FeishuRefuses"]),
            (299, vec!["DeliveryLate", "FeishuRefuses"]),
            (300, vec!["DeliveryLate", "FeishuRefuses", "LongConnectionDown"]),
        ];
        for (second, expected) in table {
            assert_eq!(names(all(), second), expected, "after {second} s");
        }
        assert_eq!(names(Vitals::default(), 10_000), Vec::<&str>::new());
        let low = Vitals { budgets: vec![(Urgent::Phone, 90), (Urgent::Sms, 12)], ..Vitals::default() };
        let refused = Refused { at: at(0), source: "eu".to_owned(), limit: 1000 };
        let too_large = |second| {
            let vitals = Vitals { too_large: Some(refused.clone()), ..Vitals::default() };
            names(vitals, second)
        };
        assert_eq!(
            (too_large(0), too_large(899), too_large(900)),
            (vec!["PayloadRefused"], vec!["PayloadRefused"], vec![])
        );
        assert_eq!(low.alarms(at(0)), [Alarm::BudgetLow { why: "phone 90 %".to_owned() }]);
    }

    #[test]
    fn what_comes_and_goes_is_one_alarm() {
        let mut ringing = Ringing::default();
        let mut hear = |holds: bool, second: i64| {
            let alarms = if holds { vec![Alarm::DeliveryLate] } else { Vec::new() };
            ringing.hear(alarms, at(second)).first().map(|(_, since)| *since)
        };
        assert_eq!(hear(false, 0), None);
        assert_eq!(hear(true, 10), Some(at(10)));
        assert_eq!(hear(false, 20), Some(at(10)));
        assert_eq!(hear(true, 60), Some(at(10)));
        assert_eq!(hear(false, 119), Some(at(10)));
        assert_eq!(hear(false, 120), None);
        assert_eq!(hear(true, 200), Some(at(200)));
    }
}
