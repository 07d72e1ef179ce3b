//! Events on their way to the app: kept until they are answered 200, sent again
//! after 15 s, 5 min, 1 h and 6 h, then given up (feishu-api.md §7).
//!
//! Feishu does not document whether these waits count from the first or the
//! latest attempt; here they follow each other.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Sandbox;
use super::callback::{Answered, Callback, Envelope, NOT_CONNECTED};
use super::long_connection::{self, Line};
use super::model::{Message, Reaction};
use super::world::World;

/// Waits before each repetition.
const AGAIN_AFTER: [SignedDuration; 4] = [
    SignedDuration::from_secs(15),
    SignedDuration::from_mins(5),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(6),
];
/// Names the app where no message does.
const APP: &str = "cli_sandbox";

/// An event that has not been answered yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    envelope: Envelope,
    /// Attempts so far.
    attempts: usize,
    due_at: Timestamp,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// Names the event; repetitions have the same.
    pub event_id: String,
    /// `im.message.receive_v1`, …
    pub kind: String,
    /// 1 for the first.
    pub attempt: usize,
    /// The answer's status; `None`: none came in time.
    pub status: Option<u16>,
}

/// How an event reaches the app.
#[derive(Debug)]
pub(super) enum Route {
    /// Over this connection.
    Line(Line),
    /// To this address.
    Http(Callback),
    /// Not now: it wants a long connection and has none open.
    None,
}

impl Route {
    /// The route of an attempt. A long connection has been chosen by opening one.
    pub(super) fn of(world: &World, envelope: &Envelope, attempts: usize) -> Self {
        if let Some(line) = long_connection::choose(world, &envelope.event_id, attempts) {
            return Self::Line(line);
        }
        match &world.options.callback {
            Some(callback) if !world.lines.chosen => Self::Http(callback.clone()),
            _ => Self::None,
        }
    }
}

impl Sandbox {
    /// Sends the events that are due at `now` and waits for their answers; how
    /// many were sent. A served sandbox does so by itself, twice a second.
    pub async fn deliver_due(&self, now: Timestamp) -> usize {
        // One at a time, so that none is sent twice and who waits finds all sent.
        let _turn = self.delivering.lock().await;
        let mut sent = 0;
        while let Some((route, waiting)) = self.take_due(now) {
            let answer = self.deliver(route, &waiting.envelope, waiting.attempts, now).await;
            self.change(|world, _| note(world, waiting, answer.ok().map(|(status, _)| status), now));
            sent += 1;
        }
        sent
    }

    /// Without counting as a change: most of the time there is nothing.
    fn take_due(&self, now: Timestamp) -> Option<(Route, Waiting)> {
        let mut world = self.lock();
        if !world.has_listener() {
            return None;
        }
        let place = world.events.iter().position(|event| event.due_at <= now)?;
        let waiting = world.events.remove(place);
        let route = Route::of(&world, &waiting.envelope, waiting.attempts);
        drop(world);
        Some((route, waiting))
    }

    /// One attempt, by that route.
    pub(super) async fn deliver(
        &self,
        route: Route,
        envelope: &Envelope,
        attempts: usize,
        now: Timestamp,
    ) -> Answered {
        match route {
            Route::Line(line) => self.send_over(&line, envelope, attempts).await,
            Route::Http(callback) => callback.post(self.http.as_ref(), envelope, now).await,
            Route::None => Err(NOT_CONNECTED),
        }
    }

    /// Delivers an event once more although it was answered, as Feishu may.
    /// `false` if no event has this id.
    pub fn repeat_event(&self, event_id: &str) -> bool {
        self.change(|world, now| {
            let known = world.delivered.iter().find(|envelope| envelope.event_id == event_id).cloned();
            let Some(envelope) = known else { return false };
            world.events.push(Waiting { envelope, attempts: AGAIN_AFTER.len(), due_at: now });
            true
        })
    }

    /// Every attempt to deliver an event, oldest first. Pressed buttons are none.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.look(|world| world.deliveries.clone())
    }
}

/// Keeps what came of an attempt.
fn note(world: &mut World, waiting: Waiting, status: Option<u16>, now: Timestamp) {
    let Waiting { envelope, attempts, .. } = waiting;
    world.deliveries.push(Delivery {
        at: now,
        event_id: envelope.event_id.clone(),
        kind: envelope.kind.clone(),
        attempt: attempts + 1,
        status,
    });
    if status == Some(200) {
        world.delivered.push(envelope);
    } else if let Some(wait) = AGAIN_AFTER.get(attempts) {
        world.events.push(Waiting { envelope, attempts: attempts + 1, due_at: now + *wait });
    }
}

/// Puts an event on its way; without a listener nobody would hear it.
fn announce(world: &mut World, kind: &str, event: Value, now: Timestamp) {
    if !world.has_listener() {
        return;
    }
    let envelope = envelope(world, kind, APP, event, now);
    world.events.push(Waiting { envelope, attempts: 0, due_at: now });
}

pub(super) fn envelope(world: &mut World, kind: &str, app: &str, event: Value, now: Timestamp) -> Envelope {
    let event_id = format!("ev_{:016x}", world.next());
    Envelope { event_id, kind: kind.to_owned(), created_at: now, app: app.to_owned(), event }
}

/// The three ids of a person.
pub(super) fn ids(world: &World, open_id: &str) -> Value {
    let id = |kind| world.id_of(open_id, kind);
    json!({"open_id": open_id, "user_id": id("user_id"), "union_id": id("union_id")})
}

/// Somebody wrote a message.
pub(super) fn message_received(world: &mut World, message: &Message, now: Timestamp) {
    let direct = world.chat(&message.chat).is_some_and(|chat| chat.is_direct);
    let mut said = json!({
        "message_id": message.id,
        "create_time": now.as_millisecond().to_string(),
        "chat_id": message.chat,
        "chat_type": if direct { "p2p" } else { "group" },
        "message_type": message.msg_type,
        "content": message.content(),
    });
    if let (Some(fields), Some(parent), Some(root)) = (said.as_object_mut(), &message.parent, &message.root) {
        fields.insert("parent_id".to_owned(), json!(parent));
        fields.insert("root_id".to_owned(), json!(root));
    }
    let sender = json!({"sender_id": ids(world, &message.sender), "sender_type": "user",
                        "tenant_key": "sandbox"});
    announce(world, "im.message.receive_v1", json!({"sender": sender, "message": said}), now);
}

/// Somebody put an emoji on a message, or took it off.
pub(super) fn reacted(world: &mut World, message: &str, reaction: &Reaction, added: bool, now: Timestamp) {
    let kind = if added { "im.message.reaction.created_v1" } else { "im.message.reaction.deleted_v1" };
    let event = json!({
        "message_id": message,
        "reaction_type": {"emoji_type": reaction.emoji},
        "operator_type": "user",
        "user_id": ids(world, &reaction.by),
        "action_time": now.as_millisecond().to_string(),
    });
    announce(world, kind, event, now);
}

/// Somebody read messages in their conversation with the bot.
pub(super) fn read(world: &mut World, reader: &str, messages: &[String], now: Timestamp) {
    let reader = json!({"reader_id": ids(world, reader), "tenant_key": "sandbox",
                        "read_time": now.as_millisecond().to_string()});
    let event = json!({"reader": reader, "message_id_list": messages});
    announce(world, "im.message.message_read_v1", event, now);
}
