//! When a job is tried again.

use std::time::Duration;

use jiff::SignedDuration;

use super::PAID_PAUSE;
use crate::store::Claim;

/// First pause after a failure of unknown kind, in milliseconds.
const FIRST_MS: i64 = 500;
/// Longest pause, in milliseconds.
const LONGEST_MS: i64 = 30_000;
/// Attempts of unknown outcome that follow each other by [`PAID_PAUSE`].
const PAID_QUICK: u32 = 3;
/// Longest pause between attempts that may cost money.
const PAID_LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// Pause while only an operator can help.
const OPERATOR: SignedDuration = SignedDuration::from_secs(15);

/// Doubles with every attempt, from half a second to half a minute.
pub(super) fn growing(claim: &Claim) -> SignedDuration {
    let factor = 1_i64.checked_shl(claim.attempts.min(16)).unwrap_or(i64::MAX);
    let pause = FIRST_MS.saturating_mul(factor).min(LONGEST_MS);
    SignedDuration::from_millis(pause + spread_ms(claim, pause / 4))
}

/// As long as Feishu asked for, and a little, so that not all come back at once.
pub(super) fn at_least(pause: Duration, claim: &Claim) -> SignedDuration {
    let asked = SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_mins(1));
    asked.saturating_add(SignedDuration::from_millis(spread_ms(claim, 300)))
}

/// Before an SMS or call that may have been made already: a minute at first,
/// then longer and longer, since each may cost money and sleep.
pub(super) fn paid(claim: &Claim) -> SignedDuration {
    let factor = 1_i32.checked_shl(claim.attempts.saturating_sub(PAID_QUICK).min(8)).unwrap_or(i32::MAX);
    PAID_PAUSE.saturating_mul(factor).min(PAID_LONGEST)
}

/// Until somebody has mended the credentials.
pub(super) fn operator() -> SignedDuration {
    OPERATOR
}

/// A number below `width` that differs from job to job and attempt to attempt,
/// but not from run to run.
fn spread_ms(claim: &Claim, width: i64) -> i64 {
    let mixed = claim.ticket.job.0.wrapping_mul(31).wrapping_add(i64::from(claim.attempts).wrapping_mul(97));
    mixed.rem_euclid(width.max(1))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{ChatId, Destination, Job, JobId};
    use crate::store::Ticket;

    fn claim(id: i64, attempts: u32) -> Claim {
        Claim {
            ticket: Ticket { job: JobId(id), fence: 1 },
            incident: None,
            job: Job::Pin { to: Destination::Chat(ChatId("oc_1".into())) },
            priority: 5,
            uuid: Uuid::nil(),
            attempts,
            interrupted: false,
            sent: None,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn pauses_grow_to_a_bound_and_differ_between_jobs() {
        let pauses: Vec<_> = (0..40).map(|n| growing(&claim(1, n))).collect();
        assert!(
            pauses[0] < SignedDuration::from_secs(1) && pauses[0] >= SignedDuration::from_millis(FIRST_MS)
        );
        assert!(pauses.iter().all(|p| *p <= SignedDuration::from_millis(LONGEST_MS * 5 / 4)));
        assert_ne!(growing(&claim(1, 3)), growing(&claim(2, 3)));
    }

    #[test]
    fn what_may_cost_money_is_repeated_more_and_more_seldom() {
        let minutes: Vec<_> = (0..9).map(|n| paid(&claim(1, n)).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 1, 1, 1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn what_feishu_asks_for_is_the_least() {
        let pause = at_least(Duration::from_secs(7), &claim(9, 0));
        assert!(pause >= SignedDuration::from_secs(7) && pause < SignedDuration::from_secs(8));
    }
}
