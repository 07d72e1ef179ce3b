//! The edges, tested from outside: formats in, rules read, Feishu spoken, HTTP answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod alertmanager;
mod callbacks;
mod dashboard;
mod fallback;
mod feishu;
mod http;
mod long_connection;
mod oncall;
mod rules;
mod sandbox;
mod schedules;
mod schema;
mod self_check;
mod shared_calendars;
#[path = "../support/shelf.rs"]
mod shelf;
mod sources;

/// Rules with a schedule, for whoever needs some.
pub(crate) fn rule_set() -> std::sync::Arc<arc_swap::ArcSwap<larkhorn::rules::RuleSet>> {
    const RULES: &str = r#"
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}}
chats: {sre: oc_sre}
schedules:
  db:
    timezone: Asia/Shanghai
    layers: [{rotate: weekly, at: "mon 10:00", who: [lin, mara]}]
  office:
    timezone: Asia/Shanghai
    layers: [{who: lin, hours: "09:00-18:00"}]
rules: [{name: all, chat: sre}]
"#;
    let file = larkhorn::rules::SourceFile { path: "rules.yaml", text: RULES };
    let (rules, _) = larkhorn::rules::RuleSet::load(&[file]).unwrap();
    std::sync::Arc::new(arc_swap::ArcSwap::from_pointee(rules))
}
