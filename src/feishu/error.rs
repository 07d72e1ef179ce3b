//! How a failed call is told.

use std::fmt;

use super::verdict::{Api, Verdict};

/// A call that failed, with all an operator needs to ask Feishu about it.
///
/// Never holds the app secret or a token. Written like
/// `urgent_phone: 230024 quota used up (log id 2024…)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    /// Which call, as in the metrics.
    pub api: &'static str,
    /// HTTP status; `None` when there was no answer.
    pub http: Option<u16>,
    /// Feishu's code; `None` when the answer had none.
    pub code: Option<i64>,
    /// Feishu's words with their `ext=` part, or what went wrong on the way.
    pub message: String,
    /// Feishu's id of the call, to be quoted to its support.
    pub log_id: Option<String>,
    /// What it means.
    pub verdict: Verdict,
}

impl CallError {
    pub(crate) fn unanswered(api: Api, verdict: Verdict, message: impl Into<String>) -> Self {
        let api = api.as_str();
        Self { api, http: None, code: None, message: message.into(), log_id: None, verdict }
    }

    /// What it is counted as: Feishu's code, else the HTTP status, else -1.
    pub fn counted_code(&self) -> i64 {
        self.code.or(self.http.map(i64::from)).unwrap_or(-1)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.api)?;
        match (self.code, self.http) {
            (Some(code), _) => write!(f, "{code} ")?,
            (None, Some(http)) => write!(f, "HTTP {http} ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)?;
        self.log_id.as_ref().map_or(Ok(()), |id| write!(f, " (log id {id})"))
    }
}
