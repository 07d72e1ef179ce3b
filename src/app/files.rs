//! Reads rules and templates from disk; the rooms that understand them are pure.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::feishu::Cards;
use crate::rules::{RuleError, RuleSet, SourceFile, Warning};
use crate::settings::{Events, Locale, Settings};

/// The name of standard input as a path.
const STANDARD_INPUT: &str = "-";

/// Rules files as they were read, in the order of their names.
pub struct RuleFiles(Vec<(String, String)>);

impl RuleFiles {
    /// Reads rules files, and of folders every `*.yaml` and `*.yml`; hidden ones
    /// are what editors and mounts leave there. `-` is standard input.
    ///
    /// # Errors
    ///
    /// What cannot be read, and how to name another place.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
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
        Ok(Self(named))
    }

    /// Makes rules of all of them together.
    ///
    /// # Errors
    ///
    /// See [`RuleSet::load`].
    pub fn load(&self) -> Result<(RuleSet, Vec<Warning>), Vec<RuleError>> {
        let sources: Vec<_> = self.0.iter().map(|(path, text)| SourceFile { path, text }).collect();
        RuleSet::load(&sources)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// A line of a file, counted from 1.
    pub fn line(&self, path: &str, line: u64) -> Option<&str> {
        let (_, text) = self.0.iter().find(|(name, _)| name == path)?;
        text.lines().nth(usize::try_from(line.checked_sub(1)?).ok()?)
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
pub fn read_rules(paths: &[PathBuf]) -> anyhow::Result<CheckedRules> {
    match RuleFiles::read(paths)?.load() {
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
