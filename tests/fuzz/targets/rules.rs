//! Rules files: no text panics, mistakes are inside the file, and what loads
//! answers any alert.

#![no_main]

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::Labels;
use larkhorn::rules::{Origin, RuleSet, SourceFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = SourceFile { path: "rules.yaml", text };
    let set = match RuleSet::load(&[file]) {
        Ok((set, _)) => set,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a word");
            return;
        }
    };
    let labels: Labels<'_> = [("alertname", "Disk"), ("severity", "critical"), ("team", "db")].into_iter().collect();
    let origin = Origin { source: "alertmanager", receiver: "pager" };
    assert!(set.severities().contains(set.severity(&labels)));
    for position in set.route(&labels, origin) {
        let rule = set.at(position).expect("a route leads to a rule");
        rule.incident_key(&labels, origin, "{}:{}");
        for step in &rule.policy.steps {
            // Any day, and the hour that Berlin skipped in spring 2026.
            for second in [1_790_000_000, 1_774_745_999] {
                let at = Timestamp::from_second(second).expect("a time that exists");
                let (_, missing) = set.recipients(&step.notify, at);
                assert!(missing.is_empty(), "a loaded set is closed, and {missing:?} is not in it");
            }
        }
    }
    let from = Timestamp::from_second(1_774_745_999).expect("a time that exists");
    for schedule in set.schedules() {
        let to = from + SignedDuration::from_hours(72);
        let shifts = set.shifts(schedule, from, to);
        assert!(shifts.is_sorted_by(|a, b| a.to <= b.from), "shifts of {schedule:?} overlap");
        let on_call = set.on_call(schedule, from).expect("the schedule is there");
        let first = shifts.first().filter(|shift| shift.from == from);
        assert_eq!(on_call.people.first(), first.and_then(|shift| shift.people.first()), "{schedule:?}");
    }
});
