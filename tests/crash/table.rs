//! What a scenario found, as a row of a table.

use std::time::Duration;

use crate::audit::Findings;

/// A row. Printed when its scenario is over, whatever it found.
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    /// Kills, cuts, stops or faults.
    pub(crate) rounds: usize,
    pub(crate) findings: Findings,
    /// The longest time until all was as it should be again.
    pub(crate) worst_recovery: Duration,
    /// What else is to be said.
    pub(crate) remarks: String,
}

impl Row {
    /// Prints it under its head.
    pub(crate) fn print(&self) {
        let found = &self.findings;
        eprintln!(
            "\n{:<34} {:>7} {:>9} {:>9} {:>5} {:>8} {:>11} {:>14}\n{:<34} {:>7} {:>9} {:>9} {:>5} {:>8} {:>11} {:>12} ms  {}",
            "scenario",
            "rounds",
            "accepted",
            "delivered",
            "lost",
            "doubles",
            "beyond rule",
            "worst recovery",
            self.scenario,
            self.rounds,
            found.accepted,
            found.delivered,
            found.lost.len(),
            found.doubles,
            found.beyond_rule.len(),
            self.worst_recovery.as_millis(),
            self.remarks,
        );
    }

    /// Prints it, and fails when something was lost or done beyond the rule.
    pub(crate) fn settle(self) {
        self.print();
        let found = &self.findings;
        let wrong: Vec<&String> = found.lost.iter().chain(&found.beyond_rule).take(20).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", self.scenario);
        assert!(found.accepted > 0, "{}: nothing was accepted, so nothing was tried", self.scenario);
    }
}

/// A number that the caller of the tests may set.
#[expect(clippy::disallowed_methods, reason = "the only thing that a run is told from outside")]
pub(crate) fn wanted(name: &str, otherwise: usize) -> usize {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
