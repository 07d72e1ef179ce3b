//! Unit tests of rules: what comes in, what people do, who shall be paged.
//!
//! Reads the file and checks everything that can be checked without the rules
//! themselves. Nothing is run here, and no file that it names is opened.
//!
//! # What the expectations mean
//!
//! The pages listed are all there are, from the beginning to the last event,
//! the last page listed or `none_after`, whatever comes last. With `none_after`
//! nobody is paged any more after it, for a day or up to `until`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::document::{self, Entries, OneOrMany, Text};
use super::duration;
use super::finding::{Finding, unknown};
use crate::domain::{Action, Labels, Urgent};

/// A file of unit tests.
#[derive(Debug)]
pub struct Cases {
    /// Rules under test: files or folders, as written; relative to this file.
    pub rules: Vec<String>,
    /// The zone of `now` and of the month that budgets count.
    pub zone: TimeZone,
    /// The tests, in order.
    pub tests: Vec<Case>,
}

/// A test.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it stands: line and column, from 1.
    pub place: (u64, u64),
    /// When it begins.
    pub now: Timestamp,
    /// What happens, as written.
    pub events: Vec<CaseEvent>,
    /// Who shall be paged, as written.
    pub pages: Vec<ExpectedPage>,
    /// Nobody is paged after this.
    pub none_after: Option<SignedDuration>,
    /// The end of what is looked at.
    pub until: SignedDuration,
}

/// Something that happens in a test.
#[derive(Debug, Clone)]
pub struct CaseEvent {
    /// How long after the beginning. Not negative.
    pub at: SignedDuration,
    /// Where it stands.
    pub place: (u64, u64),
    /// What.
    pub what: CaseDeed,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum CaseDeed {
    /// A webhook whose body is in that file, relative to this one.
    Payload {
        /// As written.
        file: String,
        /// As `?source=` names it.
        source: Option<String>,
    },
    /// An alert fires, or fires on; or has recovered.
    Alert {
        /// Whether it is over.
        over: bool,
        /// Its labels.
        labels: Labels<'static>,
        /// As `?source=` names it.
        source: Option<String>,
        /// The sender's receiver.
        receiver: String,
    },
    /// Somebody does something about the open incidents.
    Act {
        /// Who, by the rules' name.
        by: String,
        /// What.
        action: Action,
        /// About those of this rule; `None`: all.
        rule: Option<String>,
    },
}

/// A page that is expected. What is `None` may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPage {
    /// How long after the beginning.
    pub at: SignedDuration,
    /// How loudly.
    pub urgent: Urgent,
    /// Names of people.
    pub to: Vec<String>,
    /// Step, from 1.
    pub step: Option<u32>,
    /// Round, from 1.
    pub round: Option<u32>,
    /// The rule of the incident.
    pub rule: Option<String>,
    /// The severity of the incident.
    pub severity: Option<String>,
}

