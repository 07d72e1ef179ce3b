//! Reads rules and templates again while running.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::calendars::SharedCalendars;
use super::files::{self, RuleFiles};
use crate::feishu::Cards;
use crate::http::Reload;
use crate::rules::UNREAD_CALENDAR;
use crate::settings::Settings;
use crate::telemetry::Metrics;

/// Reloads from the files that the settings name. All or nothing: unlike at the
/// start there is something better than the built-in template, the one in force.
pub(super) struct FileReload {
    pub(super) settings: Settings,
    pub(super) calendars: Arc<SharedCalendars>,
    pub(super) cards: Arc<ArcSwap<Cards>>,
    pub(super) metrics: Metrics,
}

impl FileReload {
    /// The rules files with their calendars. One that is new here must have been read:
    /// the rules in force are better than some with an empty layer.
    async fn files(&self, in_force: &RuleFiles) -> anyhow::Result<RuleFiles> {
        let mut files = RuleFiles::read_files(std::slice::from_ref(&self.settings.rules))?;
        for address in files.lacking() {
            // A file is read again, as the rules are.
            if let Some(copy) = in_force.calendar(&address).filter(|_| address.url().is_some()) {
                files.give(address, Ok(copy.clone()));
            }
        }
        self.calendars.supply(&mut files).await;
        Ok(files)
    }

    async fn read(
        &self,
        in_force: &RuleFiles,
    ) -> Result<(RuleFiles, files::CheckedRules, Cards), Vec<String>> {
        let lines = |error: anyhow::Error| format!("{error:#}").lines().map(str::to_owned).collect();
        let cards = files::read_cards(&self.settings).map_err(lines);
        let files = self.files(in_force).await;
        let checked = files.and_then(|files| files::check(&files).map(|checked| (files, checked)));
        let checked = checked.map_err(lines).and_then(|(files, checked)| {
            let unread = checked.warnings.iter().filter(|warning| warning.code == UNREAD_CALENDAR);
            let unread: Vec<String> = unread.map(ToString::to_string).collect();
            if unread.is_empty() { Ok((files, checked)) } else { Err(unread) }
        });
        match (checked, cards) {
            (Ok((files, checked)), Ok((cards, problems))) if problems.is_empty() => {
                Ok((files, checked, cards))
            }
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
        let mut in_force = self.calendars.in_force().await;
        // Files of a few kilobytes: reading them here holds up nobody.
        match self.read(&in_force.files).await {
            Ok((files, checked, cards)) => {
                for warning in &checked.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(rules = checked.rules.rules().len(), "rules and templates read again");
                self.calendars.put(&mut in_force, files, checked.rules);
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
    use crate::app::SystemClock;
    use crate::domain::Clock;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Retention, Store};

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
        let files = RuleFiles::read_files(std::slice::from_ref(&settings.rules)).unwrap();
        let rules = Arc::new(ArcSwap::from_pointee(files::check(&files).unwrap().rules));
        let cards = Arc::new(ArcSwap::from_pointee(files::read_cards(&settings).unwrap().0));
        let first = cards.load_full();
        let metrics = Metrics::new("0.0.1");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&at("larkhorn.db"), Retention::default()).unwrap());
        let calendars = SharedCalendars::new(files, store, rules.clone(), clock, metrics.clone());
        let (calendars, metrics_told) = (Arc::new(calendars), metrics.clone());
        let reload = FileReload { settings, calendars, cards: cards.clone(), metrics: metrics_told };
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
