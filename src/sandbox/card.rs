//! Decides whether Feishu would take a card: JSON, size, schema, elements, mentions.
//!
//! Rules from feishu-api.md §3.3; each refusal carries the inner code that
//! Feishu puts after `ext=ErrCode:`.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Bytes of a card's JSON.
const CARD_BYTES_MAX: usize = 30 * 1024;
/// Elements of a card, nested ones included.
const ELEMENTS_MAX: usize = 200;
/// Parts of a 2.0 card; any other is refused.
const ROOT: &[&str] = &["schema", "config", "card_link", "header", "body"];
const HEADER: &[&str] =
    &["title", "subtitle", "template", "text_tag_list", "i18n_text_tag_list", "icon", "padding"];
const TEXTS: &[&str] = &["plain_text", "lark_md", "standard_icon", "custom_icon", "text_tag"];
const ELEMENTS: &[&str] = &[
    "markdown",
    "div",
    "hr",
    "img",
    "img_combination",
    "column_set",
    "column",
    "table",
    "chart",
    "person",
    "person_list",
    "collapsible_panel",
    "button",
    "select_static",
    "multi_select_static",
    "select_person",
    "multi_select_person",
    "select_img",
    "overflow",
    "input",
    "date_picker",
    "picker_time",
    "picker_datetime",
    "checker",
    "form",
    "interactive_container",
    "audio",
];

/// What matters later of a card that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    /// JSON 2.0.
    pub(super) v2: bool,
    /// Declares that everybody sees the same state (always so in 2.0).
    pub(super) update_multi: bool,
    /// People mentioned, as (kind of id, id).
    pub(super) mentions: Vec<(&'static str, String)>,
}

/// Checks a card's JSON text.
pub(super) fn check(content: &str) -> Result<Accepted, Refusal> {
    if content.len() > CARD_BYTES_MAX {
        return Err(Refusal::new(230_025, "The length of the message content reaches its limit."));
    }
    let unparsable =
        || Refusal::card(200_621, "parse card json err, please check whether the card json is correct");
    let card: Value = serde_json::from_str(content).map_err(|_| unparsable())?;
    let card = card.as_object().ok_or_else(unparsable)?;
    if card.get("type").and_then(Value::as_str) == Some("template") {
        return Err(Refusal::card(200_380, "template does not exist"));
    }
    let v2 = card.get("schema").and_then(Value::as_str) == Some("2.0");
    let mut walk = Walk { v2, elements: 0, mentions: Vec::new() };
    if v2 {
        only_known(card, ROOT, "")?;
        if let Some(header) = card.get("header").and_then(Value::as_object) {
            only_known(header, HEADER, "header.")?;
        }
    }
    for part in card.values() {
        walk.visit(part)?;
    }
    if walk.elements > ELEMENTS_MAX {
        return Err(Refusal::card(11_310, "element exceeds the limit"));
    }
    let declared = card.get("config").and_then(|c| c.get("update_multi")).and_then(Value::as_bool);
    Ok(Accepted { v2, update_multi: v2 || declared == Some(true), mentions: walk.mentions })
}

fn only_known(object: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(unsupported(&format!("unknown property, property: {place}{key}"))),
        None => Ok(()),
    }
}

fn unsupported(what: &str) -> Refusal {
    Refusal::card(
        200_861,
        &format!("cards of schema V2 no longer support this capability; ErrorValue: {what}"),
    )
}

struct Walk {
    v2: bool,
    elements: usize,
    mentions: Vec<(&'static str, String)>,
}

impl Walk {
    /// Cards nest at most as deep as `serde_json` reads (128), so recursion ends.
    fn visit(&mut self, value: &Value) -> Result<(), Refusal> {
        if let Some(list) = value.as_array() {
            return list.iter().try_for_each(|item| self.visit(item));
        }
        let Some(object) = value.as_object() else { return Ok(()) };
        let tag = object.get("tag").and_then(Value::as_str);
        if let Some(tag) = tag.filter(|t| !TEXTS.contains(t)) {
            self.elements += 1;
            if self.v2 && !ELEMENTS.contains(&tag) {
                return Err(unsupported(&format!("unsupported tag {tag}")));
            }
        }
        if matches!(tag, Some("markdown" | "lark_md")) {
            let text = object.get("content").and_then(Value::as_str).unwrap_or_default();
            self.mentions.extend(mentions(text));
        }
        object
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "chart_spec" | "value" | "rows"))
            .try_for_each(|(_, part)| self.visit(part))
    }
}

