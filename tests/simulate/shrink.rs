//! Makes a failing script small: what it fails without was not to blame.

use crate::events::Stimulus;
use crate::house::Core;
use crate::laws::Breach;
use crate::world::World;

/// Scripts tried at most.
const TRIES_MAX: u32 = 600;
/// How often a pause is halved at most.
const HASTENED_MAX: u32 = 12;
/// Lines at either end of what a story repeats.
const REPEATED_MAX: usize = 6;

/// The shortest script found that breaks the same law, with its story.
pub(crate) fn shrink(core: &dyn Core, script: Vec<Stimulus>, breach: &Breach) -> (Vec<Stimulus>, String) {
    let mut script = script;
    let mut tries = 0;
    let mut chunk = script.len().div_ceil(2);
    while chunk > 0 && tries < TRIES_MAX {
        let mut from = 0;
        let mut dropped = false;
        while from < script.len() && tries < TRIES_MAX {
            let to = (from + chunk).min(script.len());
            let shorter: Vec<Stimulus> = [&script[..from], &script[to..]].concat();
            tries += 1;
            if broken(core, &shorter).is_some_and(|found| found.law == breach.law) {
                (script, dropped) = (shorter, true);
            } else {
                from = to;
            }
        }
        if !dropped || chunk == 1 && script.len() == 1 {
            chunk /= 2;
        }
    }
    hasten(core, &mut script, breach);
    let story = story(core, &script);
    (script, story)
}

/// Lets less time pass between one stimulus and the next.
fn hasten(core: &dyn Core, script: &mut Vec<Stimulus>, breach: &Breach) {
    for next in 1..script.len() {
        for _ in 0..HASTENED_MAX {
            let gap = script[next].at.duration_since(script[next - 1].at);
            let mut sooner = script.clone();
            sooner[next..].iter_mut().for_each(|stimulus| stimulus.at -= gap / 2);
            if gap.is_zero() || broken(core, &sooner).is_none_or(|found| found.law != breach.law) {
                break;
            }
            *script = sooner;
        }
    }
}

/// How a script breaks a law, if it does.
fn broken(core: &dyn Core, script: &[Stimulus]) -> Option<Breach> {
    World::new(core, false).live(script).err()
}

/// A script told line by line, up to where it breaks a law.
fn story(core: &dyn Core, script: &[Stimulus]) -> String {
    let mut world = World::new(core, true);
    let end = world.live(script);
    let mut lines = without_repetition(&world.story.unwrap_or_default());
    if let Err(Breach { law, how }) = end {
        lines.push(format!("BROKEN: {law}: {how}"));
    }
    lines.join("\n")
}

/// Leaves out the middle of what goes on and on: a last resort that is paged for days.
fn without_repetition(lines: &[String]) -> Vec<String> {
    let repeats = |line: &String| line.contains("catch_all times=") || line.contains("phones ring");
    let mut short = Vec::new();
    for run in lines.chunk_by(|one, next| repeats(one) && repeats(next)) {
        if run.len() <= 2 * REPEATED_MAX {
            short.extend_from_slice(run);
        } else {
            short.extend_from_slice(&run[..REPEATED_MAX]);
            short.push(format!("… {} more like these …", run.len() - 2 * REPEATED_MAX));
            short.extend_from_slice(&run[run.len() - REPEATED_MAX..]);
        }
    }
    short
}
