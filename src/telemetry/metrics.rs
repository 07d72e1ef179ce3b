//! Counters, gauges and histograms in the `OpenMetrics` text format.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// How many sources are counted by name; later ones are counted as `other`.
/// Their names come from whoever delivers alerts, so they need a bound.
pub const SOURCES_MAX: usize = 100;

/// Upper bounds in seconds. A page is good within 2 s and useless after minutes.
const SECONDS: [f64; 13] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

type Labels<const N: usize> = [(&'static str, String); N];
type Seconds = Gauge<f64, AtomicU64>;

/// What waits in the store at the moment of asking.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Waiting {
    /// Age of the oldest webhook not dealt with, in seconds; 0 if there is none.
    pub inbox_oldest_seconds: f64,
    /// Age of the oldest job of the outbox, in seconds; 0 if there is none.
    pub outbox_oldest_seconds: f64,
    /// Incidents by state, each state once.
    pub incidents: Vec<(&'static str, u64)>,
    /// When each rule's heartbeat was last seen, in seconds since 1970.
    pub heartbeats: Vec<(String, f64)>,
}

/// A gauge that has no number before it was told one: what nobody wants must
/// not look as if it were down. Clones hold the same number.
#[derive(Debug, Clone)]
struct ToldGauge(Arc<AtomicI64>);

/// Stands for no number.
const UNTOLD: i64 = i64::MIN;

impl Default for ToldGauge {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(UNTOLD)))
    }
}

