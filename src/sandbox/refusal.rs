//! How Feishu says no.

use serde_json::{Value, json};

/// A call that is answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// HTTP status.
    pub(super) status: u16,
    /// Feishu's code.
    pub(super) code: i64,
    /// Feishu's words, with the real reason after `ext=`.
    pub(super) msg: String,
    /// Extras for the `error` object, besides the log id.
    pub(super) extras: Vec<(&'static str, Value)>,
    /// Seconds for `x-ogw-ratelimit-reset`, on 429 only.
    pub(super) reset_s: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: i64, msg: impl Into<String>) -> Self {
        Self { status: 400, code, msg: msg.into(), extras: Vec::new(), reset_s: None }
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// 230001, the catch-all for wrong parameters.
    pub(super) fn parameter(ext: &str) -> Self {
        Self::new(230_001, format!("Your request contains an invalid request parameter, ext={ext}"))
    }

    /// A required field is missing or out of its bounds.
    pub(super) fn field(name: &str, description: &str) -> Self {
        let violation = json!([{"field": name, "description": description}]);
        let mut refusal = Self::new(99_992_402, "field validation failed");
        refusal.extras.push(("field_violations", violation));
        refusal
    }

    /// A field has the wrong JSON type, or the body is no JSON at all.
    pub(super) fn malformed(what: &str) -> Self {
        Self::new(9499, format!("Bad Request: {what}"))
    }

    /// 230099 with the inner code that names the real reason.
    pub(super) fn card(inner: i64, why: &str) -> Self {
        Self::new(230_099, format!("Failed to create card content, ext=ErrCode: {inner}; ErrMsg: {why};"))
    }

    /// 230020: more than 5 a second at one target.
    pub(super) fn too_frequent(ext: &str) -> Self {
        Self::new(230_020, format!("This operation triggers the frequency limit, ext={ext}"))
    }

    /// 429: the call as a whole is over its limit.
    pub(super) fn rate_limited(reset_s: u64) -> Self {
        let mut refusal = Self::new(99_991_400, "request trigger frequency limit").status(429);
        refusal.reset_s = Some(reset_s);
        refusal
    }

    pub(super) fn scope_missing(scopes: &[&str]) -> Self {
        let list = scopes.join(", ");
        let mut refusal = Self::new(
            99_991_672,
            format!("Access denied. One of the following scopes is required: [{list}]."),
        );
        let violations: Vec<Value> =
            scopes.iter().map(|s| json!({"type": "action_scope_required", "subject": s})).collect();
        refusal.extras.push(("permission_violations", Value::Array(violations)));
        refusal
    }

    /// The body, with the log id in its extras.
    pub(super) fn body(&self, log_id: &str) -> Value {
        let mut error = json!({"log_id": log_id});
        if let Some(map) = error.as_object_mut() {
            for (key, value) in &self.extras {
                map.insert((*key).to_owned(), value.clone());
            }
        }
        json!({"code": self.code, "msg": self.msg, "error": error})
    }
}
