//! What comes from outside: webhooks, people, operators and bad luck.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Actor, Via};
use larkhorn::escalation::Reconciliation;

use crate::events::{Button, Deed, How, What};
use crate::house::{HOUSE, PEOPLE};
use crate::world::{Crash, Incoming, World};

impl World<'_> {
    /// Something from outside.
    pub(crate) fn meet(&mut self, what: &What) {
        let now = self.real;
        match *what {
            What::Fire { alert } => {
                self.sender.fire(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Clear { alert } => {
                self.sender.clear(alert, now);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Hide { alert, hidden } => {
                self.sender.hide(alert, hidden);
                self.send(HOUSE.alerts[alert].group, How::Plainly);
            }
            What::Send { group, how } => self.send(group, how),
            What::Replica { alert, shift } => {
                if let Some(payload) = self.sender.replica(alert, shift) {
                    self.arrive(now, Incoming::Payload(payload));
                }
            }
            What::Ask { pick } => self.ask(pick),
            What::Act { pick, who, deed, button } => self.press(pick, PEOPLE[who], deed, button),
            What::SetClock { by } => {
                // An operator may be wrong by an hour, not by ever more of them.
                self.skew =
                    (self.skew + by).clamp(SignedDuration::from_hours(-2), SignedDuration::from_hours(2));
                self.late.push((now, by.abs()));
            }
            What::Reload { rules } => self.rules = rules,
            What::Down { span } => self.stop(span),
            What::CrashBeforeCommit { span } => self.crash = Some(Crash::BeforeCommit(span)),
            What::CrashAfterCommit { span } => self.crash = Some(Crash::AfterCommit(span)),
            What::Feishu(verdict) => self.feishu = verdict,
        }
    }

    fn send(&mut self, group: usize, how: How) {
        let now = self.real;
        let Some(mut payload) = self.sender.payload(group, now) else { return };
        match how {
            How::Plainly => {}
            How::Twice => self.arrive(now, Incoming::Payload(payload.clone())),
            How::Late(by) => return self.arrive(now + by, Incoming::Payload(payload)),
            How::Truncated => {
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
        let known = HOUSE.rules[self.rules].person(who).is_some();
        let actor = Actor { name: who.to_owned(), known, via };
        self.arrive(self.real, Incoming::Action { case, action, actor, epoch });
    }

    fn ask(&mut self, pick: usize) {
        let Some(case) = self.picked(pick) else { return };
        let mut found = Reconciliation::default();
        for (alert, series) in HOUSE.alerts.iter().enumerate() {
            match self.sender.truth(alert) {
                (true, true) => drop(found.firing.insert(series.fingerprint)),
                (true, false) => drop(found.suppressed.insert(series.fingerprint)),
                (false, _) => {}
            }
        }
        self.arrive(self.real, Incoming::Asked { case, found });
    }
}
