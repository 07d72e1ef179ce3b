//! Reads rules and templates again while running.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::files;
use crate::feishu::Cards;
use crate::http::Reload;
use crate::rules::RuleSet;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Reloads from the files that the settings name. All or nothing.
pub(super) struct FileReload {
    settings: Settings,
    rules: Arc<ArcSwap<RuleSet>>,
    cards: Arc<ArcSwap<Cards>>,
    metrics: Metrics,
}

impl FileReload {
    pub(super) fn new(
        settings: Settings,
        rules: Arc<ArcSwap<RuleSet>>,
        cards: Arc<ArcSwap<Cards>>,
        metrics: Metrics,
    ) -> Self {
        Self { settings, rules, cards, metrics }
    }

    fn read(&self) -> anyhow::Result<(files::CheckedRules, Cards)> {
        Ok((files::read_rules(&self.settings.rules)?, files::read_cards(&self.settings)?))
    }
}

#[async_trait]
impl Reload for FileReload {
    async fn reload(&self) -> Result<(), Vec<String>> {
        // Files of a few kilobytes: reading them here holds up nobody.
        match self.read() {
            Ok((checked, cards)) => {
                for warning in &checked.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(rules = checked.rules.rules().len(), "rules and templates read again");
                self.rules.store(Arc::new(checked.rules));
                self.cards.store(Arc::new(cards));
                self.metrics.reloaded(true);
                Ok(())
            }
            Err(error) => {
                self.metrics.reloaded(false);
                Err(format!("{error:#}").lines().map(str::to_owned).collect())
            }
        }
    }
}
