//! What people answered about an incident, as JSON and back.
//!
//! Absent in rows of releases that knew no answers: nobody had answered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::{instant, stamp, unreadable};
use crate::domain::{Hold, Response, Standing};
use crate::store::StoreError;

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AnswerRow {
    pub(super) epoch: u64,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) paged: BTreeSet<String>,
    pub(super) catch_alls: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AcknowledgedRow>,
    /// Who said that it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldRow>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct AcknowledgedRow {
    by: String,
    at: String,
    expires_at: Option<String>,
    reminded: bool,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct HoldRow {
    kind: String,
    /// Who; empty for alerts that are not listed.
    by: String,
    since: Option<String>,
    until: String,
}

impl AnswerRow {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(standing: &Standing) -> Self {
        let (mut acknowledged, mut resolved_by) = (None, None);
        match &standing.response {
            Response::Open => {}
            Response::Acknowledged { by, at, expires_at, reminded } => {
                acknowledged = Some(AcknowledgedRow {
                    by: by.clone(),
                    at: stamp(*at),
                    expires_at: expires_at.map(stamp),
                    reminded: *reminded,
                });
            }
            Response::Resolved { by, .. } => resolved_by.clone_from(by),
        }
        let hold = standing.hold.as_ref().map(|hold| match hold {
            Hold::Snoozed { by, until } => held("snoozed", by, None, *until),
            Hold::Silenced { by, until } => held("silenced", by, None, *until),
            Hold::Unlisted { since, stale_at } => held("unlisted", "", Some(*since), *stale_at),
        });
        let (epoch, paged, catch_alls) = (standing.epoch, standing.paged.clone(), standing.catch_alls);
        Self { epoch, paged, catch_alls, acknowledged, resolved_by, hold }
    }

    /// Response and hold; `resolved_at` is a column of its own.
    pub(super) fn read(
        &self,
        resolved_at: Option<Timestamp>,
    ) -> Result<(Response, Option<Hold>), StoreError> {
        let response = match (resolved_at, &self.acknowledged) {
            (Some(at), _) => Response::Resolved { at, by: self.resolved_by.clone() },
            (None, Some(row)) => Response::Acknowledged {
                by: row.by.clone(),
                at: instant(&row.at)?,
                expires_at: row.expires_at.as_deref().map(instant).transpose()?,
                reminded: row.reminded,
            },
            (None, None) => Response::Open,
        };
        Ok((response, self.hold.as_ref().map(HoldRow::read).transpose()?))
    }
}

fn held(kind: &str, by: &str, since: Option<Timestamp>, until: Timestamp) -> HoldRow {
    HoldRow { kind: kind.to_owned(), by: by.to_owned(), since: since.map(stamp), until: stamp(until) }
}

impl HoldRow {
    fn read(&self) -> Result<Hold, StoreError> {
        let (by, until) = (self.by.clone(), instant(&self.until)?);
        Ok(match self.kind.as_str() {
            "snoozed" => Hold::Snoozed { by, until },
            "silenced" => Hold::Silenced { by, until },
            "unlisted" => {
                let since = self.since.as_deref().map_or(Ok(until), instant)?;
                Hold::Unlisted { since, stale_at: until }
            }
            other => return Err(unreadable("hold", format_args!("unknown kind `{other}`"))),
        })
    }
}
