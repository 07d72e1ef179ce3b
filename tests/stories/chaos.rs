//! A bad night: a fifth of all calls go wrong, tokens are revoked, the process
//! dies again and again, and incident after incident wants somebody.
//!
//! Time is virtual and the faults come from a seed, so a night that fails can be
//! lived through again: `LARKHORN_CHAOS_SEED=7 cargo test --test stories chaos`.
//! `LARKHORN_CHAOS_INCIDENTS=500` makes it a long one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use larkhorn::domain::{Action, Incident, IncidentId, Phase, RecordedEntry, Urgent};
use larkhorn::sandbox::{Buzz, Limits, Message, Outcome, Unrest};

use crate::alerts::{fires, recovers};
use crate::life::minutes;
use crate::world::World;

/// Unless the environment says otherwise.
const INCIDENTS: u64 = 60;
/// How often people read their chats: who leaves 200 buzzes unread cannot be buzzed any more.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The last begins then.
const NIGHT: SignedDuration = SignedDuration::from_mins(90);

const RULES: &str = "
severities: [{name: critical, urgent: phone, pin: true}, {name: warning, urgent: app}]
people: {lin: {open_id: ou_lin}, mara: {open_id: ou_mara}, otto: {open_id: ou_otto}}
chats: {sre: oc_sre, leads: oc_leads}
policies:
  core:
    steps:
      - {wait: 0s, notify: [lin], urgent: app}
      - {wait: 5m, notify: [mara]}
catch_all: {notify: [otto], chat: leads, every: 30m}
rules:
  - {name: loud, match: ['severity=\"critical\"'], chat: leads, policy: core}
  - {name: rest, chat: sre, policy: core}
";

/// Splitmix64, as Steele, Lea and Flood published it in 2014.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn somebody(&mut self) -> &'static str {
        match self.below(3) {
            0 => "lin",
            1 => "mara",
            _ => "otto",
        }
    }

    fn seconds(&mut self, from: i64, to: i64) -> SignedDuration {
        let span = u64::try_from(to - from).unwrap();
        SignedDuration::from_secs(from + i64::try_from(self.below(span)).unwrap())
    }
}

/// What happens, and when.
#[derive(Debug)]
enum Event {
    Fires(usize),
    Recovers(usize),
    Answered(usize, &'static str),
    TokenRevoked,
    Crash,
    ChatsRead,
}

struct Night {
    world: World,
    severity: Vec<&'static str>,
    began: Vec<Option<Timestamp>>,
}

fn name(alert: usize) -> String {
    format!("Alert{alert:03}")
}

fn script(chance: &mut Chance, incidents: usize) -> BTreeMap<(SignedDuration, usize), Event> {
    let mut events = BTreeMap::new();
    let mut at = |when: SignedDuration, event: Event| {
        let order = events.len();
        events.insert((when, order), event);
    };
    for alert in 0..incidents {
        let begins = chance.seconds(0, NIGHT.as_secs());
        at(begins, Event::Fires(alert));
        let settled = begins + chance.seconds(20, 2400);
        match chance.below(10) {
            0..4 => at(settled, Event::Recovers(alert)),
            4..8 => at(settled, Event::Answered(alert, chance.somebody())),
            // Nobody ever looks at it.
            _ => {}
        }
    }
    for _ in 0..10 {
        at(chance.seconds(0, NIGHT.as_secs()), Event::TokenRevoked);
        at(chance.seconds(0, NIGHT.as_secs()), Event::Crash);
    }
    let mut reads = READ_EVERY;
    while reads <= NIGHT {
        at(reads, Event::ChatsRead);
        reads += READ_EVERY;
    }
    events
}

impl Night {
    async fn live(mut self, events: BTreeMap<(SignedDuration, usize), Event>) -> Self {
        let start = self.world.now();
        for ((when, _), event) in events {
            let wait = (start + when).duration_since(self.world.now());
            if wait.is_positive() {
                self.world.advance(wait).await;
            }
            self = self.happens(event).await;
        }
        self
    }

