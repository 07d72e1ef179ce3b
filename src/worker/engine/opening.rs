//! What an incident is called, and where it lives, when it opens.

use crate::domain::{Alert, Destination, Incident, IncidentKey, Labels, Severity, Standing};
use crate::rules::Rule;

/// The incident of a rule over its first firing alerts, `worst` the worst of them.
pub(super) fn incident(
    rule: &Rule,
    key: IncidentKey,
    source: &str,
    external_url: &str,
    (worst, labels): (&Alert<'static>, Labels<'static>),
    standing: Standing,
) -> Incident {
    Incident {
        id: None,
        version: 0,
        key,
        source: source.to_owned(),
        title: title(&labels, worst),
        summary: summary(worst),
        labels,
        external_url: external_url.to_owned(),
        places: rule.chats.iter().cloned().map(Destination::Chat).collect(),
        template: rule.template.clone(),
        pin: wants_pin(Some(rule), &standing.severity),
        thread: rule.thread,
        invite: rule.invite,
        standing,
    }
}

/// Whether chats are pinned for the people paged: as the rule says, else as the severity does.
pub(super) fn wants_pin(rule: Option<&Rule>, severity: &Severity) -> bool {
    rule.and_then(|r| r.pin).unwrap_or(severity.pin)
}

/// The alert name all share, else the best the worst alert offers (inputs.md §F).
pub(super) fn title(common: &Labels<'_>, worst: &Alert<'_>) -> String {
    let named = common.get("alertname").or_else(|| worst.labels.get("alertname"));
    let said = || ["summary", "message", "description"].into_iter().find_map(|n| worst.annotations.get(n));
    let first_label = || worst.labels.iter().next().map(|(name, value)| format!("{name}={value}"));
    named
        .or_else(said)
        .map(first_line)
        .filter(|line| !line.is_empty())
        .or_else(first_label)
        .unwrap_or_else(|| worst.fingerprint.to_string())
}

/// One line about what burns: summary, else message, else the description's first line.
pub(super) fn summary(worst: &Alert<'_>) -> String {
    let annotations = &worst.annotations;
    ["summary", "message", "description"]
        .into_iter()
        .filter_map(|name| annotations.get(name))
        .map(first_line)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AlertStatus, Fingerprint};

    fn alert(
        labels: &[(&'static str, &'static str)],
        annotations: &[(&'static str, &'static str)],
    ) -> Alert<'static> {
        Alert {
            annotations: annotations.iter().copied().collect(),
            ..Alert::new(AlertStatus::Firing, Fingerprint(7), labels.iter().copied().collect())
        }
    }

    #[test]
    fn the_title_falls_back_from_name_to_words_to_labels_to_the_fingerprint() {
        let table = [
            (alert(&[("alertname", "DiskFull"), ("a", "b")], &[("summary", "s")]), "DiskFull"),
            (alert(&[("a", "b")], &[("summary", "It burns\nbadly")]), "It burns"),
            (alert(&[("a", "b")], &[("description", "\n  Long story ")]), "Long story"),
            (alert(&[("case", "minimal")], &[]), "case=minimal"),
            (alert(&[], &[]), "0000000000000007"),
        ];
        for (alert, expected) in table {
            assert_eq!(title(&alert.labels, &alert), expected);
        }
    }
}
