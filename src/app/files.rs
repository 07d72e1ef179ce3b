//! Reads rules and templates from disk; the rooms that understand them are pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::calendars;
use crate::feishu::Cards;
use crate::rules::{
    CalendarAddress, CalendarCopy, Calendars, RuleError, RuleSet, SourceFile, UNREAD_CALENDAR, Warning,
    masked, shared_calendars,
};
use crate::settings::{Events, Locale, Settings};

/// The name of standard input as a path.
const STANDARD_INPUT: &str = "-";

/// A calendar without an event.
const EMPTY_CALENDAR: &str = "BEGIN:VCALENDAR\nEND:VCALENDAR\n";

/// Rules files as they were read, in the order of their names, with the shared
/// calendars that they name.
#[derive(Clone)]
pub struct RuleFiles {
    files: Vec<(String, String)>,
    calendars: Calendars,
}

impl RuleFiles {
    /// Reads rules files and the calendars that they name, asking servers for those that
    /// have an address.
    ///
    /// # Errors
    ///
    /// As [`read_files`](Self::read_files). A calendar that cannot be read is told by
    /// [`load`](Self::load).
    pub async fn read(paths: &[PathBuf], now: Timestamp) -> anyhow::Result<Self> {
        let mut files = Self::read_files(paths)?;
        files.calendars = calendars::read_all(&files.named(), now).await;
        Ok(files)
    }

    /// As [`read`](Self::read), without asking any server.
    pub(super) async fn read_offline(paths: &[PathBuf], now: Timestamp) -> anyhow::Result<Self> {
        let mut files = Self::read_files(paths)?;
        files.read_calendars_here(now).await;
        Ok(files)
    }

    /// Reads the calendars that are files.
    pub(super) async fn read_calendars_here(&mut self, now: Timestamp) {
        let here = self.named().into_iter().filter(|address| address.file().is_some()).collect();
        self.calendars = calendars::read_all(&here, now).await;
    }

    /// The calendars that were read, and why others were not.
    pub(super) fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Reads rules files, and of folders every `*.yaml` and `*.yml`; hidden ones
    /// are what editors and mounts leave there. `-` is standard input. Calendars are
    /// for the caller to [`give`](Self::give).
    ///
    /// # Errors
    ///
    /// What cannot be read, and how to name another place.
    pub(super) fn read_files(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut named = Vec::new();
        for path in paths {
            if path.as_os_str() == STANDARD_INPUT {
                let text =
                    std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?;
                named.push((STANDARD_INPUT.to_owned(), text));
                continue;
            }
            for file in rule_files(path)? {
                named.push((file.display().to_string(), read(&file)?));
            }
        }
        Ok(Self { files: named, calendars: Calendars::new() })
    }

    /// The calendars that they name.
    pub(super) fn named(&self) -> BTreeSet<CalendarAddress> {
        shared_calendars(&self.sources())
    }

    /// Those of which there is no copy.
    pub(super) fn lacking(&self) -> Vec<CalendarAddress> {
        self.named().into_iter().filter(|address| self.calendar(address).is_none()).collect()
    }

    /// The copy of a calendar.
    pub(super) fn calendar(&self, address: &CalendarAddress) -> Option<&CalendarCopy> {
        self.calendars.get(address)?.as_ref().ok()
    }

    /// Takes a calendar, or why there is none.
    pub(super) fn give(&mut self, address: CalendarAddress, copy: Result<CalendarCopy, String>) {
        self.calendars.insert(address, copy);
    }

    /// The same with nothing in any calendar, to see whether all else is right.
    pub(super) fn with_empty_calendars(&self, now: Timestamp) -> Self {
        let empty = CalendarCopy { text: EMPTY_CALENDAR.to_owned(), read_at: now };
        let calendars = self.named().into_iter().map(|address| (address, Ok(empty.clone()))).collect();
        Self { calendars, ..self.clone() }
    }

