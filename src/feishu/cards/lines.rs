//! Incidents in a line of plain text: what buzzes, and what goes out when no
//! card is accepted.

use jiff::tz::TimeZone;

use super::text::{cut, plain};
use super::view::{place, title};
use super::words::clock;
use crate::domain::{Incident, Labels};
use crate::settings::Locale;

const BUZZ_CHARS: usize = 200;
const LAST_RESORT_CHARS: usize = 500;

/// `[critical] CheckoutErrorRate 5.2 % · prod · step 2/4 → lin`. Without measured
/// values the summary says what burns; a ladder of one step needs no number.
pub(crate) fn buzz(
    locale: Locale,
    incident: &Incident,
    hint: &str,
    (step, steps): (u16, u16),
    people: &[String],
) -> String {
    let summary = Some(incident.summary.as_str()).filter(|s| hint.is_empty() && *s != incident.title);
    let head = [headline(incident, 70), cut(&plain(hint), 30)];
    let burns = cut(&plain(summary.unwrap_or_default()), 60);
    let place = cut(&plain(&place(&incident.labels)), 25);
    let progress = match (steps, locale) {
        (0 | 1, _) => String::new(),
        (_, Locale::ZhCn) => format!("第 {step}/{steps} 级"),
        (_, Locale::En) => format!("step {step}/{steps}"),
    };
    let line = joined([joined(head, " "), burns, place, progress], " · ");
    let names = people.iter().take(2).map(|name| cut(&plain(name), 20));
    let names = joined(names, if locale == Locale::ZhCn { "、" } else { ", " });
    let more = match people.len().saturating_sub(2) {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    let line = if names.is_empty() { line } else { format!("{line} → {names}{more}") };
    cut(&line, BUZZ_CHARS)
}

/// `[critical] DiskFull · data volume 95 % full · INC-142 · 3 firing · since 02:14 UTC+8`.
pub(crate) fn last_resort(locale: Locale, zone: &TimeZone, incident: &Incident) -> String {
    let standing = &incident.standing;
    let summary = cut(&plain(&incident.summary), 250);
    let id = incident.id.map(|id| id.to_string()).unwrap_or_default();
    let state = match (locale, standing.resolved_at()) {
        (Locale::ZhCn, Some(at)) => format!("{} 已恢复", clock(zone, at)),
        (Locale::En, Some(at)) => format!("resolved {}", clock(zone, at)),
        (Locale::ZhCn, None) => {
            format!("{} 条告警中 · 始于 {}", standing.firing(), clock(zone, standing.opened_at))
        }
        (Locale::En, None) => {
            format!("{} firing · since {}", standing.firing(), clock(zone, standing.opened_at))
        }
    };
    cut(&joined([headline(incident, 120), summary, id, state], " · "), LAST_RESORT_CHARS)
}

/// The incident with the rule's name for a title and a word about why for a
/// summary. What the alerts said is gone.
pub(crate) fn redacted(locale: Locale, incident: &Incident) -> Incident {
    let summary = match locale {
        Locale::ZhCn => "飞书的内容审核拒绝了告警原文，请到告警系统查看详情",
        Locale::En => "Feishu's content filter refused what the alerts say; see the alerting system",
    };
    Incident {
        title: incident.key.rule.clone(),
        summary: summary.to_owned(),
        labels: Labels::default(),
        ..incident.clone()
    }
}

fn joined(parts: impl IntoIterator<Item = String>, separator: &str) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(separator)
}

fn headline(incident: &Incident, title_chars: usize) -> String {
    let severity = cut(&plain(&incident.standing.severity.name), 20);
    format!("[{severity}] {}", cut(&plain(&title(incident)), title_chars))
}