impl EncodeMetric for ToldGauge {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.0.load(Ordering::Relaxed) {
            UNTOLD => Ok(()),
            told => encoder.encode_gauge(&told),
        }
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// The process's metrics. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    sources: Mutex<BTreeSet<String>>,
    webhooks: Family<Labels<2>, Counter>,
    incidents: Family<Labels<1>, Gauge>,
    notifications: Family<Labels<1>, Counter>,
    notifications_failed: Family<Labels<2>, Counter>,
    notification_latency: Family<Labels<1>, Histogram, fn() -> Histogram>,
    escalation_lag: Histogram,
    heartbeats: Family<Labels<1>, Seconds>,
    oncall_gaps: Family<Labels<1>, Seconds>,
    calendars_read: Family<Labels<1>, Seconds>,
    inbox_oldest: Seconds,
    outbox_oldest: Seconds,
    feishu_requests: Family<Labels<2>, Counter>,
    long_connection_up: ToldGauge,
    budgets: Family<Labels<1>, Gauge>,
    people_unknown: ToldGauge,
    replicas: Gauge,
    leads: Gauge,
    store_bytes: ToldGauge,
    reload_successful: Gauge,
    template_failures: Counter,
    alerts_unmatched: Counter,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// All at zero. `version` is the program's own, for `build_info`.
    pub fn new(version: &str) -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("larkhorn"),
            sources: Mutex::default(),
            webhooks: Family::default(),
            incidents: Family::default(),
            notifications: Family::default(),
            notifications_failed: Family::default(),
            notification_latency: Family::new_with_constructor(seconds),
            escalation_lag: seconds(),
            heartbeats: Family::default(),
            oncall_gaps: Family::default(),
            calendars_read: Family::default(),
            inbox_oldest: Seconds::default(),
            outbox_oldest: Seconds::default(),
            feishu_requests: Family::default(),
            long_connection_up: ToldGauge::default(),
            budgets: Family::default(),
            people_unknown: ToldGauge::default(),
            replicas: Gauge::default(),
            leads: Gauge::default(),
            store_bytes: ToldGauge::default(),
            reload_successful: Gauge::default(),
            template_failures: Counter::default(),
            alerts_unmatched: Counter::default(),
        };
        inner.register(version);
        inner.reload_successful.set(1);
        Self(Arc::new(inner))
    }

    /// A webhook was answered with this status code.
    pub fn webhook(&self, source: &str, code: u16) {
        let labels = [("source", self.known(source)), ("code", code.to_string())];
        self.0.webhooks.get_or_create(&labels).inc();
    }

    /// Feishu accepted a notification, so many seconds after it was due.
    /// `channel`: `card`, `app`, `sms`, `phone`, …
    pub fn notified(&self, channel: &str, latency_seconds: f64) {
        let labels = [("channel", channel.to_owned())];
        self.0.notifications.get_or_create(&labels).inc();
        self.0.notification_latency.get_or_create(&labels).observe(latency_seconds);
    }

    /// A notification was given up, or only got through in another way.
    /// Counts as a notification too, so failed / all is the failure rate.
    pub fn notification_failed(&self, channel: &str, reason: &str) {
        self.0.notifications.get_or_create(&[("channel", channel.to_owned())]).inc();
        let labels = [("channel", channel.to_owned()), ("reason", reason.to_owned())];
        self.0.notifications_failed.get_or_create(&labels).inc();
    }

    /// A step of an escalation ran so many seconds after its deadline.
    pub fn escalation_lag(&self, seconds: f64) {
        self.0.escalation_lag.observe(seconds);
    }

    /// A call to Feishu ended: its name, and 0 when it was fine, else Feishu's
    /// code or the HTTP status, or -1 when there was no answer.
    pub fn feishu_call(&self, api: &'static str, code: i64) {
        let labels = [("api", api.to_owned()), ("code", code.to_string())];
        self.0.feishu_requests.get_or_create(&labels).inc();
    }

    /// Whether the long connection to Feishu is up. Where none is wanted this is
    /// never told, and the metric is absent.
    pub fn long_connection(&self, up: bool) {
        self.0.long_connection_up.0.store(i64::from(up), Ordering::Relaxed);
    }

    /// So many processes share the store, and whether this one leads them.
    pub fn replicas(&self, replicas: u32, leads: bool) {
        self.0.replicas.set(replicas.into());
        self.0.leads.set(leads.into());
    }

    /// The store takes so much room, in bytes.
    pub fn store_bytes(&self, bytes: u64) {
        self.0.store_bytes.0.store(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// So many people may still be buzzed this month, by channel. Of a channel that
    /// is not among them nothing is said any more.
    pub fn budgets<'a>(&self, remaining: impl Iterator<Item = (&'a str, u32)>) {
        self.0.budgets.clear();
        for (channel, people) in remaining {
            self.budget(channel, people);
        }
    }

    /// So many people may still be buzzed by a channel this month.
    pub fn budget(&self, channel: &str, people: u32) {
        self.0.budgets.get_or_create(&[("channel", channel.to_owned())]).set(people.into());
    }

    /// So many people of the rules are unknown to Feishu. Before Feishu has been asked
    /// this is never told, and the metric is absent.
    pub fn people_unknown(&self, people: usize) {
        self.0.people_unknown.0.store(i64::try_from(people).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Settings and rules were read again, or the old ones were kept.
    pub fn reloaded(&self, successful: bool) {
        self.0.reload_successful.set(i64::from(successful));
    }

    /// A template failed and a plainer text took its place.
    pub fn template_failed(&self) {
        self.0.template_failures.inc();
    }

    /// For how many of the seconds to come nobody is on call, by schedule.
    pub fn oncall_gaps(&self, gaps: &[(String, f64)]) {
        // Of a schedule that is gone nothing is said any more.
        self.0.oncall_gaps.clear();
        for (schedule, seconds) in gaps {
            self.0.oncall_gaps.get_or_create(&[("schedule", schedule.clone())]).set(*seconds);
        }
    }

    /// When each shared calendar was last read; the epoch: never.
    pub fn calendars_read(&self, times: &[(Timestamp, String)]) {
        self.0.calendars_read.clear();
        for (at, calendar) in times {
            let gauge = self.0.calendars_read.get_or_create(&[("calendar", calendar.clone())]);
            gauge.set(at.as_duration().as_secs_f64());
        }
    }

    /// So many alerts were owned by no rule.
    pub fn unmatched(&self, alerts: u64) {
        self.0.alerts_unmatched.inc_by(alerts);
    }

    /// Everything as `OpenMetrics` text, with what waits in the store now;
    /// `None` (the store cannot tell) leaves those numbers as they were.
    pub fn encode(&self, waiting: Option<&Waiting>) -> String {
        if let Some(waiting) = waiting {
            self.wait(waiting);
        }
        let mut text = String::new();
        match encode(&mut text, &self.0.registry) {
            Ok(()) => text,
            // Only a writer fails here, and a string does not.
            Err(fmt::Error) => "# EOF\n".into(),
        }
    }

    fn wait(&self, waiting: &Waiting) {
        self.0.inbox_oldest.set(waiting.inbox_oldest_seconds);
        self.0.outbox_oldest.set(waiting.outbox_oldest_seconds);
        for (state, count) in &waiting.incidents {
            let labels = [("state", (*state).to_owned())];
            self.0.incidents.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        // Of a rule that is gone nothing is said any more.
        self.0.heartbeats.clear();
        for (rule, at) in &waiting.heartbeats {
            self.0.heartbeats.get_or_create(&[("rule", rule.clone())]).set(*at);
        }
    }

    /// The source's name, or `other` when there are too many.
    fn known(&self, source: &str) -> String {
        let mut sources = self.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let counted =
            sources.contains(source) || (sources.len() < SOURCES_MAX && sources.insert(source.to_owned()));
        drop(sources);
        if counted { source.to_owned() } else { "other".to_owned() }
    }
}

impl Inner {
    fn register_oncall(&mut self) {
        let r = &mut self.registry;
        r.register(
            "oncall_gap_seconds",
            "Seconds of the next 14 days for which nobody is on call",
            self.oncall_gaps.clone(),
        );
        r.register(
            "calendar_read_timestamp_seconds",
            "When a shared calendar was last read",
            self.calendars_read.clone(),
        );
    }

    fn register(&mut self, version: &str) {
        let r = &mut self.registry;
        r.register("webhook_requests", "Webhooks answered", self.webhooks.clone());
        r.register("incidents", "Incidents that are open", self.incidents.clone());
        r.register("notifications", "Notifications tried", self.notifications.clone());
        r.register(
            "notifications_failed",
            "Notifications that failed or took another way",
            self.notifications_failed.clone(),
        );
        r.register(
            "notification_latency_seconds",
            "Time from due to accepted by Feishu",
            self.notification_latency.clone(),
        );
        r.register(
            "escalation_lag_seconds",
            "How late steps of escalations ran",
            self.escalation_lag.clone(),
        );
        self.register_oncall();
        let r = &mut self.registry;
        r.register(
            "heartbeat_last_seen_timestamp_seconds",
            "When the last beat that a rule waits for arrived",
            self.heartbeats.clone(),
        );
        r.register(
            "inbox_oldest_seconds",
            "Age of the oldest webhook not dealt with",
            self.inbox_oldest.clone(),
        );
        r.register("outbox_oldest_seconds", "Age of the oldest job that waits", self.outbox_oldest.clone());
        r.register(
            "feishu_requests",
            "Calls to Feishu by the code of the answer",
            self.feishu_requests.clone(),
        );
        r.register(
            "long_connection_up",
            "Whether buttons, replies and emoji arrive over the long connection",
            self.long_connection_up.clone(),
        );
        r.register(
            "urgent_budget_remaining",
            "People that may still be called or texted this month, the reserve included",
            self.budgets.clone(),
        );
        r.register(
            "people_unknown",
            "People of the rules whose e-mail address or mobile number Feishu does not know",
            self.people_unknown.clone(),
        );
        r.register(
            "config_last_reload_successful",
            "Whether the last reading of rules and templates succeeded",
            self.reload_successful.clone(),
        );
        r.register(
            "template_failures",
            "Templates replaced by a plainer text",
            self.template_failures.clone(),
        );
        r.register("alerts_unmatched", "Alerts that no rule owns", self.alerts_unmatched.clone());
        r.register("build", "The running program", Info::new([("version", version.to_owned())]));
        self.register_store();
    }

    fn register_store(&mut self) {
        let r = &mut self.registry;
        r.register("replicas", "Processes that share the store", self.replicas.clone());
        r.register(
            "leads",
            "Whether this process works off webhooks and deadlines for all that share the store",
            self.leads.clone(),
        );
        r.register("store_bytes", "Room that the store takes, in bytes", self.store_bytes.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted_under_its_name() {
        let metrics = Metrics::new("1.2.3");
        metrics.webhook("prod", 200);
        metrics.webhook("prod", 200);
        metrics.notified("phone", 1.5);
        metrics.notification_failed("sms", "quota");
        metrics.escalation_lag(0.2);
        metrics.feishu_call("send_message", 0);
        metrics.feishu_call("send_message", -1);
        let before = metrics.encode(None);
        assert!(!before.lines().any(|l| l.starts_with("larkhorn_long_connection_up")), "nobody wants one");
        metrics.long_connection(true);
        metrics.budgets([("phone", 7)].into_iter());
        metrics.people_unknown(2);
        metrics.reloaded(false);
        metrics.template_failed();
        metrics.unmatched(3);
        metrics.calendars_read(&[(Timestamp::UNIX_EPOCH, "https://cal.example/…".to_owned())]);
        let waiting = Waiting {
            heartbeats: vec![("watchdog".to_owned(), 1_800_000_000.5)],
            inbox_oldest_seconds: 4.0,
            outbox_oldest_seconds: 0.5,
            incidents: vec![("triggered", 7)],
        };
        let text = metrics.encode(Some(&waiting));
        for line in [
            r#"larkhorn_webhook_requests_total{source="prod",code="200"} 2"#,
            r#"larkhorn_incidents{state="triggered"} 7"#,
            r#"larkhorn_notifications_total{channel="phone"} 1"#,
            r#"larkhorn_notifications_total{channel="sms"} 1"#,
            r#"larkhorn_notifications_failed_total{channel="sms",reason="quota"} 1"#,
            r#"larkhorn_notification_latency_seconds_bucket{le="2.0",channel="phone"} 1"#,
            "larkhorn_escalation_lag_seconds_count 1",
            r#"larkhorn_heartbeat_last_seen_timestamp_seconds{rule="watchdog"} 1800000000.5"#,
            "larkhorn_inbox_oldest_seconds 4.0",
            "larkhorn_outbox_oldest_seconds 0.5",
            r#"larkhorn_feishu_requests_total{api="send_message",code="-1"} 1"#,
            "larkhorn_long_connection_up 1",
            r#"larkhorn_urgent_budget_remaining{channel="phone"} 7"#,
            "larkhorn_people_unknown 2",
            "larkhorn_config_last_reload_successful 0",
            "larkhorn_template_failures_total 1",
            "larkhorn_alerts_unmatched_total 3",
            r#"larkhorn_build_info{version="1.2.3"} 1"#,
        ] {
            assert!(text.lines().any(|l| l == line), "missing {line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        let rules = include_str!("../../deploy/prometheus/larkhorn.rules.yml");
        let named = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<_> = named.filter(|w| w.starts_with("larkhorn_")).collect();
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            assert!(text.contains(name), "the shipped alerts use {name}, which does not exist\n{text}");
        }
    }

    #[test]
    fn many_sources_cannot_fill_the_memory() {
        let metrics = Metrics::new("1.2.3");
        for n in 0..SOURCES_MAX + 50 {
            metrics.webhook(&format!("s{n}"), 200);
        }
        metrics.webhook("s0", 200);
        let text = metrics.encode(None);
        assert_eq!(text.matches("larkhorn_webhook_requests_total{").count(), SOURCES_MAX + 1);
        assert!(text.contains(r#"larkhorn_webhook_requests_total{source="other",code="200"} 50"#), "{text}");
        assert!(text.contains(r#"larkhorn_webhook_requests_total{source="s0",code="200"} 2"#), "{text}");
    }
}
