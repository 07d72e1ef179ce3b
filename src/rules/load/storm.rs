//! `storm`: how much is told one by one while a lot happens at once.

use jiff::SignedDuration;

use super::{Documents, Notes, Place, place_of, times};
use crate::rules::document::{Text, place};
use crate::rules::{SourceFile, Storm};

/// Buzzes are shared for so long at most: longer would keep pages back.
const SHARE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What is under `storm`.
pub(super) fn storm(documents: &mut Documents<'_>, notes: &mut Notes) -> Storm {
    let mut chosen: Option<(Storm, Place<'_>)> = None;
    for (file, document) in documents.iter_mut() {
        let Some(entry) = document.storm.take() else { continue };
        let at = place(file.path, entry.referenced);
        let cards = entry.value.cards_per_minute;
        let share = entry.value.share_buzz;
        let found = Storm {
            cards_per_minute: cards
                .map_or(Storm::DEFAULT.cards_per_minute, |text| cards_per_minute(&text, file, notes)),
            share_buzz: share.map_or(Storm::DEFAULT.share_buzz, |text| share_buzz(&text, file, notes)),
        };
        match &chosen {
            Some((_, first)) => {
                notes.error(at, format!("storm is already given at {first}; keep one of them"));
            }
            None => chosen = Some((found, at)),
        }
    }
    chosen.map_or(Storm::DEFAULT, |(found, _)| found)
}

/// `20`; `0` switches it off.
fn cards_per_minute(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> Option<u32> {
    let Ok(cards) = text.value.parse::<u32>() else {
        let message = format!("bad cards_per_minute {:?}; write a number, 0 for no limit", text.value);
        notes.error(place_of(file, text), message);
        return None;
    };
    (cards > 0).then_some(cards)
}

/// `30s`; `0` switches it off.
fn share_buzz(text: &Text, file: &SourceFile<'_>, notes: &mut Notes) -> SignedDuration {
    let span = times::span(text, file, notes);
    if span > SHARE_MAX {
        let message =
            format!("{:?} keeps pages back for too long; give 5m at most, 0 for no sharing", text.value);
        notes.error(place_of(file, text), message);
    }
    span
}