    async fn happens(mut self, event: Event) -> Self {
        let now = self.world.now();
        match event {
            Event::Fires(alert) => {
                self.began[alert] = Some(now);
                self.world.post(fires(&name(alert), self.severity[alert], now)).await;
            }
            Event::Recovers(alert) => {
                let since = self.began[alert].unwrap();
                self.world.post(recovers(&name(alert), self.severity[alert], since)).await;
            }
            Event::Answered(alert, who) => {
                let incident = self.incident(alert).await;
                self.world.act(incident, Action::Acknowledge, who).await;
            }
            Event::TokenRevoked => self.world.sandbox.revoke_tokens(),
            Event::Crash => self.world = self.world.crash(),
            Event::ChatsRead => self.everybody_reads(),
        }
        self
    }

    fn everybody_reads(&self) {
        let sandbox = &self.world.sandbox;
        for person in ["ou_lin", "ou_mara", "ou_otto"] {
            let direct = sandbox.direct_chat(person).map(|chat| chat.id);
            for chat in ["oc_sre", "oc_leads"].map(str::to_owned).into_iter().chain(direct) {
                sandbox.read_chat(&chat, person);
            }
        }
    }

    async fn incident(&self, alert: usize) -> IncidentId {
        let title = name(alert);
        let all = self.world.incidents().await;
        all.iter().find(|incident| incident.title == title).unwrap().id.unwrap()
    }
}

/// What became of one incident, in the store and on the phones.
struct Fate<'a> {
    incident: &'a Incident,
    timeline: Vec<RecordedEntry>,
    cards: Vec<&'a Message>,
    /// Lines about it, and how often each urged whom.
    buzzes: Vec<&'a Buzz>,
}

impl Fate<'_> {
    fn at(&self, kind: &str) -> Option<Timestamp> {
        self.timeline.iter().find(|entry| entry.kind == kind).map(|entry| entry.at)
    }

    /// When paging had to end; nothing takes an answer back in this night.
    fn quiet_since(&self) -> Option<Timestamp> {
        self.at("acknowledged").into_iter().chain(self.at("resolved")).min()
    }

    fn judge(&self, patience: SignedDuration, end: Timestamp) -> Result<(), String> {
        let (title, opened) = (&self.incident.title, self.at("opened").ok_or("it has no beginning")?);
        let quiet = self.quiet_since();
        let lived = quiet.unwrap_or(end).duration_since(opened);
        // Told by a buzz of its own, or by one that came after its page.
        let told = !self.buzzes.is_empty() || self.at("buzz_shared").is_some();
        if lived > patience && !told {
            return Err(format!("{title}: nobody was buzzed in {lived:#}"));
        }
        // One in its own chat; the catch-all's has another.
        let places: BTreeSet<&str> = self.cards.iter().map(|card| card.chat.as_str()).collect();
        if self.cards.is_empty() || places.len() != self.cards.len() {
            return Err(format!("{title}: {} cards in {places:?}", self.cards.len()));
        }
        if let Some(late) = self.buzzes.iter().find(|buzz| quiet.is_some_and(|at| buzz.at > at)) {
            return Err(format!("{title}: {} of {} after it was quiet", late.urgent, late.person));
        }
        self.no_double_call()?;
        match self.incident.standing.phase() {
            Phase::Triggered if self.at("exhausted").is_none() && lived > minutes(30) => {
                Err(format!("{title}: open for {lived:#}, neither answered nor exhausted"))
            }
            Phase::Triggered | Phase::Acknowledged | Phase::Snoozed | Phase::Resolved => self.shows_its_end(),
        }
    }

    /// The same call again only where the answer was lost, and not within a minute.
    fn no_double_call(&self) -> Result<(), String> {
        let mut last: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
        for buzz in self.buzzes.iter().filter(|buzz| buzz.urgent > Urgent::App) {
            let before = last.insert((&buzz.message, &buzz.person), buzz.at);
            if before.is_some_and(|at| buzz.at.duration_since(at) < minutes(1)) {
                let title = &self.incident.title;
                return Err(format!("{title}: {} rang {} twice within a minute", buzz.person, buzz.urgent));
            }
        }
        Ok(())
    }

    fn shows_its_end(&self) -> Result<(), String> {
        let expected: &[&str] = match self.incident.standing.phase() {
            Phase::Resolved => &["green"],
            Phase::Acknowledged => &["blue"],
            Phase::Triggered | Phase::Snoozed => &["red", "orange", "carmine"],
        };
        let card: serde_json::Value = serde_json::from_str(self.cards[0].content()).unwrap();
        let colour = card["header"]["template"].as_str().unwrap_or_default();
        if expected.contains(&colour) {
            return Ok(());
        }
        Err(format!("{}: its card is {colour}, it should be one of {expected:?}", self.incident.title))
    }
}

