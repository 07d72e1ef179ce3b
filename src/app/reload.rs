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

/// Reloads from the files that the settings name. All or nothing: unlike at the
/// start there is something better than the built-in template, the one in force.
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

    fn read(&self) -> Result<(files::CheckedRules, Cards), Vec<String>> {
        let lines = |error: anyhow::Error| format!("{error:#}").lines().map(str::to_owned).collect();
        let cards = files::read_cards(&self.settings).map_err(lines);
        let checked = files::read_rules(std::slice::from_ref(&self.settings.rules)).map_err(lines);
        match (checked, cards) {
            (Ok(checked), Ok((cards, problems))) if problems.is_empty() => Ok((checked, cards)),
            (checked, cards) => {
                let of_cards = cards.map_or_else(|errors| errors, |(_, problems)| problems);
                Err(checked.err().into_iter().flatten().chain(of_cards).collect())
            }
        }
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
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("not reloaded: {problem}");
                }
                self.metrics.reloaded(false);
                Err(problems)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const RULES: &str = "{chats: {sre: oc_1}, people: {lin: {open_id: ou_1}}, severities: [{name: critical, urgent: app}], \
                         rules: [{name: NAME, chat: sre, notify: [lin]}]}";

    #[tokio::test]
    async fn a_bad_file_of_either_kind_keeps_both_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("templates/en")).unwrap();
        fs::write(at("larkhorn.yaml"), "{rules: rules.yaml, feishu: {locale: en}}").unwrap();
        fs::write(at("rules.yaml"), RULES.replace("NAME", "old")).unwrap();
        let settings = Settings::load(Some(&at("larkhorn.yaml")), std::iter::empty()).unwrap();
        let rules = Arc::new(ArcSwap::from_pointee(
            files::read_rules(std::slice::from_ref(&settings.rules)).unwrap().rules,
        ));
        let cards = Arc::new(ArcSwap::from_pointee(files::read_cards(&settings).unwrap().0));
        let first = cards.load_full();
        let metrics = Metrics::new("0.0.1");
        let reload = FileReload::new(settings, rules.clone(), cards.clone(), metrics.clone());
        let name = || rules.load().rules()[0].name.clone();
        let told = |value: u8| {
            let line = format!("larkhorn_config_last_reload_successful {value}");
            assert!(metrics.encode(None).contains(&line), "{line}");
        };

        fs::write(at("rules.yaml"), RULES.replace("NAME", "new")).unwrap();
        fs::write(at("templates/en/alert.hbs"), "{{#if").unwrap();
        let errors = reload.reload().await.unwrap_err();
        assert!(matches!(&errors[..], [only] if only.contains("en/alert.hbs")), "{errors:?}");
        assert_eq!(name(), "old");
        assert!(Arc::ptr_eq(&first, &cards.load_full()));
        told(0);

        fs::write(at("rules.yaml"), "rules: [").unwrap();
        let errors = reload.reload().await.unwrap_err();
        assert_eq!(errors.len(), 2, "rules and template are both named: {errors:?}");

        fs::write(at("rules.yaml"), RULES.replace("NAME", "new")).unwrap();
        fs::remove_file(at("templates/en/alert.hbs")).unwrap();
        reload.reload().await.unwrap();
        assert_eq!(name(), "new");
        assert!(!Arc::ptr_eq(&first, &cards.load_full()));
        told(1);
    }
}
