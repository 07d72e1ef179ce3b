//! How a failed call is told, and whether making it again is of use.

use std::fmt;

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not done, or perhaps done: no connection, no answer, an answer that
    /// cannot be read, 429, 5xx. Make the same call again later.
    Retry,
    /// 401 or 403: nothing works until an operator acts.
    Credentials,
    /// Surely not done, and repeating is no use.
    GiveUp,
}

impl Verdict {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "unreachable",
            Self::Credentials => "credentials",
            Self::GiveUp => "refused",
        }
    }
}

/// A call that failed. Never holds credentials.
///
/// Written like `Alertmanager, silence: HTTP 400 end time can't be in the past`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    /// Which call: `silence`, `find_silence`, `expire_silence`, `read_silence`, `alerts` or `status`.
    pub api: &'static str,
    /// HTTP status; `None` when there was no answer.
    pub http: Option<u16>,
    /// Alertmanager's words, or what went wrong on the way.
    pub message: String,
    /// What it means.
    pub verdict: Verdict,
}

impl CallError {
    /// There was no answer, or none that makes sense.
    pub(crate) fn new(api: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { api, http: None, message: message.into(), verdict }
    }

    /// Alertmanager says that what was asked for does not exist. 0.25 answers
    /// 500 where later versions answer 404 (inputs.md §B).
    pub(crate) fn says_unknown(&self) -> bool {
        match self.http {
            Some(404) => self.message.is_empty() || self.message.contains("silence not found"),
            Some(500) => self.message.contains("silence not found"),
            _ => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alertmanager, {}:", self.api)?;
        if let Some(http) = self.http {
            write!(f, " HTTP {http}")?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, " {}", self.message) }
    }
}
