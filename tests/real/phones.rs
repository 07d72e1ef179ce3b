//! The played Feishu and what can be seen on the phones.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use larkhorn::app::SystemClock;
use larkhorn::domain::Urgent;
use larkhorn::sandbox::{
    Account, Api, Buzz, Fault, Limits, Message, Options, Outcome, Pinned, Running, Sandbox,
};
use serde_json::Value;

use crate::ports::free_address;

/// As the shipped rules name them.
pub(crate) const CHAT: &str = "oc_oncall";
pub(crate) const LIN: &str = "ou_lin";
pub(crate) const MARA: &str = "ou_mara";

/// An answer that nobody lives to see, in milliseconds.
const NEVER_MS: u64 = 600_000;

/// A Feishu with Lin and Mara in one chat, and nobody else.
pub(crate) struct Phones {
    pub(crate) sandbox: Sandbox,
    address: SocketAddr,
    running: Option<Running>,
}

/// A card in the chat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) message: String,
    /// As it now stands.
    pub(crate) content: String,
    /// The header's: `red`, `orange`, `green`, …
    pub(crate) colour: String,
}

impl Phones {
    /// A Feishu that does not answer yet.
    pub(crate) fn off(limits: Limits) -> Self {
        let sandbox = Sandbox::new(Arc::new(SystemClock), Options { limits, ..Options::default() });
        sandbox.add_person(Account::new(LIN, "Lin"));
        sandbox.add_person(Account::new(MARA, "Mara"));
        sandbox.add_chat(CHAT, "On-call", &[LIN, MARA]);
        Self { sandbox, address: free_address(), running: None }
    }

    /// One that answers, with Feishu's limits.
    pub(crate) fn on() -> Self {
        let mut phones = Self::off(Limits::Feishu);
        phones.switch_on();
        phones
    }

    /// From now on it answers.
    pub(crate) fn switch_on(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.running = Some(self.sandbox.serve(listener).unwrap());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cards that ever were in the chat, oldest first.
    pub(crate) fn cards(&self) -> Vec<Card> {
        let messages = self.sandbox.messages(CHAT);
        messages.into_iter().filter(|m| m.msg_type == "interactive").map(card).collect()
    }

    /// The only card that says `words`; `None` when there is none yet.
    ///
    /// # Panics
    ///
    /// When there are two.
    pub(crate) fn card(&self, words: &str) -> Option<Card> {
        let mut saying = self.cards();
        saying.retain(|card| card.content.contains(words));
        assert!(saying.len() < 2, "{} cards say {words:?}", saying.len());
        saying.pop()
    }

    /// Whether the only card that says `words` has that colour.
    pub(crate) fn shows(&self, words: &str, colour: &str) -> bool {
        self.card(words).is_some_and(|card| card.colour == colour)
    }

    /// Lines that answer a card: what buzzes are about.
    pub(crate) fn lines(&self, card: &Card) -> Vec<Message> {
        let mut lines = self.sandbox.messages(CHAT);
        lines.retain(|m| m.parent.as_deref() == Some(&card.message));
        lines
    }

    /// How often a person was buzzed about a card, and how loudly.
    pub(crate) fn buzzes(&self, card: &Card, person: &str) -> Vec<Urgent> {
        let lines: Vec<String> = self.lines(card).into_iter().map(|line| line.id).collect();
        let about = |buzz: &Buzz| buzz.person == person && lines.contains(&buzz.message);
        self.sandbox.buzzes().into_iter().filter(about).map(|buzz| buzz.urgent).collect()
    }

    /// Whether a person has the chat on top of their list.
    pub(crate) fn is_pinned(&self, person: &str) -> bool {
        self.sandbox.pins(person).contains(&Pinned::Chat(CHAT.into()))
    }

    /// How often a call arrived.
    pub(crate) fn called(&self, api: Api) -> usize {
        self.sandbox.calls().iter().filter(|call| call.api == api).count()
    }

    /// The next such call is done, but its answer never arrives.
    pub(crate) fn hold(&self, api: Api) {
        self.spoil(api, Some(1), Outcome::Latency(NEVER_MS));
    }

    /// Such calls go wrong.
    pub(crate) fn spoil(&self, api: Api, times: Option<u32>, outcome: Outcome) {
        self.sandbox.inject(Fault { api, times, outcome });
    }
}

fn card(message: Message) -> Card {
    let content: Value = serde_json::from_str(message.content()).unwrap();
    let colour = content["header"]["template"].as_str().unwrap_or_default().to_owned();
    Card { content: message.content().to_owned(), message: message.id, colour }
}

impl Drop for Phones {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.sandbox.messages(CHAT).into_iter().rev().take(10);
            let lines: Vec<String> = shown
                .map(|m| format!("{} {} -> {:?}: {}", m.id, m.msg_type, m.parent, m.content()))
                .collect();
            let calls: Vec<String> =
                self.sandbox.calls().iter().rev().take(40).map(|c| format!("{c:?}")).collect();
            eprintln!("---- the last messages:\n{}", lines.join("\n"));
            eprintln!("---- the last calls:\n{}", calls.join("\n"));
            eprintln!("---- pins: {:?} {:?}", self.sandbox.pins(LIN), self.sandbox.pins(MARA));
        }
    }
}
