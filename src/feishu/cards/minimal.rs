//! The card that always works.

use serde_json::json;

use super::text::{cut, markdown, plain};
use crate::domain::Incident;

/// A card of title and summary, built without a template.
pub(crate) fn card(incident: &Incident) -> String {
    let title = cut(&plain(&incident.title), 120);
    let summary = cut(&incident.summary, 300);
    let severity = cut(&plain(&incident.standing.severity.name), 40);
    let colour = if incident.standing.is_open() { "red" } else { "green" };
    let words = if summary.is_empty() { markdown(&title) } else { markdown(&summary) };
    json!({
        "schema": "2.0",
        "config": {"update_multi": true, "summary": {"content": format!("[{severity}] {title}")}},
        "header": {"template": colour, "title": {"tag": "plain_text", "content": title}},
        "body": {"elements": [{"tag": "markdown", "content": words}]},
    })
    .to_string()
}
