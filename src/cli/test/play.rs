//! Plays the tests of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compare::{self, Page};
use super::sender::Sender;
use super::{Report, Verdict, shown};
use crate::app::rehearsal::{Cue, Curtain, Happens};
use crate::app::{self, SystemClock};
use crate::cli::output::read;
use crate::cli::scene::Scene;
use crate::domain::Clock;
use crate::rules::{Case, CaseDeed, Cases, RuleSet, format_duration, parse_cases};

/// What came of a file's tests.
///
/// # Errors
///
/// When the stage cannot be set; a bad file is a report, not an error.
pub(super) async fn file(file: &Path, scene: &Scene) -> anyhow::Result<Report> {
    let mut report = Report { file: shown(file), errors: Vec::new(), tests: Vec::new() };
    let (cases, rules) = match understand(file).await {
        Ok(understood) => understood,
        Err(errors) => {
            report.errors = errors;
            return Ok(report);
        }
    };
    let scene = scene.in_zone(cases.zone.clone());
    let folder = folder(file);
    for case in &cases.tests {
        let began = SystemClock.now();
        let mut verdict = play(case, &rules, &scene, &folder).await?;
        verdict.seconds = SystemClock.now().duration_since(began).as_secs_f64();
        report.tests.push(verdict);
    }
    Ok(report)
}

/// The tests, and the rules that they are about.
async fn understand(file: &Path) -> Result<(Cases, Arc<RuleSet>), Vec<String>> {
    let lines = |error: anyhow::Error| format!("{error:#}").lines().map(str::to_owned).collect::<Vec<_>>();
    let bytes = read(file).map_err(lines)?;
    let text = String::from_utf8(bytes).map_err(|_| vec![format!("{}: is not UTF-8", shown(file))])?;
    let cases = parse_cases(&shown(file), &text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let named: Vec<PathBuf> = cases.rules.iter().map(|path| folder(file).join(path)).collect();
    let checked = app::read_rules(&named, SystemClock.now()).await.map_err(lines)?;
    let rules = Arc::new(checked.rules);
    let strangers: Vec<String> = cases.tests.iter().flat_map(|case| strangers(case, &rules, file)).collect();
    if strangers.is_empty() { Ok((cases, rules)) } else { Err(strangers) }
}

/// Names in a test that the rules do not know: a test that can never pass, or
/// passes for no good reason.
fn strangers(case: &Case, rules: &RuleSet, file: &Path) -> Vec<String> {
    let known = |name: &str| rules.person(name).is_some();
    let people = || rules.people().map(|person| person.name.as_str()).collect::<Vec<_>>().join(", ");
    let acting = case.events.iter().filter_map(|event| match &event.what {
        CaseDeed::Act { by, rule, .. } => Some((event.place, by, rule.as_ref())),
        CaseDeed::Payload { .. } | CaseDeed::Alert { .. } => None,
    });
    let paged =
        case.pages.iter().flat_map(|page| page.to.iter().map(|name| (case.place, name, page.rule.as_ref())));
    let mut complaints = Vec::new();
    for ((line, column), name, rule) in acting.chain(paged) {
        let place = format!("{}:{line}:{column}", shown(file));
        if !known(name) {
            complaints.push(format!("{place}: the rules know no person {name:?}; known: {}", people()));
        }
        if let Some(rule) = rule.filter(|rule| rules.named(rule).is_none()) {
            complaints.push(format!("{place}: there is no rule {rule:?} in the rules under test"));
        }
    }
    complaints
}

async fn play(case: &Case, rules: &Arc<RuleSet>, scene: &Scene, folder: &Path) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict {
        name: case.name.clone(),
        line: case.place.0,
        ok: false,
        problems: Vec::new(),
        pages: Vec::new(),
        seconds: 0.0,
    };
    let script = match script(case, folder) {
        Ok(script) => script,
        Err(error) => {
            verdict.problems.push(format!("{error:#}"));
            return Ok(verdict);
        }
    };
    let mut rehearsal = scene.rehearse(rules.clone(), case.now, Vec::new())?;
    if let Err(error) = rehearsal.play(script, Curtain::After(case.until)).await {
        verdict.problems.push(format!("{error:#}"));
    }
    for refusal in rehearsal.refusals() {
        let after = format_duration(refusal.at.duration_since(case.now));
        verdict
            .problems
            .push(format!("at {after}: {} could not {}: {}", refusal.by, refusal.action, refusal.why));
    }
    let told = rehearsal.told().await?;
    rehearsal.end().await;
    let pages: Vec<Page> = told.iter().flat_map(|told| Page::of(told, case.now)).collect();
    let (same, lines) = compare::compare(case, pages);
    if !same {
        verdict.pages = lines;
    }
    verdict.ok = same && verdict.problems.is_empty();
    Ok(verdict)
}

fn script(case: &Case, folder: &Path) -> anyhow::Result<Vec<Cue>> {
    let mut sender = Sender::default();
    let mut events: Vec<_> = case.events.iter().collect();
    events.sort_by_key(|event| event.at);
    let cue = |event: &crate::rules::CaseEvent| {
        let at = case.now.checked_add(event.at)?;
        let what = match &event.what {
            CaseDeed::Payload { file, source } => {
                let body = read(&folder.join(file))?.into();
                Happens::Webhook { source: source.clone(), body }
            }
            CaseDeed::Alert { over, labels, source, receiver } => {
                let body = sender.post(receiver, labels, *over, at).into();
                Happens::Webhook { source: source.clone(), body }
            }
            CaseDeed::Act { by, action, rule } => {
                Happens::Act { by: Some(by.clone()), action: action.clone(), rule: rule.clone() }
            }
        };
        Ok(Cue { after: event.at, what })
    };
    events.into_iter().map(cue).collect()
}

/// Where the file lies; standard input lies here.
fn folder(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}
