//! Says in one sentence why a body is refused and where it went wrong.
//!
//! The sentence ends up in the sender's log, so it holds little of the body:
//! excerpts of at most [`EXCERPT_CHARS`] characters, without control characters.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use serde_json::error::Category;

/// How much of a name or value an error may repeat.
const EXCERPT_CHARS: usize = 40;

/// Why a body can't be decoded, as one sentence for the sender's log.
///
/// Opaque on purpose: every caller answers 400 and passes the sentence on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(Box<str>);

impl DecodeError {
    pub(super) fn new(sentence: impl Into<Box<str>>) -> Self {
        Self(sentence.into())
    }

    /// Turns the parser's error into a sentence, with the path that `trail` noted.
    pub(super) fn explain(error: &serde_json::Error, trail: &Trail) -> Self {
        let (line, column) = (error.line(), error.column());
        let full = error.to_string();
        let message = full.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&full);
        let path = trail.path();
        Self::new(match error.classify() {
            Category::Data => format!("{path}: {message} (line {line} column {column})"),
            Category::Eof => {
                format!("the JSON is cut off at line {line} column {column}: {message}")
            }
            Category::Syntax | Category::Io => {
                format!("the body is not JSON: {message} at line {line} column {column}")
            }
        })
    }
}

/// The way from the body's root to where decoding failed.
///
/// Noted while an error travels outwards, so a body that is in order pays nothing.
#[derive(Debug, Default)]
pub(super) struct Trail(RefCell<Vec<String>>);

impl Trail {
    /// The failure is inside this field.
    pub(super) fn field(&self, name: &str) {
        self.0.borrow_mut().push(format!(".{}", Excerpt(name)));
    }

    /// The failure is inside this element, counted from 0.
    pub(super) fn index(&self, index: u64) {
        self.0.borrow_mut().push(format!("[{index}]"));
    }

    fn path(&self) -> String {
        let path: String = self.0.borrow().iter().rev().map(String::as_str).collect();
        match path.strip_prefix('.') {
            Some(path) => path.to_owned(),
            None if path.is_empty() => "the body".to_owned(),
            None => path,
        }
    }
}

/// The beginning of a sender's text, fit for one line of a log.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(EXCERPT_CHARS) {
            f.write_char(if c.is_control() { '\u{FFFD}' } else { c })?;
        }
        if rest.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_hold_no_control_characters() {
        assert_eq!(Excerpt("a\nb").to_string(), "a\u{FFFD}b");
        assert_eq!(Excerpt(&"值".repeat(40)).to_string(), "值".repeat(40));
        assert_eq!(Excerpt(&"值".repeat(41)).to_string(), format!("{}…", "值".repeat(40)));
    }

    #[test]
    fn a_trail_reads_from_the_root() {
        let trail = Trail::default();
        assert_eq!(trail.path(), "the body");
        trail.field("severity");
        trail.field("labels");
        trail.index(3);
        trail.field("alerts");
        assert_eq!(trail.path(), "alerts[3].labels.severity");
    }
}