/// The people in `<at id=…>`, `<at ids=a,b>`, `<at email=…>` and `<person id=…>` of card markdown.
fn mentions(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for tail in text.split('<').skip(1) {
        let Some((tag, _)) = tail.split_once('>') else { continue };
        let Some(attributes) = tag.strip_prefix("at ").or_else(|| tag.strip_prefix("person ")) else {
            continue;
        };
        let Some((name, value)) = attributes.split_once('=') else { continue };
        let value = value.trim().trim_end_matches('/').trim_matches(['"', '\'', ' ']);
        let kind = match name.trim() {
            "email" => "email",
            "id" | "ids" | "user_id" => "open_id",
            _ => continue,
        };
        let value = value.split([' ', '"', '\'']).next().unwrap_or_default();
        found.extend(value.split(',').filter(|id| *id != "all").map(|id| (kind, id.to_owned())));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn v2(elements: &Value) -> String {
        json!({"schema": "2.0", "body": {"elements": elements}}).to_string()
    }

    fn markdown(text: &str) -> Value {
        json!({"tag": "markdown", "content": text})
    }

    #[test]
    fn cards_feishu_would_refuse_are_refused_with_its_codes() {
        let many: Vec<Value> = (0..201).map(|_| json!({"tag": "hr"})).collect();
        let cases = [
            ("{not json".to_owned(), 230_099, "200621"),
            ("[]".to_owned(), 230_099, "200621"),
            (v2(&json!([{"tag": "note", "elements": []}])), 230_099, "200861"),
            (v2(&json!([{"tag": "action", "actions": []}])), 230_099, "200861"),
            (json!({"schema": "2.0", "elements": []}).to_string(), 230_099, "200861"),
            (json!({"schema": "2.0", "header": {"colour": "red"}}).to_string(), 230_099, "200861"),
            (v2(&Value::Array(many)), 230_099, "11310"),
            (json!({"type": "template", "data": {"template_id": "x"}}).to_string(), 230_099, "200380"),
            (v2(&json!([markdown(&"x".repeat(31_000))])), 230_025, "length"),
        ];
        for (card, code, word) in cases {
            let refusal = check(&card).unwrap_err();
            assert_eq!(refusal.code, code, "{card:.80}");
            assert!(refusal.msg.contains(word), "{} lacks {word}", refusal.msg);
        }
    }

    #[test]
    fn elements_are_counted_with_the_nested_ones() {
        let column = json!({"tag": "column", "elements": [{"tag": "hr"}]});
        let sets: Vec<Value> =
            (0..66).map(|_| json!({"tag": "column_set", "columns": [column.clone()]})).collect();
        assert!(check(&v2(&json!(&sets))).is_ok());
        let mut more = sets;
        more.push(json!({"tag": "column_set", "columns": [column]}));
        assert_eq!(check(&v2(&json!(more))).unwrap_err().code, 230_099);
    }

    #[test]
    fn old_cards_may_hold_what_they_like() {
        let card = json!({"elements": [{"tag": "note", "elements": []}], "anything": 1}).to_string();
        let accepted = check(&card).unwrap();
        assert!(!accepted.v2 && !accepted.update_multi);
    }

    #[test]
    fn mentions_are_found_however_they_are_quoted() {
        let text = "<at id=ou_1></at> <at id='ou_2'></at> <at ids=ou_3,ou_4></at> <at id=all></at> \
                    <at email=\"a@b.c\"></at> <person id='ou_5' show_name=true></person> a<b & <at";
        let ids: Vec<String> = mentions(text).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, ["ou_1", "ou_2", "ou_3", "ou_4", "a@b.c", "ou_5"]);
    }
}
