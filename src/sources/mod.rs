//! Decodes what senders post: bytes in, [`Alert`]s and a [`GroupHeader`] out;
//! and composes bodies where there is no sender ([`compose()`], [`recovered`]).
//!
//! Three formats are understood: Alertmanager's webhook, Grafana's (9 to 13),
//! which repeats Alertmanager's fields and adds its own, and Grafana's legacy
//! dashboard alerts. inputs.md is the source of every fact about them.
//!
//! # Invariants
//!
//! * A body is read once, front to back; text is borrowed from it wherever it
//!   holds no JSON escape. One alert is held at a time, whatever the body's size.
//! * What [`inspect`] accepts, [`visit`] and [`decode`] decode, alert for alert.
//! * No input panics or overflows the stack: nothing here recurses with the
//!   depth of the body.
//! * Unknown fields and versions are ignored, `null` maps are empty. A known
//!   field of the wrong type is an error that names it, never a guess.
//!
//! Only this room knows the senders' JSON. What an alert means, which rule owns
//! it and whether it is news belongs to `rules` and `escalation`; who may post
//! belongs to `http`.

mod compose;
mod detect;
mod error;
mod legacy;
mod shape;
mod webhook;

pub use compose::{compose, recovered};
pub use error::DecodeError;

use crate::domain::{Alert, AlertGroup, GroupHeader, SourceKind};

/// What the URL says about the format of its bodies.
///
/// Operators mix up URLs, so a hint only decides where the body leaves it
/// open: an Alertmanager body posted to `/webhook/grafana` is read as what it
/// is. Under a named URL less proof is asked for: a `receiver`, `groupLabels`
/// or any `version` beside the `alerts` will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `POST /webhook`: the body alone tells.
    Any,
    /// `POST /webhook/alertmanager`.
    Alertmanager,
    /// `POST /webhook/grafana`: unified or legacy.
    Grafana,
}

/// Tells which format a body is in, without checking the alerts in it.
///
/// Decided by the top-level fields alone (inputs.md §D). The error says what
/// was expected and what came instead, naming the well-known senders whose
/// bodies end up here by mistake.
pub fn detect(hint: Hint, body: &[u8]) -> Result<SourceKind, DecodeError> {
    detect::detect(hint, text_of(body)?)
}

/// Decodes a body of a known kind, handing each alert to `sink` as it comes.
///
/// The header is returned at the end because these formats send parts of it
/// after the alerts. On an error the alerts handed over so far stand for
/// nothing: [`inspect`] first where that matters.
pub fn visit<'a>(
    kind: SourceKind,
    body: &'a [u8],
    sink: &mut dyn FnMut(Alert<'a>),
) -> Result<GroupHeader<'a>, DecodeError> {
    let text = text_of(body)?;
    match kind {
        SourceKind::Alertmanager | SourceKind::Grafana => webhook::visit(kind, text, sink),
        SourceKind::GrafanaLegacy => legacy::visit(text, sink),
    }
}

/// Decodes a body of a known kind as a whole.
pub fn decode(kind: SourceKind, body: &[u8]) -> Result<AlertGroup<'_>, DecodeError> {
    let mut alerts = Vec::new();
    let header = visit(kind, body, &mut |alert| alerts.push(alert))?;
    Ok(AlertGroup { header, alerts })
}

/// Finds out the kind of a body, checks all of it and counts its alerts.
///
/// One pass that keeps nothing for the bodies that are in order; why another
/// is refused is found out by reading it again, slowly.
pub fn inspect(hint: Hint, body: &[u8]) -> Result<(SourceKind, u64), DecodeError> {
    if let Some(seen) = webhook::check(hint, text_of(body)?) {
        return Ok(seen);
    }
    let kind = detect(hint, body)?;
    let mut alerts = 0;
    visit(kind, body, &mut |_| alerts += 1)?;
    Ok((kind, alerts))
}

/// Whether a payload lists all that fires in a group of its sender's, so that
/// what it leaves out is no longer listed. Not so where the sender names no
/// group, has left alerts out, or tells only of changes (legacy Grafana).
pub fn is_complete(header: &GroupHeader<'_>) -> bool {
    names_group(header) && header.truncated_alerts == 0
}

/// Whether the sender names the group that its alerts are listed in.
pub fn names_group(header: &GroupHeader<'_>) -> bool {
    let lists = matches!(header.kind, SourceKind::Alertmanager | SourceKind::Grafana);
    lists && !header.group_key.starts_with(webhook::DERIVED)
}

fn text_of(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| {
        DecodeError::new(format!("the body is not UTF-8: byte {} fits no character", error.valid_up_to() + 1))
    })
}
