//! A timeline for people: one line for each thing that happens.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::app::rehearsal::{Deed, Moment, Told};
use crate::cli::columns::{self, Cell};
use crate::cli::output::{Paint, Tone, printable, say};
use crate::cli::words::Words;
use crate::domain::{Response, Urgent};
use crate::rules::{RuleSet, format_duration};
use crate::settings::Locale;

/// How a timeline is written.
pub(super) struct Page<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) zone: &'a TimeZone,
    pub(super) begins: Timestamp,
    pub(super) words: Words,
    pub(super) paint: Paint,
}

impl Page<'_> {
    pub(super) fn print(&self, told: &Told, why: &str) {
        say(&self.headline(told));
        let rows: Vec<Vec<Cell>> = told.moments.iter().map(|moment| self.row(told, moment)).collect();
        for line in columns::lines(&rows, self.paint) {
            say(&format!("  {line}"));
        }
        say(&format!("{}{}", self.label("cost: ", "费用："), self.cost(told)));
        if !why.is_empty() {
            say(&format!("{}{}", self.label("why:  ", "原因："), printable(why)));
        }
    }

    fn label(&self, en: &str, zh: &str) -> String {
        self.paint.tint(Tone::Dim, self.words.pick(en, zh))
    }

    fn headline(&self, told: &Told) -> String {
        let incident = &told.incident;
        let rule = self.rules.named(&incident.key.rule);
        let policy = rule.and_then(|rule| rule.policy_name.as_deref());
        let title = self.paint.tint(Tone::Bold, &printable(&incident.title));
        let mut words = format!(
            "{title}  {}={}  {}={}",
            self.words.pick("rule", "规则"),
            printable(&incident.key.rule),
            self.words.pick("severity", "级别"),
            printable(&incident.standing.severity.name),
        );
        if let Some(policy) = policy {
            words = format!("{words}  {}={}", self.words.pick("policy", "策略"), printable(policy));
        }
        let zoned = self.begins.to_zoned(self.zone.clone());
        let day = match zoned.weekday() {
            jiff::civil::Weekday::Monday => ["Mon", "周一"],
            jiff::civil::Weekday::Tuesday => ["Tue", "周二"],
            jiff::civil::Weekday::Wednesday => ["Wed", "周三"],
            jiff::civil::Weekday::Thursday => ["Thu", "周四"],
            jiff::civil::Weekday::Friday => ["Fri", "周五"],
            jiff::civil::Weekday::Saturday => ["Sat", "周六"],
            jiff::civil::Weekday::Sunday => ["Sun", "周日"],
        };
        let [en, zh] = day;
        format!("{words}  {} {}", self.words.pick(en, zh), zoned.strftime("%Y-%m-%d %H:%M:%S %Z"))
    }

    fn row(&self, told: &Told, moment: &Moment) -> Vec<Cell> {
        let zoned = moment.at.to_zoned(self.zone.clone());
        let same_day = zoned.date() == self.begins.to_zoned(self.zone.clone()).date();
        let wall = zoned.strftime(if same_day { "%H:%M:%S" } else { "%m-%d %H:%M:%S" }).to_string();
        let after = format!("+{}", format_duration(moment.at.duration_since(self.begins)));
        let (sign, name, tone) = self.deed(moment);
        let told_of = [self.step(told, moment), moment.more.clone()];
        let more: Vec<String> = told_of.into_iter().filter(|words| !words.is_empty()).collect();
        let tinted = |cell: Cell| tone.map_or(cell.clone(), |tone| cell.tone(tone));
        vec![
            Cell::new(wall).right(),
            Cell::new(after).right(),
            tinted(Cell::new(sign)),
            tinted(Cell::new(name)),
            Cell::new(moment.to.join(", ")),
            Cell::new(more.join(" · ")).tone(Tone::Dim),
        ]
    }

    /// Which step of how many, where there is more than one.
    fn step(&self, told: &Told, moment: &Moment) -> String {
        let Some((step, round)) = moment.step else { return String::new() };
        let policy = &told.incident.standing.policy;
        let (step, steps) = (step + 1, policy.steps.len());
        let (round, rounds) = (u32::from(round) + 1, u32::from(policy.repeat) + 1);
        match (self.words.0, rounds) {
            (Locale::En, 1) => format!("step {step}/{steps}"),
            (Locale::En, _) => format!("step {step}/{steps}, round {round}/{rounds}"),
            (Locale::ZhCn, 1) => format!("第 {step}/{steps} 步"),
            (Locale::ZhCn, _) => format!("第 {step}/{steps} 步，第 {round}/{rounds} 轮"),
        }
    }

    /// A sign, a word and a tone for it.
    fn deed(&self, moment: &Moment) -> (&'static str, String, Option<Tone>) {
        let pick = |en, zh| self.words.pick(en, zh).to_owned();
        match (&moment.what, moment.urgent) {
            (Deed::Card, _) => ("■", pick("card", "卡片"), None),
            (Deed::CardUpdated, _) => ("■", pick("card turns", "卡片变色"), None),
            (Deed::Pin, _) => ("▲", pick("pin", "置顶"), None),
            (Deed::Unpin, _) => ("▽", pick("unpin", "取消置顶"), None),
            (Deed::OnCall, _) => ("⇄", pick("on call now", "换班"), Some(Tone::Cyan)),
            (Deed::Buzz, Some(Urgent::Phone)) => ("☎", pick("phone", "电话加急"), Some(Tone::Red)),
            (Deed::Buzz, Some(Urgent::Sms)) => ("✉", pick("SMS", "短信加急"), Some(Tone::Yellow)),
            (Deed::Buzz, _) => ("●", pick("app", "应用内加急"), Some(Tone::Cyan)),
            (Deed::Other(kind), _) => self.other(kind),
        }
    }

    fn other(&self, kind: &str) -> (&'static str, String, Option<Tone>) {
        let (sign, en, zh, tone) = match kind {
            "opened" => ("▶", "opened", "触发", None),
            "stepped" => ("·", "step", "步骤", None),
            "step_skipped" => ("·", "step skipped", "跳过步骤", None),
            "exhausted" => ("!", "nobody answered", "无人响应", Some(Tone::Red)),
            "catch_all" => ("!", "last resort", "兜底通知", Some(Tone::Red)),
            "acknowledged" => ("✓", "acknowledged", "已认领", Some(Tone::Green)),
            "acknowledge_expired" => ("!", "lapsed", "认领过期", Some(Tone::Yellow)),
            "resolved" | "resolved_by" => ("✓", "resolved", "已恢复", Some(Tone::Green)),
            "severity_rose" => ("!", "severity rose", "级别升高", Some(Tone::Yellow)),
            "alerts_changed" => ("·", "alerts", "告警变化", None),
            "held_back" => ("·", "held back", "预算限制", Some(Tone::Yellow)),
            "buzz_shared" => ("·", "shares a buzz", "合并加急", None),
            "folded" => ("·", "folded", "并入风暴", None),
            "delivery_failed" => ("✗", "failed", "投递失败", Some(Tone::Red)),
            other => ("·", other, other, None),
        };
        (sign, self.words.pick(en, zh).replace('_', " "), tone)
    }

    fn cost(&self, told: &Told) -> String {
        let count = |channel| told.cost(channel);
        let (phone, sms, app) = (count(Urgent::Phone), count(Urgent::Sms), count(Urgent::App));
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let open = matches!(told.incident.standing.response, Response::Open);
        let on = if open && told.incident.standing.due_at.is_some() {
            self.words.pick("; it goes on until somebody answers", "；之后继续，直到有人响应")
        } else {
            ""
        };
        match self.words.0 {
            Locale::En => {
                let es = if app == 1 { "" } else { "es" };
                format!("{phone} phone call{}, {sms} SMS, {app} app buzz{es}{on}", s(phone))
            }
            Locale::ZhCn => format!("电话 {phone} 次，短信 {sms} 条，应用内 {app} 次{on}"),
        }
    }
}