/// How long nobody shall be paged, unless `until` says.
const QUIET: SignedDuration = SignedDuration::from_hours(24);
/// The sender's receiver where the test names none.
const RECEIVER: &str = "larkhorn";
/// The zone where the test names none; that of the settings.
const ZONE: &str = "Asia/Shanghai";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Spanned<OneOrMany>,
    timezone: Option<Text>,
    now: Option<Text>,
    tests: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Text,
    now: Option<Text>,
    events: Vec<Spanned<EventEntry>>,
    expect: Option<Vec<Spanned<PageEntry>>>,
    expect_none_after: Option<Text>,
    until: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventEntry {
    at: Text,
    payload: Option<Text>,
    labels: Option<Entries<Text>>,
    resolved: Option<Entries<Text>>,
    ack: Option<Text>,
    unack: Option<Text>,
    resolve: Option<Text>,
    escalate: Option<Text>,
    snooze: Option<SnoozeEntry>,
    rule: Option<Text>,
    source: Option<Text>,
    receiver: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnoozeEntry {
    by: Text,
    r#for: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageEntry {
    at: Text,
    urgent: Text,
    to: Spanned<OneOrMany>,
    step: Option<Text>,
    round: Option<Text>,
    rule: Option<Text>,
    severity: Option<Text>,
}

/// Reads a file of unit tests; every mistake in it at once.
pub fn parse(path: &str, text: &str) -> Result<Cases, Vec<Finding>> {
    let file: File = document::read(path, text).map_err(|error| vec![error])?;
    let mut reader = Reader { path, errors: Vec::new() };
    let zone = file.timezone.as_ref().map_or(ZONE, |text| text.value.as_str());
    let zone = TimeZone::get(zone).unwrap_or_else(|_| {
        let message = format!("unknown time zone {zone:?}; write an IANA name such as {ZONE} or UTC");
        if let Some(text) = &file.timezone {
            reader.error(text, message);
        }
        TimeZone::UTC
    });
    let now = file.now.as_ref().and_then(|text| reader.instant(text, &zone));
    let rules = OneOrMany::texts(file.rules).into_iter().map(|text| text.value).collect();
    let tests = file.tests.into_iter().map(|entry| reader.case(entry, (file.now.is_some(), now), &zone));
    let tests = tests.collect();
    if reader.errors.is_empty() {
        Ok(Cases { rules, zone, tests })
    } else {
        reader.errors.sort();
        Err(reader.errors)
    }
}

/// RFC 3339, or wall time in the zone.
fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    let wall = || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(wall)
}

struct Reader<'a> {
    path: &'a str,
    errors: Vec<Finding>,
}

