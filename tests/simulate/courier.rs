//! What becomes of a page: phones ring as well as Feishu lets, it is tried again,
//! goes another way, is cut short by a crash.
//!
//! The pauses and detours are those of `worker::courier`, which talks to a
//! network and cannot be lived through at this speed.

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Phase, Urgent};
use larkhorn::escalation::Effect;
use larkhorn::feishu::Verdict;

use crate::events::Reply;
use crate::house::HOUSE;
use crate::laws::{Breach, NO_BUZZ_AFTER_THE_ANSWER};
use crate::world::{Crash, World};

/// How long a claim lasts whose outcome is never reported.
const LEASE: SignedDuration = SignedDuration::from_mins(3);
/// Pause before an SMS or call that may have been made already.
const PAID_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// Pause while only an operator can help.
const OPERATOR: SignedDuration = SignedDuration::from_secs(15);
/// First and longest pause after any other failure.
const GROWING: (SignedDuration, SignedDuration) =
    (SignedDuration::from_millis(500), SignedDuration::from_secs(30));

/// A buzz that waits to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buzz {
    case: usize,
    urgent: Urgent,
    /// To each person's own conversation with the bot.
    direct: bool,
    attempts: u32,
}

impl Buzz {
    fn is_paid(self) -> bool {
        self.urgent > Urgent::App
    }

    fn growing(self) -> SignedDuration {
        let (first, longest) = GROWING;
        first.saturating_mul(1 << self.attempts.min(8)).min(longest)
    }
}

impl World<'_> {
    /// Turns effects into buzzes that wait, and silences into silence.
    pub(crate) fn owe(&mut self, case: usize, effects: &[Effect]) {
        for effect in effects {
            if self.core().takes_back(effect) {
                self.outbox.retain(|_, buzz| buzz.case != case);
            }
            match effect {
                Effect::Page { urgent, recipients, .. } | Effect::CatchAll { urgent, recipients } => {
                    self.tally.pages += 1;
                    if *urgent > Urgent::None && !recipients.people.is_empty() {
                        self.wait(self.real, Buzz { case, urgent: *urgent, direct: false, attempts: 0 });
                    }
                }
                Effect::Silence { until, .. } => self.silence(case, *until),
                Effect::EndSilence => self.silence(case, self.clock()),
                Effect::Announce
                | Effect::Refresh
                | Effect::Remind { .. }
                | Effect::Unpin { .. }
                | Effect::Note(_) => {}
            }
        }
    }

    fn silence(&mut self, case: usize, until: Timestamp) {
        let until = until.checked_sub(self.skew).unwrap_or(until);
        for (alert, series) in HOUSE.alerts.iter().enumerate() {
            if self.cases[case].standing.members.contains_key(&series.fingerprint) {
                self.sender.silence(alert, until);
            }
        }
    }

    fn wait(&mut self, at: Timestamp, buzz: Buzz) {
        self.arrivals += 1;
        self.outbox.insert((at, self.arrivals), buzz);
    }

    /// Carries out the first buzz that is due, as well as Feishu lets.
    pub(crate) fn buzz(&mut self) -> Result<(), Breach> {
        let Some((_, buzz)) = self.outbox.pop_first() else { return Ok(()) };
        let reply = if self.real < self.feishu.1 { self.feishu.0 } else { Reply::Rings };
        self.tally.count(reply.as_str());
        if !matches!(reply, Reply::Fails(_)) {
            self.ring(buzz, reply)?;
        }
        if let Some(Crash::BeforeReport(span)) = self.crash {
            self.crash = None;
            self.tally.count("crash before a report");
            self.lose(span);
            let pause = if buzz.is_paid() { LEASE + PAID_PAUSE } else { LEASE };
            self.wait(self.real + pause, Buzz { attempts: buzz.attempts + 1, ..buzz });
            return Ok(());
        }
        if let Some((pause, next)) = self.next(reply, buzz) {
            self.wait(self.real + pause, next);
        }
        Ok(())
    }

    fn ring(&mut self, buzz: Buzz, reply: Reply) -> Result<(), Breach> {
        let case = buzz.case;
        self.tally.buzzes += 1;
        self.trace.add(u64::try_from(case).expect("a small number"));
        self.tell(|| format!("incident {case}: phones ring by {} ({reply:?})", buzz.urgent));
        match self.cases[case].standing.phase() {
            Phase::Triggered => Ok(()),
            phase @ (Phase::Acknowledged | Phase::Snoozed | Phase::Resolved) => {
                let how = format!("incident {case} is {phase:?}, and phones ring");
                Err(Breach { law: NO_BUZZ_AFTER_THE_ANSWER, how })
            }
        }
    }

    /// What follows from a reply: the same or another buzz, after a pause.
    fn next(&mut self, reply: Reply, buzz: Buzz) -> Option<(SignedDuration, Buzz)> {
        let again = Buzz { attempts: buzz.attempts + 1, ..buzz };
        let directly = Some((SignedDuration::ZERO, Buzz { direct: true, attempts: 0, ..buzz }));
        match reply {
            Reply::Rings => None,
            Reply::RingsForSome => directly.filter(|_| !buzz.direct),
            Reply::RingsUnheard | Reply::Fails(Verdict::Unknown) if buzz.is_paid() => {
                Some((PAID_PAUSE, again))
            }
            Reply::RingsUnheard | Reply::Fails(Verdict::Unknown | Verdict::NotSent) => {
                Some((buzz.growing(), again))
            }
            Reply::Fails(Verdict::RetryAfter(pause)) => {
                Some((SignedDuration::try_from(pause).expect("a short pause"), again))
            }
            // Not Feishu's answer but our own allowance; it is asked again then.
            Reply::Fails(Verdict::NotYet(at)) => Some((at.duration_since(self.real), buzz)),
            Reply::Fails(Verdict::Credentials) => Some((OPERATOR, again)),
            Reply::Fails(Verdict::QuotaUsedUp) if buzz.is_paid() => {
                let urgent = if buzz.urgent == Urgent::Phone { Urgent::Sms } else { Urgent::App };
                self.tally.count("rings more quietly");
                Some((SignedDuration::ZERO, Buzz { urgent, ..buzz }))
            }
            Reply::Fails(
                Verdict::QuotaUsedUp
                | Verdict::TargetInvalid
                | Verdict::NotInChat
                | Verdict::ChatGone
                | Verdict::PersonGone
                | Verdict::TooManyUnread
                | Verdict::CardRejected
                | Verdict::TooLong
                | Verdict::ContentRefused
                | Verdict::MessageGone
                | Verdict::Forbidden
                | Verdict::GiveUp,
            ) => {
                self.tally.count(if buzz.direct { "left to the next rung" } else { "goes directly" });
                directly.filter(|_| !buzz.direct)
            }
        }
    }
}
