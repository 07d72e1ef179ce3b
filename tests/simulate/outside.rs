//! What comes from outside: webhooks, people, operators and bad luck.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, Via};
use larkhorn::escalation::Reconciliation;

use crate::events::{Button, Deed, How, What};
use crate::house::{FLOOD, HOUSE, PEOPLE, flood, whole_flood};
use crate::world::{Case, Crash, Incoming, World};

impl World<'_> {
    /// Something from outside.
    pub(crate) fn meet(&mut self, what: &What) {
        let now = self.real;
        match *what {
            What::Fire { alert } => {
                self.tally.count("alert fires");
                self.sender.fire(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Clear { alert } => {
                self.tally.count("alert clears");
                self.sender.clear(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Flood { first, count } => {
                self.tally.count("flood");
                flood(first, count).for_each(|alert| self.sender.fire(alert, now));
                self.send(FLOOD, How::Plainly);
            }
            What::Ebb => {
                whole_flood().for_each(|alert| self.sender.clear(alert, now));
                self.send(FLOOD, How::Plainly);
            }
            What::Hide { alert, span } => {
                let taken_off = "silence taken off in Alertmanager";
                self.tally.count(if span.is_zero() { taken_off } else { "silence made in Alertmanager" });
                self.sender.silence(alert, now + span);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Send { group, how } => self.send(group, how),
            What::Replica { alert, shift } => {
                if let Some(payload) = self.sender.replica(alert, shift, now) {
                    self.tally.count("second evaluator");
                    self.arrive(now, Incoming::Payload(payload));
                }
            }
            What::Ask { pick } => self.ask(pick),
            What::Act { pick, who, deed, button } => self.press(pick, PEOPLE[who], deed, button),
            What::SetClock { by } => self.set_clock(by),
            What::Reload { rules } => self.reload(rules),
            What::Down { span } => {
                if !self.open.is_empty() {
                    self.tally.count("down while it burns");
                }
                self.stop(span);
            }
            What::CrashBeforeCommit { span } => self.crash = Some(Crash::BeforeCommit(span)),
            What::CrashBeforeReport { span } => self.crash = Some(Crash::BeforeReport(span)),
            What::CrashAfterCommit { span } => self.crash = Some(Crash::AfterCommit(span)),
            What::Feishu { reply, span } => self.feishu = (reply, now + span),
        }
    }

    fn set_clock(&mut self, by: SignedDuration) {
        if !self.open.is_empty() {
            self.tally.count(if by.is_positive() { "clock set ahead" } else { "clock set back" });
        }
        // An operator may be wrong by an hour, not by ever more of them.
        let most = SignedDuration::from_hours(2);
        self.skew = (self.skew + by).clamp(-most, most);
        self.late.push((self.real, by.abs()));
    }

    fn reload(&mut self, rules: usize) {
        self.rules = rules;
        let now = &HOUSE.rules[rules];
        for case in &self.open {
            let Case { rule, standing, .. } = &self.cases[*case];
            if !now.rules().iter().any(|known| known.name == *rule) {
                self.tally.count("rule gone under an incident");
            }
            if !now.rules().iter().any(|known| known.policy == standing.policy) {
                self.tally.count("policy gone under an incident");
            }
            if standing.paged.iter().any(|person| now.person(person).is_none()) {
                self.tally.count("person paged gone");
            }
        }
    }

    fn send(&mut self, group: usize, how: How) {
        let now = self.real;
        let Some(mut payload) = self.sender.payload(group, now) else { return };
        match how {
            How::Plainly => {}
            How::Twice => {
                self.tally.count("webhook twice");
                self.arrive(now, Incoming::Payload(payload.clone()));
            }
            How::Late(by) => {
                self.tally.count("webhook late");
                return self.arrive(now + by, Incoming::Payload(payload));
            }
            How::Truncated => {
                self.tally.count("webhook truncated");
                payload.alerts.truncate(1);
                payload.complete = false;
            }
        }
        self.arrive(now, Incoming::Payload(payload));
    }

    pub(crate) fn arrive(&mut self, at: Timestamp, incoming: Incoming) {
        self.arrivals += 1;
        self.inbox.insert((at, self.arrivals), incoming);
    }

    pub(crate) fn stop(&mut self, span: SignedDuration) {
        let up_at = self.real + span;
        self.down_until = self.down_until.max(up_at);
        self.late.push((up_at, span));
    }

    /// One of the incidents that a person may have on the screen: open ones, else the last.
    fn picked(&self, pick: usize) -> Option<usize> {
        match self.open.len() {
            0 => self.cases.len().checked_sub(1),
            open => Some(self.open[pick % open]),
        }
    }

    fn press(&mut self, pick: usize, who: &str, deed: Deed, button: Button) {
        let Some(case) = self.picked(pick) else { return };
        let action = match deed {
            Deed::Acknowledge => Action::Acknowledge,
            Deed::Unacknowledge => Action::Unacknowledge,
            Deed::Snooze(span) => Action::Snooze { span },
            Deed::Silence(span) => Action::Silence { span },
            Deed::Resolve => Action::Resolve,
            Deed::Escalate => Action::Escalate,
            Deed::HandOver { to } => {
                Action::HandOver { to: (*PEOPLE.get(to).unwrap_or(&"nobody known")).to_owned() }
            }
        };
        let drawn = self.cases[case].standing.epoch;
        let (epoch, via) = match button {
            Button::None => (None, Via::Api),
            Button::Fresh => (Some(drawn), Via::Card),
            Button::Stale => (Some(drawn - 1), Via::Card),
        };
        if button == Button::Stale {
            self.tally.count("old button");
        }
        let known = HOUSE.rules[self.rules].person(who).is_some();
        let actor = Actor { name: who.to_owned(), known, via };
        self.arrive(self.real, Incoming::Action { case, action, actor, epoch });
    }

    fn ask(&mut self, pick: usize) {
        let Some(case) = self.picked(pick) else { return };
        self.tally.count("Alertmanager asked");
        let mut found = Reconciliation::default();
        for (alert, series) in HOUSE.alerts.iter().enumerate() {
            match self.sender.truth(alert, self.real) {
                (true, true) => drop(found.firing.insert(series.fingerprint)),
                (true, false) => drop(found.suppressed.insert(series.fingerprint)),
                (false, _) => {}
            }
        }
        self.arrive(self.real, Incoming::Asked { case, found });
    }
}
