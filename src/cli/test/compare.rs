//! Expected pages beside those there were.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::app::rehearsal::Told;
use crate::cli::columns::Cell;
use crate::cli::output::Tone;
use crate::domain::Urgent;
use crate::rules::{Case, ExpectedPage, format_duration};

/// One person buzzed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    at: SignedDuration,
    urgent: Urgent,
    to: String,
    step: Option<u32>,
    round: Option<u32>,
    rule: Option<String>,
    severity: Option<String>,
}

/// A page that was expected, that came, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// `same`, `missing` or `unexpected`.
    pub(super) is: &'static str,
    after: String,
    urgent: &'static str,
    to: String,
    /// Step, round, rule and severity, as far as they are known.
    which: String,
}

impl Page {
    /// The pages of an incident.
    pub(super) fn of(told: &Told, begins: Timestamp) -> Vec<Self> {
        let pages = told.pages().flat_map(|page| {
            page.to.iter().map(|name| Self {
                at: page.at.duration_since(begins),
                urgent: page.urgent.unwrap_or(Urgent::None),
                to: name.clone(),
                step: page.step.map(|(step, _)| u32::from(step) + 1),
                round: page.step.map(|(_, round)| u32::from(round) + 1),
                rule: Some(told.incident.key.rule.clone()),
                severity: Some(told.incident.standing.severity.name.clone()),
            })
        });
        pages.collect()
    }

    fn expected(page: &ExpectedPage) -> Vec<Self> {
        let pages = page.to.iter().map(|name| Self {
            at: page.at,
            urgent: page.urgent,
            to: name.clone(),
            step: page.step,
            round: page.round,
            rule: page.rule.clone(),
            severity: page.severity.clone(),
        });
        pages.collect()
    }

    /// Whether what came is what was expected.
    fn is_met_by(&self, came: &Self) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, is: Option<&T>) -> bool {
            wanted.is_none() || wanted == is
        }
        (self.at, self.urgent, &self.to) == (came.at, came.urgent, &came.to)
            && fits(self.step.as_ref(), came.step.as_ref())
            && fits(self.round.as_ref(), came.round.as_ref())
            && fits(self.rule.as_ref(), came.rule.as_ref())
            && fits(self.severity.as_ref(), came.severity.as_ref())
    }

    /// How much it says; the choosiest expectations have the first choice.
    fn demands(&self) -> usize {
        let said = [self.step.is_some(), self.round.is_some(), self.rule.is_some(), self.severity.is_some()];
        said.into_iter().filter(|said| *said).count()
    }

    fn line(&self, is: &'static str) -> Line {
        let numbers = [("step", self.step), ("round", self.round)];
        let numbers = numbers.into_iter().filter_map(|(word, n)| Some(format!("{word} {}", n?)));
        let words = [("rule", &self.rule), ("severity", &self.severity)];
        let words = words.into_iter().filter_map(|(word, name)| Some(format!("{word} {}", name.as_ref()?)));
        Line {
            is,
            after: format_duration(self.at),
            urgent: self.urgent.as_str(),
            to: self.to.clone(),
            which: numbers.chain(words).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Line {
    pub(super) fn cells(&self) -> Vec<Cell> {
        let (sign, tone, word) = match self.is {
            "missing" => ("-", Some(Tone::Red), "expected, did not come"),
            "unexpected" => ("+", Some(Tone::Green), "came, was not expected"),
            _ => ("", None, ""),
        };
        let cells = [sign, &self.after, self.urgent, &self.to, &self.which, word].map(Cell::new);
        cells.into_iter().map(|cell| tone.map_or(cell.clone(), |tone| cell.tone(tone))).collect()
    }

    /// The same in one line of text.
    pub(super) fn words(&self) -> String {
        let sign = match self.is {
            "missing" => '-',
            "unexpected" => '+',
            _ => ' ',
        };
        format!("{sign} {} {} {} {}", self.after, self.urgent, self.to, self.which).trim_end().to_owned()
    }
}

/// Whether the pages of a test are those expected; all of them in order.
pub(super) fn compare(case: &Case, mut pages: Vec<Page>) -> (bool, Vec<Line>) {
    let mut wanted: Vec<Page> = case.pages.iter().flat_map(Page::expected).collect();
    wanted.sort_by_key(|page| std::cmp::Reverse(page.demands()));
    let mut lines: Vec<(SignedDuration, u8, Line)> = Vec::new();
    for page in wanted {
        match pages.iter().position(|came| page.is_met_by(came)) {
            Some(at) => lines.push((page.at, 0, pages.swap_remove(at).line("same"))),
            None => lines.push((page.at, 1, page.line("missing"))),
        }
    }
    lines.extend(pages.iter().map(|page| (page.at, 2, page.line("unexpected"))));
    lines.sort_by(|a, b| (a.0, a.1, &a.2.to).cmp(&(b.0, b.1, &b.2.to)));
    let same = lines.iter().all(|(_, differs, _)| *differs == 0);
    (same, lines.into_iter().map(|(.., line)| line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(minutes: i64, to: &str, step: Option<u32>) -> Page {
        let at = SignedDuration::from_mins(minutes);
        let (rule, severity) = (Some("db".to_owned()), Some("critical".to_owned()));
        Page { at, urgent: Urgent::App, to: to.to_owned(), step, round: Some(1), rule, severity }
    }

    fn case(pages: Vec<ExpectedPage>) -> Case {
        let until = SignedDuration::from_mins(9);
        let (now, name) = (Timestamp::UNIX_EPOCH, "t".to_owned());
        Case { name, place: (1, 1), now, events: Vec::new(), pages, none_after: None, until }
    }

    fn expected(minutes: i64, to: &[&str], step: Option<u32>) -> ExpectedPage {
        ExpectedPage {
            at: SignedDuration::from_mins(minutes),
            urgent: Urgent::App,
            to: to.iter().map(|name| (*name).to_owned()).collect(),
            step,
            round: None,
            rule: None,
            severity: None,
        }
    }

    #[test]
    fn what_is_not_said_may_be_anything() {
        let case = case(vec![expected(0, &["lin"], None), expected(0, &["lin"], Some(2))]);
        let (same, _) = compare(&case, vec![page(0, "lin", Some(2)), page(0, "lin", Some(1))]);
        assert!(same, "the choosier one chooses first");
    }

    #[test]
    fn differences_are_told_in_the_order_of_time() {
        let case = case(vec![expected(0, &["lin", "mara"], Some(1)), expected(3, &["lin"], Some(2))]);
        let pages = vec![page(5, "mara", Some(3)), page(0, "lin", Some(1)), page(3, "lin", Some(1))];
        let (same, lines) = compare(&case, pages);
        let words: Vec<String> = lines.iter().map(Line::words).collect();
        assert!(!same);
        assert_eq!(
            words,
            [
                "  0s app lin step 1, round 1, rule db, severity critical",
                "- 0s app mara step 1",
                "- 3m app lin step 2",
                "+ 3m app lin step 1, round 1, rule db, severity critical",
                "+ 5m app mara step 3, round 1, rule db, severity critical",
            ]
        );
    }
}
