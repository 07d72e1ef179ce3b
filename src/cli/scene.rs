//! What simulate, test and replay set on the stage: rules, cards and the zone.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::app::rehearsal::{Play, Rehearsal};
use crate::app::{self, CheckedRules, SystemClock};
use crate::domain::Clock as _;
use crate::feishu::Cards;
use crate::rules::RuleSet;
use crate::sandbox::Fault;
use crate::settings::{Settings, SettingsError, UrgentVia};

/// How cards look and times read.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) zone: TimeZone,
    cards: Cards,
    urgent_via: UrgentVia,
}

impl Scene {
    /// As the settings say.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let (cards, problems) = app::read_cards(settings)?;
        if let Some(problem) = problems.first() {
            anyhow::bail!("{problem}");
        }
        Ok(Self { zone: settings.timezone.clone(), cards, urgent_via: settings.feishu.urgent_via })
    }

    /// The same in another zone.
    pub(super) fn in_zone(&self, zone: TimeZone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// Sets the stage for one rehearsal.
    pub(super) fn rehearse(
        &self,
        rules: Arc<RuleSet>,
        begins: Timestamp,
        faults: Vec<Fault>,
    ) -> anyhow::Result<Rehearsal> {
        let (cards, zone) = (self.cards.clone(), self.zone.clone());
        Rehearsal::new(Play { rules, cards, zone, urgent_via: self.urgent_via, begins, faults })
    }
}

/// The scene and the rules: those named, else those of the settings. With rules
/// named, settings that cannot be used (a secret that is not on this machine)
/// count as none, unless they were asked for.
pub(super) async fn set(
    named: &[PathBuf],
    (asked_for, settings): (bool, impl FnOnce() -> Result<Settings, SettingsError>),
) -> anyhow::Result<(Scene, CheckedRules)> {
    let settings = match settings() {
        Err(_) if !named.is_empty() && !asked_for => Settings::defaults()?,
        settings => settings?,
    };
    let own = [settings.rules.clone()];
    let checked = app::read_rules(if named.is_empty() { &own } else { named }, SystemClock.now()).await?;
    Ok((Scene::of(&settings)?, checked))
}
