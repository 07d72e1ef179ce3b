//! Where a process runs, told so that another one on the same machine can see
//! whether it still does: one that was killed need not be waited for.
//!
//! Said of processes that see the same process numbers, and of no others: of those on
//! other machines, or in other containers, only silence tells.

use std::fs;

/// This process: the machine's start, its space of process numbers, its number there and
/// when it began (numbers are used again). `None` where that cannot be told.
pub(super) fn own() -> Option<String> {
    let pid = std::process::id();
    let (here, began) = (here()?, began(pid)?);
    Some(format!("{here} {pid} {began}"))
}

/// Whether a process of which that was said is surely gone.
pub(super) fn is_gone(told: &str) -> bool {
    let Some(here) = here() else { return false };
    let Some((pid, then)) = told.strip_prefix(&here).and_then(|rest| rest.trim_start().split_once(' '))
    else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    began(pid).is_none_or(|now| now != then)
}

fn here() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

/// When a process began, in ticks since the machine's start (proc(5), field 22 of
/// stat); `None`: there is none of that number, or it is only waited for.
fn began(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let began = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| began.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_here_and_is_not_any_more_is_gone() {
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let told = |began: &str| format!("{} {} {began}", here().unwrap(), other.id());
        let alive = told(&began(other.id()).unwrap());
        assert!(!is_gone(&alive) && !is_gone(&own().unwrap()));
        assert!(is_gone(&told("1")), "its number is another's now");
        other.kill().unwrap();
        // Killed, and not yet collected by its parent.
        while began(other.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(is_gone(&alive));
        other.wait().unwrap();
        assert!(is_gone(&alive));
        for stranger in ["", "a", "another machine pid:[1] 1 1", &format!("{} x 1", here().unwrap())] {
            assert!(!is_gone(stranger), "{stranger}");
        }
    }
}