    fn sources(&self) -> Vec<SourceFile<'_>> {
        self.files.iter().map(|(path, text)| SourceFile { path, text }).collect()
    }

    /// Makes rules of all of them together.
    ///
    /// # Errors
    ///
    /// See [`RuleSet::load_with`].
    pub fn load(&self) -> Result<(RuleSet, Vec<Warning>), Vec<RuleError>> {
        RuleSet::load_with(&self.sources(), &self.calendars)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// A line of a file, counted from 1, to be shown: of addresses only the hosts can be read.
    pub fn line(&self, path: &str, line: u64) -> Option<String> {
        let (_, text) = self.files.iter().find(|(name, _)| name == path)?;
        text.lines().nth(usize::try_from(line.checked_sub(1)?).ok()?).map(masked)
    }
}

/// Rules that can be used, with what is questionable about them.
pub struct CheckedRules {
    /// The rules.
    pub rules: RuleSet,
    /// What a reviewer should look at.
    pub warnings: Vec<Warning>,
}

/// Reads rules as [`RuleFiles::read`] does, and makes one set of all.
///
/// # Errors
///
/// All mistakes in the rules at once, one per line with file, line and column;
/// or what cannot be read, and how to name another place.
pub async fn read_rules(paths: &[PathBuf], now: Timestamp) -> anyhow::Result<CheckedRules> {
    let checked = check(&RuleFiles::read(paths, now).await?)?;
    for warning in checked.warnings.iter().filter(|warning| warning.code == UNREAD_CALENDAR) {
        // Whoever asks who is on call must not take an empty layer for an answer.
        tracing::error!("{warning}");
    }
    Ok(checked)
}

/// Makes one set of all; all mistakes at once, one per line.
pub(super) fn check(files: &RuleFiles) -> anyhow::Result<CheckedRules> {
    match files.load() {
        Ok((rules, warnings)) => Ok(CheckedRules { rules, warnings }),
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            bail!("{}", lines.join("\n"))
        }
    }
}

fn rule_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let hint = "`rules:` in larkhorn.yaml or `--rules` names the file or folder";
    let entries = std::fs::read_dir(path)
        .with_context(|| format!("{}: rules cannot be read; {hint}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| format!("{}: rules cannot be read", path.display()))?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.is_file() && file.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{}: no *.yaml file with rules in this folder; {hint}", path.display());
    }
    files.sort();
    Ok(files)
}

/// The cards as the settings want them, with the templates of the folder in
/// place of their namesakes. The folder need not exist.
///
/// Also returns one problem for each template that cannot be parsed; where it
/// is to be used, the built-in one serves.
///
/// # Errors
///
/// A template file that cannot be read as text.
pub fn read_cards(settings: &Settings) -> anyhow::Result<(Cards, Vec<String>)> {
    let locale = settings.feishu.locale;
    let overrides = read_templates(&settings.templates, locale)?;
    let (cards, problems) = Cards::new(locale, settings.timezone.clone(), &overrides);
    // Buttons act only where their presses are heard.
    let heard = settings.feishu.events != Events::Off;
    let cards = match (heard, &settings.alertmanager_url) {
        (true, Some(_)) => cards.with_silences(),
        (true, None) => cards.with_buttons(),
        (false, _) => cards,
    };
    Ok((cards, problems))
}

/// The templates of a language in a folder, which need not exist: path below the
/// folder, and text.
///
/// # Errors
///
/// A template file that cannot be read as text.
pub(super) fn read_templates(folder: &Path, locale: Locale) -> anyhow::Result<Vec<(String, String)>> {
    let folder = folder.join(locale.as_str());
    let mut templates = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten() {
        let file = entry.with_context(|| format!("{}: templates cannot be read", folder.display()))?.path();
        let Some(name) = file.file_name().and_then(|n| n.to_str()) else { continue };
        if file.extension().is_some_and(|e| e == "hbs") {
            templates.push((format!("{}/{name}", locale.as_str()), read(&file)?));
        }
    }
    templates.sort();
    Ok(templates)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read as text", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_its_yaml_files_that_show() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", ".a.yaml", ".#a.yaml", "a.yaml.bak", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("c.yaml")).unwrap();
        let found = rule_files(folder.path()).unwrap();
        let names: Vec<_> = found.iter().filter_map(|file| file.file_name()).collect();
        assert_eq!(names, ["a.yaml", "b.yml"]);
    }
}
