//! Words the answer to a callback.

use serde_json::{Map, Value, json};

/// A line that the presser alone sees for some seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// How it looks.
    pub kind: ToastKind,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// How a toast looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToastKind {
    /// Green: done.
    Success,
    /// Blue: to know.
    Info,
    /// Yellow: not as wished.
    Warning,
    /// Red: failed.
    Error,
}

impl Toast {
    /// A toast in both languages.
    pub fn new(kind: ToastKind, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { kind, zh: zh.into(), en: en.into() }
    }
}

impl ToastKind {
    /// Feishu's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The body of the answer: a toast, the card as it is now (its JSON text), both
/// or neither. A card that is no JSON object is left out, for Feishu would throw
/// the toast away with it (200672). Clients in other languages read English.
pub fn reply(toast: Option<&Toast>, card: Option<&str>) -> Value {
    let mut body = Map::new();
    if let Some(toast) = toast {
        let i18n = json!({"zh_cn": toast.zh, "en_us": toast.en});
        let toast = json!({"type": toast.kind.as_str(), "content": toast.en, "i18n": i18n});
        body.insert("toast".into(), toast);
    }
    if let Some(card) = card.and_then(|card| serde_json::from_str::<Map<String, Value>>(card).ok()) {
        body.insert("card".into(), json!({"type": "raw", "data": card}));
    }
    Value::Object(body)
}
