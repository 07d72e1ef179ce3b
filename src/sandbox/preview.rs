//! The one line that a lock screen or a chat list shows of a message.

use serde_json::Value;

/// The text of a text message; the summary, else the title of a card; the kind of anything else.
/// `name_of` turns an `open_id` into a name.
pub(super) fn preview(msg_type: &str, content: &Value, name_of: &dyn Fn(&str) -> String) -> String {
    let at = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).filter(|s| !s.is_empty());
    match msg_type {
        "text" => plain(at("/text").unwrap_or_default(), name_of),
        "interactive" => at("/config/summary/content")
            .or_else(|| at("/header/title/content"))
            .unwrap_or("[Card]")
            .to_owned(),
        "post" => at("/zh_cn/title").or_else(|| at("/en_us/title")).unwrap_or("[Post]").to_owned(),
        other => format!("[{other}]"),
    }
}

/// A text message without its tags: mentions by name, styles dropped.
fn plain(text: &str, name_of: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('<') {
        out.push_str(before);
        let Some((tag, after)) = tail.split_once('>').filter(|(tag, _)| is_known(tag)) else {
            out.push('<');
            rest = tail;
            continue;
        };
        rest = after;
        if let Some(id) = tag.strip_prefix("at ").and_then(attribute) {
            out.push('@');
            out.push_str(&if id == "all" { "all".to_owned() } else { name_of(id) });
            rest = after.split_once("</at>").map_or(after, |(_, beyond)| beyond);
        }
    }
    out.push_str(rest);
    out
}

fn is_known(tag: &str) -> bool {
    let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
    matches!(name, "at" | "b" | "i" | "u" | "s")
}

/// The value of `user_id="…"`.
fn attribute(tag: &str) -> Option<&str> {
    let (_, value) = tag.split_once("user_id=")?;
    Some(value.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_line_for_every_kind_of_message() {
        let card = |summary: &str| json!({"config": {"summary": {"content": summary}}, "header": {"title": {"content": "Disk full"}}});
        let text = |t: &str| json!({"text": t});
        let cases = [
            ("text", text("2 < 3 and <b>bold</b>"), "2 < 3 and bold"),
            ("text", text("hi <at user_id=\"ou_1\">Old</at>, look"), "hi @Lin, look"),
            ("text", text("<at user_id=\"all\"></at> wake up <x>"), "@all wake up <x>"),
            ("interactive", card("[P1] disk"), "[P1] disk"),
            ("interactive", card(""), "Disk full"),
            ("image", json!({"image_key": "img_1"}), "[image]"),
        ];
        for (kind, content, want) in cases {
            assert_eq!(preview(kind, &content, &|_| "Lin".to_owned()), want);
        }
    }
}
