//! Which links a card offers, and whether they can be opened at all.
//!
//! Only http and https. Dropped are addresses that a phone surely cannot open,
//! such as the pod name that Alertmanager calls itself by default, and those
//! that carry a user name, which look like another site.

use reqwest::Url;
use serde::Serialize;

use super::ListedAlert;
use crate::domain::{Incident, Labels};

/// Longer addresses are dropped, not cut: a cut silence would match more.
const URL_CHARS_MAX: usize = 2000;

/// A link with the word templates know it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Link {
    /// `runbook`, `dashboard`, `panel`, `query` or `silence`.
    pub(crate) kind: &'static str,
    pub(crate) url: String,
}

/// The links of an incident, each kind at most once; no silence once it is over.
pub(crate) fn links(incident: &Incident, alerts: &[ListedAlert<'_>]) -> Vec<Link> {
    let annotated = |names: &[&str]| {
        let mut values = alerts.iter().flat_map(|a| names.iter().filter_map(|n| a.alert.annotations.get(n)));
        values.find_map(usable)
    };
    let silence = || {
        if !incident.standing.is_open() {
            return None;
        }
        let sent: Vec<&str> = alerts.iter().map(|a| a.alert.silence_url.as_ref()).collect();
        if sent.iter().any(|url| !url.is_empty()) {
            // Grafana's silences one alert; offered where that is the incident.
            return sent
                .first()
                .filter(|url| sent.iter().all(|other| other == *url))
                .and_then(|url| usable(url));
        }
        // Legacy Grafana gives no start, and has no silences.
        alerts.iter().any(|a| a.alert.starts_at.is_some()).then(|| new_silence(incident)).flatten()
    };
    let found = [
        ("runbook", annotated(&["runbook_url", "runbook"])),
        (
            "dashboard",
            annotated(&["dashboard_url", "dashboardURL", "dashboard"])
                .or_else(|| alerts.iter().find_map(|a| usable(&a.alert.dashboard_url))),
        ),
        (
            "panel",
            annotated(&["panel_url", "panelURL"])
                .or_else(|| alerts.iter().find_map(|a| usable(&a.alert.panel_url))),
        ),
        ("query", alerts.iter().find_map(|a| usable(&a.alert.generator_url))),
        ("silence", silence()),
    ];
    found.into_iter().filter_map(|(kind, url)| url.map(|url| Link { kind, url })).collect()
}

/// The address in its normal form, or `None` if it is not one to offer.
pub(crate) fn usable(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let host = url.host_str()?;
    let opens = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && (host.contains('.') || host.contains(':'))
        && !matches!(host.rsplit('.').next(), Some("svc" | "localhost"))
        && host.strip_suffix(".cluster.local").is_none()
        && !host.starts_with("127.")
        && !matches!(host, "0.0.0.0" | "[::1]" | "[::]");
    let text = String::from(url);
    (opens && text.len() <= URL_CHARS_MAX).then_some(text)
}

/// Alertmanager's form for a new silence of the labels that all alerts share.
fn new_silence(incident: &Incident) -> Option<String> {
    let base = usable(&incident.external_url)?;
    if incident.labels.is_empty() || base.contains(['#', '?']) {
        return None;
    }
    let mut url = format!("{}/#/silences/new?filter=", base.trim_end_matches('/'));
    for byte in matchers(&incident.labels).bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(byte.into());
        } else {
            url.push('%');
            url.push_str(&hex::encode_upper([byte]));
        }
    }
    usable(&url)
}

/// `{a="b",c="d"}`, quoted as Alertmanager reads it; names that are not plain
/// words are quoted too (UTF-8 matchers, since 0.27).
fn matchers(labels: &Labels<'_>) -> String {
    let quoted = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{escaped}\"")
    };
    let word = |name: &str| {
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let all: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let name = if word(name) { name.to_owned() } else { quoted(name) };
            format!("{name}={}", quoted(value))
        })
        .collect();
    format!("{{{}}}", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_open_are_offered() {
        let table = [
            ("https://wiki.example.com/rb?x=1", Some("https://wiki.example.com/rb?x=1")),
            (" http://10.0.0.7:9093 ", Some("http://10.0.0.7:9093/")),
            ("https://例子.example/手册", Some("https://xn--fsqu00a.example/%E6%89%8B%E5%86%8C")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("/relative", None),
            ("http://alertmanager-main-0:9093", None),
            ("http://localhost:3000", None),
            ("http://127.0.0.1/", None),
            ("http://[::1]:9093/", None),
            ("http://am.monitoring.svc.cluster.local:9093", None),
            ("https://open.feishu.cn@evil.example/", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(usable(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(usable(&format!("https://e.com/{}", "a".repeat(3000))), None);
    }

    #[test]
    fn matchers_are_quoted_as_alertmanager_reads_them() {
        let labels: Labels<'_> = [("alertname", "Disk \"full\"\\"), ("团队", "db")].into_iter().collect();
        assert_eq!(matchers(&labels), r#"{alertname="Disk \"full\"\\","团队"="db"}"#);
    }
}
