//! Understands a reply to a card: a word or a time, in Chinese or English.
//!
//! Only a reply that is nothing but a command counts. People also talk below
//! cards, and "I will resolve this tomorrow" must not resolve anything.

use crate::domain::Action;
use crate::rules::parse_duration;

const WORDS: [(&[&str], Action); 4] = [
    (&["ack", "acknowledge", "认领", "确认", "收到"], Action::Acknowledge),
    (&["unack", "unacknowledge", "取消认领"], Action::Unacknowledge),
    (&["resolve", "resolved", "解决", "已解决", "恢复", "已恢复"], Action::Resolve),
    (&["escalate", "升级"], Action::Escalate),
];
/// Words before a time that say the same as the time alone.
const SNOOZE: [&str; 3] = ["snooze", "静音", "暂停"];
/// Units as people write them, longer before shorter, and as the rules do.
const UNITS: [(&str, &str); 15] = [
    ("minutes", "m"),
    ("minute", "m"),
    ("mins", "m"),
    ("min", "m"),
    ("hours", "h"),
    ("hour", "h"),
    ("days", "d"),
    ("day", "d"),
    ("个小时", "h"),
    ("小时", "h"),
    ("分钟", "m"),
    ("天", "d"),
    ("m", "m"),
    ("h", "h"),
    ("d", "d"),
];

/// The action that a reply asks for: `ack`, `认领`, `2h`, `snooze 30m`, `静音 2小时`,
/// `resolve`, `升级`, … in any case, with punctuation around it. `None` for
/// anything else, and for times beyond [`Action::SPAN_MAX`].
pub fn spoken(text: &str) -> Option<Action> {
    let text = folded(text);
    let words = WORDS.iter().find(|(words, _)| words.contains(&text.as_str()));
    if let Some((_, action)) = words {
        return Some(action.clone());
    }
    let time = SNOOZE.iter().find_map(|word| text.strip_prefix(word)).unwrap_or(&text);
    let span = parse_duration(&canonical(time)?)?;
    (span.is_positive() && span <= Action::SPAN_MAX).then_some(Action::Snooze { span })
}

/// In lower case, without what surrounds it; full-width letters and digits as usual ones.
/// A question mark stays: who asks whether it is resolved does not say so.
fn folded(text: &str) -> String {
    let usual = |c: char| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let usual: String = text.chars().map(usual).flat_map(char::to_lowercase).collect();
    usual.trim_matches(|c: char| !c.is_alphanumeric() && c != '?').to_owned()
}

/// `2 小时` as `2h`; `None` for what is no time.
fn canonical(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    let mut written = String::new();
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let tail = tail.trim_start();
        let (unit, after) =
            UNITS.iter().find_map(|(word, unit)| tail.strip_prefix(word).map(|rest| (unit, rest)))?;
        written.push_str(digits);
        written.push_str(unit);
        rest = after.trim_start();
    }
    Some(written).filter(|written| !written.is_empty())
}
