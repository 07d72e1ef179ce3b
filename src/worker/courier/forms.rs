//! The forms in which an incident can be told, and which one is next when Feishu
//! refuses what is in it.
//!
//! Refused for how a card is built or how long it is: plainer, at last text.
//! Refused for its words: without the words of the alerts. The last form is a
//! line that holds nothing but what the operator's rules say.

use crate::domain::{Incident, MessageId};
use crate::feishu::{Address, CallError, Cards, Content, Verdict};
use crate::store::{Claim, StoreError};

use super::Courier;

/// A way to tell an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The card of its template.
    Full,
    /// A card of headline and summary: no template, mention, button or list.
    Bare,
    /// A card that says which rule and how bad, with no word of the alerts.
    Redacted,
    /// One line of text.
    Line,
    /// One line of text that says which rule and how bad.
    RedactedLine,
}

/// What is refused, and what is tried instead; nothing where there is no row.
const ROWS: &[(Form, Verdict, Form)] = &[
    (Form::Full, Verdict::CardRejected, Form::Bare),
    (Form::Full, Verdict::TooLong, Form::Bare),
    (Form::Full, Verdict::ContentRefused, Form::Redacted),
    (Form::Bare, Verdict::CardRejected, Form::Line),
    (Form::Bare, Verdict::TooLong, Form::Line),
    (Form::Bare, Verdict::ContentRefused, Form::Redacted),
    (Form::Redacted, Verdict::CardRejected, Form::RedactedLine),
    (Form::Redacted, Verdict::TooLong, Form::RedactedLine),
    (Form::Redacted, Verdict::ContentRefused, Form::RedactedLine),
    (Form::Line, Verdict::CardRejected, Form::RedactedLine),
    (Form::Line, Verdict::TooLong, Form::RedactedLine),
    (Form::Line, Verdict::ContentRefused, Form::RedactedLine),
];

impl Form {
    /// What may be accepted where this was refused so; `None`: nothing.
    pub(super) fn instead(self, verdict: Verdict) -> Option<Self> {
        ROWS.iter().find(|(form, refused, _)| *form == self && *refused == verdict).map(|row| row.2)
    }

    /// The words for it in the timeline.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "a card",
            Self::Bare => "a plainer card",
            Self::Redacted => "a card without the alerts' words",
            Self::Line => "plain text",
            Self::RedactedLine => "text without the alerts' words",
        }
    }

    fn of_card(self, cards: &Cards, incident: &Incident, full: &str) -> Option<String> {
        match self {
            Self::Full => Some(full.to_owned()),
            Self::Bare => Some(cards.bare(incident)),
            Self::Redacted => Some(cards.redacted(incident)),
            Self::Line | Self::RedactedLine => None,
        }
    }

    fn content(self, cards: &Cards, incident: &Incident, full: &str) -> Content {
        match self.of_card(cards, incident, full) {
            Some(card) => Content::Card(card),
            None if self == Self::Line => Content::Text(cards.plain(incident)),
            None => Content::Text(cards.redacted_line(incident)),
        }
    }
}

/// A form that was refused, why, and what was tried instead.
pub(super) type Refused = (CallError, Form);

impl Courier {
    /// Sends the incident in the first form that Feishu takes.
    pub(super) async fn tell(
        &self,
        claim: &Claim,
        address: &Address,
        incident: &Incident,
    ) -> Result<(Result<MessageId, CallError>, Vec<Refused>), StoreError> {
        let full = self.draw(incident).await?;
        let (mut form, mut refused) = (Form::Full, Vec::new());
        loop {
            let content = form.content(&self.cards.load(), incident, &full);
            let now = self.clock.now();
            match self.client_for(claim).send(now, address, &content, &claim.uuid).await {
                Ok(sent) => return Ok((Ok(sent.message), refused)),
                Err(error) => match form.instead(error.verdict) {
                    Some(next) => refused.push((error, next)),
                    None => return Ok((Err(error), refused)),
                },
            }
            form = refused.last().map_or(form, |(_, next)| *next);
        }
    }

    /// Edits a card in the first form that Feishu takes.
    pub(super) async fn retell(
        &self,
        claim: &Claim,
        message: &MessageId,
        incident: &Incident,
    ) -> Result<(Result<(), CallError>, Vec<Refused>), StoreError> {
        let full = self.draw(incident).await?;
        let (mut card, mut form, mut refused) = (full.clone(), Form::Full, Vec::new());
        loop {
            let Err(error) = self.client_for(claim).edit_card(self.clock.now(), message, &card).await else {
                return Ok((Ok(()), refused));
            };
            let next = form.instead(error.verdict);
            let drawn =
                next.and_then(|next| Some((next, next.of_card(&self.cards.load(), incident, &full)?)));
            let Some((next, plainer)) = drawn else { return Ok((Err(error), refused)) };
            refused.push((error, next));
            (form, card) = (next, plainer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Form; 5] = [Form::Full, Form::Bare, Form::Redacted, Form::Line, Form::RedactedLine];

    #[test]
    fn each_row_holds_and_is_the_only_one_of_its_kind() {
        for (at, (form, verdict, next)) in ROWS.iter().enumerate() {
            assert_eq!(form.instead(*verdict), Some(*next));
            let twins = ROWS.iter().skip(at + 1).filter(|row| (row.0, row.1) == (*form, *verdict));
            assert_eq!(twins.count(), 0, "{form:?} {verdict:?}");
        }
    }

    #[test]
    fn every_way_ends_in_a_line_of_the_operators_own_words() {
        for verdict in [Verdict::CardRejected, Verdict::TooLong, Verdict::ContentRefused] {
            for mut form in ALL {
                for _ in 0..ALL.len() {
                    form = form.instead(verdict).unwrap_or(form);
                }
                assert_eq!(form, Form::RedactedLine, "{verdict:?}");
            }
        }
        assert_eq!(Form::Full.instead(Verdict::NotInChat), None, "another content would not help");
    }
}
