//! Makes a failing script small: what it fails without was not to blame.

use crate::events::Stimulus;
use crate::house::Core;
use crate::laws::Breach;
use crate::world::World;

/// Scripts tried at most.
const TRIES_MAX: u32 = 600;

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
    let story = story(core, &script);
    (script, story)
}

/// How a script breaks a law, if it does.
fn broken(core: &dyn Core, script: &[Stimulus]) -> Option<Breach> {
    World::new(core, false).live(script).err()
}

/// A script told line by line, up to where it breaks a law.
fn story(core: &dyn Core, script: &[Stimulus]) -> String {
    let mut world = World::new(core, true);
    let end = world.live(script);
    let mut lines = world.story.unwrap_or_default();
    if let Err(Breach { law, how }) = end {
        lines.push(format!("BROKEN: {law}: {how}"));
    }
    lines.join("\n")
}
