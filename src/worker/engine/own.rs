//! Alerts that larkhorn raises itself, in the words of whoever reads them.
//!
//! They take the same way as everybody's: a rule owns them, an incident holds
//! them, and what ends them resolves it. Whether one is due is decided elsewhere.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Alert, AlertStatus, Fingerprint, IncidentKey, Labels, OWN_SOURCE};
use crate::settings::Locale;

/// Something that keeps pages from people, found by looking at ourselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Pages have waited too long to go out.
    DeliveryLate,
    /// Feishu refuses the app: its credentials, or its being there at all.
    FeishuRefuses {
        /// Feishu's words.
        why: String,
    },
    /// Calls or text messages of the month are nearly used up.
    BudgetLow {
        /// Which, and how much.
        why: String,
    },
    /// Cards cannot be posted in chats or conversations.
    CardsRefused {
        /// Where, and Feishu's words.
        why: String,
    },
    /// A webhook was too large, and its sender will not send it again.
    PayloadRefused {
        /// Whose, and what would have been taken.
        why: String,
    },
    /// A shared calendar could not be read for long.
    CalendarStale {
        /// Which, and since when.
        why: String,
    },
    /// Buttons, replies and emoji do not arrive.
    LongConnectionDown {
        /// What is wrong.
        why: String,
    },
}

impl Alarm {
    /// The names of all, as `alertname`.
    pub const NAMES: [&str; 7] = [
        "BudgetLow",
        "CalendarStale",
        "CardsRefused",
        "DeliveryLate",
        "FeishuRefuses",
        "LongConnectionDown",
        "PayloadRefused",
    ];

    /// Its `alertname`.
    pub fn name(&self) -> &'static str {
        let [budget, calendar, cards, late, refuses, down, too_large] = Self::NAMES;
        match self {
            Self::BudgetLow { .. } => budget,
            Self::CalendarStale { .. } => calendar,
            Self::CardsRefused { .. } => cards,
            Self::DeliveryLate => late,
            Self::FeishuRefuses { .. } => refuses,
            Self::LongConnectionDown { .. } => down,
            Self::PayloadRefused { .. } => too_large,
        }
    }

    fn summary(&self, locale: Locale) -> String {
        match (self, locale) {
            (Self::DeliveryLate, Locale::En) => {
                "pages have waited for more than a minute; the log and /metrics say what for".to_owned()
            }
            (Self::DeliveryLate, Locale::ZhCn) => {
                "有呼叫超过一分钟还没有发出，原因见日志和 /metrics".to_owned()
            }
            (Self::FeishuRefuses { why }, Locale::En) => {
                format!("Feishu refuses the app, nobody can be paged: {why}")
            }
            (Self::FeishuRefuses { why }, Locale::ZhCn) => format!("飞书拒绝了应用，无法呼叫任何人：{why}"),
            (Self::BudgetLow { why }, Locale::En) => {
                format!("the month's budget is nearly used up, people are buzzed more quietly then: {why}")
            }
            (Self::BudgetLow { why }, Locale::ZhCn) => {
                format!("本月额度将用完，之后只能用更轻的方式加急：{why}")
            }
            (Self::CardsRefused { why }, Locale::En) => {
                format!("cards cannot be posted, whoever only reads there knows nothing: {why}")
            }
            (Self::CardsRefused { why }, Locale::ZhCn) => {
                format!("卡片发不出去，只看那里的人收不到消息：{why}")
            }
            (Self::CalendarStale { why }, Locale::En) => {
                format!("a shared calendar cannot be read, so its shifts may be out of date: {why}")
            }
            (Self::CalendarStale { why }, Locale::ZhCn) => {
                format!("共享日历读不到，其中的值班可能已经过时：{why}")
            }
            (Self::LongConnectionDown { why }, Locale::En) => {
                format!("the long connection is down, buttons and replies do not arrive: {why}")
            }
            (Self::LongConnectionDown { why }, Locale::ZhCn) => {
                format!("长连接中断，收不到按钮和回复：{why}")
            }
            (Self::PayloadRefused { why }, Locale::En) => {
                format!(
                    "a webhook was too large, its alerts are not known here and will not be sent again ({why}): \
                     raise server.max_body_bytes or set max_alerts at the sender"
                )
            }
            (Self::PayloadRefused { why }, Locale::ZhCn) => {
                format!(
                    "有 webhook 超过大小上限，其中的告警没有收到，发送方也不会重发（{why}）：\
                     请调大 server.max_body_bytes，或在发送方设置 max_alerts"
                )
            }
        }
    }
}

/// The incident that an alarm of that name belongs to.
pub(super) fn alarm_key(name: &str) -> IncidentKey {
    IncidentKey { rule: OWN_SOURCE.to_owned(), group: name.to_owned() }
}

/// An alarm that rings since then.
pub(super) fn rings(alarm: &Alarm, severity: &str, since: Timestamp, locale: Locale) -> Alert<'static> {
    Alert {
        annotations: [("summary".to_owned(), alarm.summary(locale))].into_iter().collect(),
        starts_at: Some(since),
        ..named(alarm.name(), severity, AlertStatus::Firing)
    }
}

/// An alarm of that name that is over since then.
pub(super) fn over(name: &str, at: Timestamp) -> Alert<'static> {
    Alert { ends_at: Some(at), ..named(name, "", AlertStatus::Resolved) }
}

fn named(name: &str, severity: &str, status: AlertStatus) -> Alert<'static> {
    let labels = [("alertname", name), ("severity", severity)];
    let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Alert::new(status, Fingerprint::of(&[("alarm", name)].into_iter().collect()), labels)
}

/// Silence where a rule waits for beats: `status` firing, or over since `at`.
///
/// `labels` are those of the last beat; what they call the beat itself is left
/// out, because this is about its absence.
pub(super) fn heartbeat_lost(
    key: &IncidentKey,
    labels: &Labels<'_>,
    severity: &str,
    (every, last_seen): (SignedDuration, Option<Timestamp>),
    (status, at): (AlertStatus, Timestamp),
    locale: Locale,
) -> Alert<'static> {
    let rule = &key.rule;
    let summary = match (locale, last_seen) {
        (Locale::En, Some(_)) => {
            format!("no heartbeat of {rule} for {every:#}: its sender, or the way from there, is down")
        }
        (Locale::En, None) => format!("no heartbeat of {rule} has ever come, and one is due every {every:#}"),
        (Locale::ZhCn, Some(_)) => format!("{rule} 已有 {every:#} 没有心跳：发送方或到这里的链路中断"),
        (Locale::ZhCn, None) => format!("从未收到 {rule} 的心跳，应当每 {every:#} 一次"),
    };
    let kept =
        labels.iter().filter(|(name, _)| !["alertname", "severity", "priority", "level"].contains(name));
    let named = [("alertname", "HeartbeatLost"), ("severity", severity)];
    let labels = kept.chain(named).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let identity =
        Labels::from_pairs(vec![("group".into(), key.group.as_str().into()), ("rule".into(), rule.into())]);
    Alert {
        annotations: [("summary".to_owned(), summary)].into_iter().collect(),
        starts_at: (status == AlertStatus::Firing).then_some(at),
        ends_at: (status == AlertStatus::Resolved).then_some(at),
        ..Alert::new(status, Fingerprint::of(&identity), labels.collect())
    }
}