/// The messages of the chats, in their order.
fn messages(world: &World) -> Vec<Message> {
    ["oc_sre", "oc_leads"].into_iter().flat_map(|chat| world.sandbox.messages(chat)).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test's length is for whoever runs it")]
fn wished(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
async fn a_fifth_of_all_calls_goes_wrong_and_everybody_is_paged_by_the_book() {
    let seed = wished("LARKHORN_CHAOS_SEED").unwrap_or(1);
    let mut chance = Chance(seed);
    let count = usize::try_from(wished("LARKHORN_CHAOS_INCIDENTS").unwrap_or(INCIDENTS)).unwrap();
    let severity = (0..count).map(|_| if chance.below(4) == 0 { "critical" } else { "warning" }).collect();
    let mut world = World::with(RULES, Limits::Feishu);
    world.look_away();
    world.sandbox.set_unrest(Some(Unrest {
        percent: 20,
        outcomes: vec![
            Outcome::Http(500),
            Outcome::Http(502),
            Outcome::LostResponse,
            Outcome::RateLimited { reset_s: 1 },
            Outcome::Code(2200, "internal error".to_owned()),
            Outcome::Code(99_991_663, "token invalid".to_owned()),
            Outcome::Latency(5),
        ],
        seed,
    }));
    let events = script(&mut chance, count);
    let mut night = Night { world, severity, began: vec![None; count] }.live(events).await;
    // Morning: Feishu is itself again.
    night.world.mend();
    night.everybody_reads();
    night.world.advance(minutes(35)).await;

    let world = &night.world;
    let (all, messages, buzzes) = (world.incidents().await, messages(world), world.sandbox.buzzes());
    let titles: BTreeSet<&str> = all.iter().map(|incident| incident.title.as_str()).collect();
    assert_eq!((all.len(), titles.len()), (count, count), "each alert is one incident");
    let mut verdicts = Vec::new();
    for incident in &all {
        let cards: Vec<&Message> = messages
            .iter()
            .filter(|m| m.is_card() && m.parent.is_none() && m.content().contains(&incident.title))
            .collect();
        let about = |buzz: &&Buzz| buzz.text.contains(&incident.title);
        let timeline = world.timeline(incident).await;
        let fate = Fate { incident, timeline, cards, buzzes: buzzes.iter().filter(about).collect() };
        verdicts.extend(fate.judge(minutes(3), world.now()).err());
    }
    assert!(verdicts.is_empty(), "seed {seed}:\n{}", verdicts.join("\n"));
    // Behind each line its card: a buzz never overtakes what it is about.
    let mut before = BTreeSet::new();
    for message in &messages {
        if let Some(parent) = &message.parent {
            assert!(before.contains(parent), "{} hangs on a card that is not there yet", message.content());
        }
        before.insert(message.id.clone());
    }
    let calls = world.sandbox.calls();
    let failed = calls.iter().filter(|call| call.code != 0).count();
    println!("{count} incidents, {} calls, {failed} went wrong, {} buzzes", calls.len(), buzzes.len());
}
