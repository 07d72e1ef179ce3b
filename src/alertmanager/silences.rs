//! Silences: made once, ended, looked at.

use std::fmt;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Call, Client, misread, parsed};
use super::error::{CallError, Verdict};
use super::filters::{filters, is_plain};
use crate::domain::Labels;

/// So long ago silences are asked to have begun. Alertmanager begins at once
/// what began in the past (inputs.md §B); with a clock that runs behind ours
/// a silence from our `now` on would be pending for a while.
const HEAD_START: SignedDuration = SignedDuration::from_mins(5);

/// Alertmanager's name of a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SilenceId(Uuid);

impl SilenceId {
    /// Reads what its `Display` writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A silence somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// What is muted: alerts that have all these labels. Empty values are left out.
    pub matchers: Labels<'static>,
    /// When it ends.
    pub until: Timestamp,
    /// Who wants it, as Alertmanager shows it.
    pub author: String,
    /// What for, as its comment says: `INC-142`, perhaps with a title or link.
    pub incident: String,
    /// One for each wish, the same for every try. Always goes with the same matchers.
    pub marker: Uuid,
}

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SilencePhase {
    /// It begins later.
    Pending,
    /// It mutes.
    Active,
    /// It has ended, by itself or by somebody's hand.
    Expired,
}

/// What Alertmanager says of a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceState {
    /// Where it stands.
    pub phase: SilencePhase,
    /// When it ends or ended. People may change it in Alertmanager.
    pub until: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(deserialize_with = "parsed")]
    id: Uuid,
    status: ToldStatus,
    comment: String,
    #[serde(deserialize_with = "parsed")]
    ends_at: Timestamp,
}

#[derive(Deserialize)]
struct ToldStatus {
    state: ToldState,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToldState {
    Pending,
    Active,
    Expired,
}

impl ToldState {
    fn phase(&self) -> SilencePhase {
        match self {
            Self::Pending => SilencePhase::Pending,
            Self::Active => SilencePhase::Active,
            Self::Expired => SilencePhase::Expired,
        }
    }
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "silenceID", deserialize_with = "parsed")]
    id: Uuid,
}

impl Client {
    /// Makes the silence, unless one with its marker has been made and not ended.
    ///
    /// After a failure whose verdict is [`Verdict::Retry`] call again with the
    /// same marker: what the first try did is found by its comment. Two are
    /// made only if a request that was given up on here reaches Alertmanager
    /// after the next try has looked; or if `url` leads to one cluster member
    /// now and to another before they have told each other.
    pub async fn silence(&self, now: Timestamp, wanted: &Silence) -> Result<SilenceId, CallError> {
        let matchers: Vec<_> = wanted.matchers.iter().filter(|(_, value)| !value.is_empty()).collect();
        let senseless = |why: &str| Err(CallError::new("silence", Verdict::GiveUp, why));
        if matchers.is_empty() {
            return senseless("without labels it would mute everything");
        }
        if wanted.until <= now {
            return senseless("it would have ended already");
        }
        let _turn = self.silencing().lock().await;
        if let Some(made) = self.find(wanted).await? {
            return Ok(made);
        }
        self.create(now, wanted, &matchers).await
    }

    /// The silence of that wish that has not ended.
    async fn find(&self, wanted: &Silence) -> Result<Option<SilenceId>, CallError> {
        let (query, marker) = (filters(&wanted.matchers), wanted.marker.to_string());
        let mut found = None;
        let look = |told: Told| {
            let ended = matches!(told.status.state, ToldState::Expired);
            if ended || !told.comment.contains(&marker) {
                return ControlFlow::Continue(());
            }
            found = Some(SilenceId(told.id));
            ControlFlow::Break(())
        };
        self.list(&Call::get("find_silence", &["silences"], &query), look).await?;
        Ok(found)
    }

    async fn create(
        &self,
        now: Timestamp,
        wanted: &Silence,
        matchers: &[(&str, &str)],
    ) -> Result<SilenceId, CallError> {
        let exact: Vec<Value> = matchers
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true}))
            .collect();
        let body = json!({
            "matchers": exact,
            "startsAt": now.checked_sub(HEAD_START).unwrap_or(now).to_string(),
            "endsAt": wanted.until.to_string(),
            "createdBy": wanted.author,
            "comment": format!("{} · {} · larkhorn {}", wanted.incident, wanted.author, wanted.marker),
        });
        let method = Method::POST;
        let call = Call { api: "silence", method, path: &["silences"], query: &[], body: Some(&body) };
        let strange = matchers.iter().map(|(name, _)| *name).find(|name| !is_plain(name));
        match (self.read(&call).await, strange) {
            (Ok(Created { id }), _) => Ok(SilenceId(id)),
            (Err(error), Some(name)) if error.http == Some(400) => {
                let advice = format!(
                    "(label names like {name:?} need Alertmanager 0.27 or newer with UTF-8 matchers)"
                );
                Err(CallError { message: format!("{} {advice}", error.message), ..error })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Ends what was made of a wish, if anything was.
    pub async fn withdraw(&self, wanted: &Silence) -> Result<(), CallError> {
        let _turn = self.silencing().lock().await;
        match self.find(wanted).await? {
            Some(made) => self.expire(&made).await,
            None => Ok(()),
        }
    }

    /// Ends every silence that was made here for an incident (the first word of
    /// [`Silence::incident`]) and has not ended. `matchers`: those of the silences.
    pub async fn end_silences(&self, matchers: &Labels<'_>, incident: &str) -> Result<(), CallError> {
        let (query, start) = (filters(matchers), format!("{incident} "));
        let mut found = Vec::new();
        let look = |told: Told| {
            let ours = told.comment.starts_with(&start) && told.comment.contains(" · larkhorn ");
            if ours && !matches!(told.status.state, ToldState::Expired) {
                found.push(SilenceId(told.id));
            }
            ControlFlow::Continue(())
        };
        let _turn = self.silencing().lock().await;
        self.list(&Call::get("find_silence", &["silences"], &query), look).await?;
        for made in &found {
            self.expire(made).await?;
        }
        Ok(())
    }

    /// Ends a silence now. Fine as well when it has ended or never was.
    pub async fn expire(&self, id: &SilenceId) -> Result<(), CallError> {
        let (id, method) = (id.to_string(), Method::DELETE);
        let call = Call { api: "expire_silence", method, path: &["silence", &id], query: &[], body: None };
        match self.ask(&call).await {
            Err(error) if !error.says_unknown() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Where a silence stands; `None` when Alertmanager does not know it (any
    /// more: it forgets ended ones, by default after 120 h).
    pub async fn silence_state(&self, id: &SilenceId) -> Result<Option<SilenceState>, CallError> {
        let id = id.to_string();
        match self.read::<Told>(&Call::get("read_silence", &["silence", &id], &[])).await {
            Ok(told) if told.id.to_string() != id => {
                Err(misread("read_silence", "it is about another silence"))
            }
            Ok(told) => Ok(Some(SilenceState { phase: told.status.state.phase(), until: told.ends_at })),
            Err(error) if error.says_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
