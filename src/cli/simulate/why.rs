//! Why an alert fell to a rule: what held, and where the rules before it failed.

use crate::cli::words::Words;
use crate::domain::{AlertGroup, AlertStatus};
use crate::rules::{Origin, Rule, RuleSet};
use crate::settings::Locale;

/// Rules passed over that are named.
const NAMED_MAX: usize = 3;

/// One line about the first alert of the group that falls to the rule.
pub(super) fn why(
    rules: &RuleSet,
    rule: &str,
    (source, group): (&str, &AlertGroup<'_>),
    words: Words,
) -> String {
    let origin = Origin { source, receiver: &group.header.receiver };
    let owned = |index: &usize| rules.at(*index).is_some_and(|owner| owner.name == rule);
    let mut firing = group.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing);
    let found =
        firing.find_map(|alert| Some((alert, rules.route(&alert.labels, origin).into_iter().find(owned)?)));
    let Some((alert, index)) = found else { return String::new() };
    let value = |name: &str| origin.value(&alert.labels, name).to_owned();
    let all = rules.rules();
    let held = all.get(index).map(|rule| held(rule, words)).unwrap_or_default();
    let place = format!("{}/{}", index + 1, all.len());
    let mut line = format!("{} {place} {} {held}", words.pick("rule", "规则"), words.pick("matched", "匹配"));
    let before = all.get(..index).unwrap_or_default();
    let failed: Vec<String> = before.iter().rev().filter_map(|rule| failed(rule, &value, words)).collect();
    for words_of_one in failed.iter().take(NAMED_MAX) {
        line.push_str(words.pick("; ", "；"));
        line.push_str(words_of_one);
    }
    match failed.len().saturating_sub(NAMED_MAX) {
        0 => line,
        more => format!(
            "{line}{}",
            words
                .pick("; {} more before it did not", "；之前还有 {} 条不匹配")
                .replace("{}", &more.to_string())
        ),
    }
}

fn held(rule: &Rule, words: Words) -> String {
    let matchers: Vec<String> = rule.matchers.iter().map(ToString::to_string).collect();
    if matchers.is_empty() {
        words.pick("everything", "所有告警").to_owned()
    } else {
        matchers.join(", ")
    }
}

/// The first matcher of a rule that fails; `None`: none does.
fn failed(rule: &Rule, value: &impl Fn(&str) -> String, words: Words) -> Option<String> {
    let matcher = rule.matchers.iter().find(|matcher| !matcher.matches(&value(matcher.name())))?;
    let is = match value(matcher.name()).as_str() {
        "" => words.pick("it is missing", "没有这个标签").to_owned(),
        value => format!("{} {value:?}", words.pick("it is", "实际是")),
    };
    Some(match words.0 {
        Locale::En => format!("{:?} not ({matcher}, but {is})", rule.name),
        Locale::ZhCn => format!("{:?} 不匹配（{matcher}，{is}）", rule.name),
    })
}
