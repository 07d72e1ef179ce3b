//! The card that always works.

use serde_json::json;

use super::text::{cut, markdown, plain, shown};
use super::view::title;
use crate::domain::Incident;
use crate::settings::Locale;

/// A card of headline and summary, built without a template.
pub(crate) fn card(locale: Locale, incident: &Incident) -> String {
    let title = plain(&title(incident));
    let summary = shown(&incident.summary, 300);
    let (state, colour) = match (incident.standing.is_open(), locale) {
        (true, _) => (cut(&plain(&incident.standing.severity.name), 40), "red"),
        (false, Locale::ZhCn) => ("已恢复".to_owned(), "green"),
        (false, Locale::En) => ("resolved".to_owned(), "green"),
    };
    let id = incident.id.map(|id| id.to_string()).unwrap_or_default();
    let body = markdown(if summary.is_empty() { &title } else { &summary });
    json!({
        "schema": "2.0",
        "config": {"update_multi": true, "summary": {"content": format!("[{state}] {title}")}},
        "header": {
            "template": colour,
            "title": {"tag": "plain_text", "content": title},
            "subtitle": {"tag": "plain_text", "content": format!("{id} · {state}")},
        },
        "body": {"elements": [{"tag": "markdown", "content": body}]},
    })
    .to_string()
}