impl Reader<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.errors.push(document::place(self.path, at.referenced).finding("bad-test", message));
    }

    fn case(&mut self, entry: Entry, (given, now): (bool, Option<Timestamp>), zone: &TimeZone) -> Case {
        let own = entry.now.as_ref().and_then(|text| self.instant(text, zone));
        if !given && entry.now.is_none() {
            let message = "when does this begin? give `now`, here or at the top of the file";
            self.error(&entry.name, message);
        }
        if entry.expect.is_none() && entry.expect_none_after.is_none() {
            let message = "this expects nothing; give `expect` ([]: no page at all) or `expect_none_after`";
            self.error(&entry.name, message);
        }
        let place = (entry.name.referenced.line().max(1), entry.name.referenced.column().max(1));
        let events: Vec<CaseEvent> = entry.events.iter().filter_map(|event| self.event(event)).collect();
        let entries = entry.expect.unwrap_or_default();
        let pages: Vec<ExpectedPage> = entries.iter().filter_map(|page| self.page(page)).collect();
        let none_after = entry.expect_none_after.as_ref().map(|text| self.span(text));
        for (page, entry) in pages.iter().zip(&entries) {
            if none_after.is_some_and(|after| page.at > after) {
                self.error(entry, "this page comes after `expect_none_after`; one of them cannot be meant");
            }
        }
        let last = events.iter().map(|e| e.at).chain(pages.iter().map(|p| p.at)).chain(none_after).max();
        let last = last.unwrap_or_default();
        let until = match &entry.until {
            Some(text) => {
                let until = self.span(text);
                if until < last {
                    let message = "something of this test comes after `until`; give a later one, or none";
                    self.error(text, message);
                }
                until
            }
            None => none_after.map_or(last, |after| last.max(after.saturating_add(QUIET))),
        };
        let now = own.or(now).unwrap_or(Timestamp::UNIX_EPOCH);
        Case { name: entry.name.value, place, now, events, pages, none_after, until }
    }

    fn event(&mut self, entry: &Spanned<EventEntry>) -> Option<CaseEvent> {
        let place = (entry.referenced.line().max(1), entry.referenced.column().max(1));
        let EventEntry {
            at,
            payload,
            labels,
            resolved,
            ack,
            unack,
            resolve,
            escalate,
            snooze,
            rule,
            source,
            receiver,
        } = &entry.value;
        let given = [
            payload.is_some(),
            labels.is_some(),
            resolved.is_some(),
            ack.is_some(),
            unack.is_some(),
            resolve.is_some(),
            escalate.is_some(),
            snooze.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "an event is one of payload, labels (it fires), resolved (labels of what has recovered), ack, \
                           unack, resolve, escalate, snooze";
            self.error(entry, message);
            return None;
        }
        let alert = labels.is_some() || resolved.is_some();
        let webhook = alert || payload.is_some();
        for (text, fits, key) in [
            (rule, !webhook, "`rule` says about which incidents somebody does something"),
            (source, webhook, "`source` is for payload, labels and resolved"),
            (receiver, alert, "`receiver` is for labels and resolved; a payload has its own"),
        ] {
            if let Some(text) = text.as_ref().filter(|_| !fits) {
                self.error(text, format!("{key}; leave it out here"));
            }
        }
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
        let act = |by: &Text, action| CaseDeed::Act { by: by.value.clone(), action, rule: text(rule) };
        let what = match (payload, labels, resolved, ack, unack, resolve, escalate, snooze) {
            (Some(file), ..) => CaseDeed::Payload { file: file.value.clone(), source: text(source) },
            (_, Some(labels), ..) | (_, _, Some(labels), ..) => CaseDeed::Alert {
                over: resolved.is_some(),
                labels: self.labels(labels),
                source: text(source),
                receiver: text(receiver).unwrap_or_else(|| RECEIVER.to_owned()),
            },
            (_, _, _, Some(by), ..) => act(by, Action::Acknowledge),
            (_, _, _, _, Some(by), ..) => act(by, Action::Unacknowledge),
            (_, _, _, _, _, Some(by), ..) => act(by, Action::Resolve),
            (_, _, _, _, _, _, Some(by), _) => act(by, Action::Escalate),
            (_, _, _, _, _, _, _, Some(snooze)) => {
                let span = self.span(&snooze.r#for);
                if !span.is_positive() || span > Action::SPAN_MAX {
                    self.error(&snooze.r#for, "a snooze lasts longer than nothing, and a week at most");
                }
                act(&snooze.by, Action::Snooze { span })
            }
            (None, None, None, None, None, None, None, None) => return None,
        };
        Some(CaseEvent { at: self.span(at), place, what })
    }

    fn labels(&mut self, entries: &Entries<Text>) -> Labels<'static> {
        let mut pairs: Vec<(std::borrow::Cow<'static, str>, std::borrow::Cow<'static, str>)> = Vec::new();
        for (name, value) in &entries.0 {
            if pairs.iter().any(|(known, _)| *known == name.value) {
                self.error(name, format!("the label {:?} is already given; keep one of them", name.value));
                continue;
            }
            pairs.push((name.value.clone().into(), value.value.clone().into()));
        }
        Labels::from_pairs(pairs)
    }

    fn page(&mut self, entry: &Spanned<PageEntry>) -> Option<ExpectedPage> {
        let page = &entry.value;
        let words = Urgent::ALL.map(Urgent::as_str);
        let urgent = Urgent::from_word(&page.urgent.value).filter(|urgent| *urgent > Urgent::None);
        if urgent.is_none() {
            let message = match page.urgent.value.as_str() {
                "none" => "a page is app, sms or phone; what buzzes nobody is not expected here".to_owned(),
                other => unknown("urgent", "values of urgent", other, words.into_iter().skip(1)),
            };
            self.error(&page.urgent, message);
        }
        let to = match &page.to.value {
            OneOrMany::One(name) => vec![name.clone()],
            OneOrMany::Many(names) => names.iter().map(|name| name.value.clone()).collect(),
        };
        if to.is_empty() {
            self.error(&page.to, "a page goes to somebody; name them");
        }
        Some(ExpectedPage {
            at: self.span(&page.at),
            urgent: urgent?,
            to,
            step: page.step.as_ref().map(|text| self.count(text)),
            round: page.round.as_ref().map(|text| self.count(text)),
            rule: page.rule.as_ref().map(|text| text.value.clone()),
            severity: page.severity.as_ref().map(|text| text.value.clone()),
        })
    }

    fn count(&mut self, text: &Text) -> u32 {
        text.value.parse().ok().filter(|n| *n > 0).unwrap_or_else(|| {
            self.error(text, format!("{:?} is no step or round; they count from 1", text.value));
            1
        })
    }

    fn span(&mut self, text: &Text) -> SignedDuration {
        let plain = text.value.strip_prefix('+').unwrap_or(&text.value);
        duration::parse(plain).unwrap_or_else(|| {
            let message =
                format!("bad duration {:?}; write numbers with units, as in 30s, 5m, 1h30m, 2d", text.value);
            self.error(text, message);
            SignedDuration::ZERO
        })
    }

    fn instant(&mut self, text: &Text, zone: &TimeZone) -> Option<Timestamp> {
        let at = instant(&text.value, zone);
        if at.is_none() {
            let message = format!(
                "bad time {:?}; write it as 2026-11-28T02:14:00+08:00, or as wall time, \"2026-11-28 02:14\"",
                text.value
            );
            self.error(text, message);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
rules: ../oncall.yaml
now: 2026-11-28T02:14:00+08:00
tests:
  - name: nobody answers
    events:
      - {at: 0m, labels: {alertname: Down, severity: critical}}
      - {at: 4m, ack: lin}
    expect:
      - {at: 0m, urgent: app, to: lin}
      - {at: +3m, urgent: sms, to: [lin, mara], step: 2}
    expect_none_after: 4m
";

    #[test]
    fn a_test_is_read() {
        let cases = parse("t.yaml", GOOD).unwrap();
        assert_eq!(cases.rules, ["../oncall.yaml"]);
        let [case] = cases.tests.as_slice() else { panic!("{cases:?}") };
        assert_eq!((case.name.as_str(), case.place, case.events.len()), ("nobody answers", (4, 11), 2));
        assert_eq!(case.now, "2026-11-27T18:14:00Z".parse().unwrap());
        assert_eq!((case.pages[1].to.len(), case.pages[1].step), (2, Some(2)));
        assert_eq!(case.until, SignedDuration::from_mins(24 * 60 + 4));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        for (from, to, place, why) in [
            ("rules: ../oncall.yaml", "rulez: x", "1:1", "did you mean \"rules\""),
            ("now: 2026-11-28T02:14:00+08:00", "now: tonight", "2:6", "bad time"),
            ("now: 2026-11-28T02:14:00+08:00", "timezone: UTC", "4:11", "when does this begin"),
            ("ack: lin", "ack: lin, escalate: lin", "7:9", "one of payload"),
            ("ack: lin", "ack: lin, source: x", "7:36", "leave it out"),
            ("at: 4m", "at: soon", "7:14", "bad duration"),
            ("urgent: app", "urgent: ap", "9:26", "did you mean \"app\""),
            ("urgent: app", "urgent: none", "9:26", "is app, sms or phone"),
            ("step: 2", "step: 0", "10:55", "count from 1"),
            ("to: lin}", "to: []}", "9:35", "name them"),
            ("at: +3m", "at: 5m", "10:9", "after `expect_none_after`"),
            ("alertname: Down", "alertname: Down, alertname: Up", "6:44", "already given"),
            ("expect_none_after: 4m", "until: 1m", "11:12", "comes after `until`"),
        ] {
            let text = GOOD.replace(from, to);
            let errors = parse("t.yaml", &text).unwrap_err();
            let shown = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(shown.starts_with(&format!("t.yaml:{place}:")) && shown.contains(why), "{to}: {shown}");
        }
        let bare = "rules: x\nnow: 2026-11-28 02:14\ntests:\n  - {name: a, events: []}\n";
        let errors = parse("t.yaml", bare).unwrap_err();
        assert!(errors[0].to_string().starts_with("t.yaml:4:12: this expects nothing"), "{errors:?}");
        assert!(
            parse("t.yaml", &GOOD.replace("now:", "timezone: Mars\nnow:")).unwrap_err()[0]
                .message
                .contains("Mars")
        );
    }
}
