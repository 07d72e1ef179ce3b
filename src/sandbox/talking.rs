//! People's answers: replies and reactions, and the controls that let a page or
//! a script press, reply and react.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json};
use serde::Deserialize;
use serde_json::json;

use super::callback::Callback;
use super::control::{FromHere, done, refuse};
use super::model::Reaction;
use super::{Sandbox, events, marks, sending};

impl Sandbox {
    /// Sets where pressed buttons and events go until the next [reset](Self::reset);
    /// `None`: nowhere.
    pub fn set_callback(&self, callback: Option<Callback>) {
        self.change(|world, _| world.options.callback = callback);
    }

    /// A person answers a message with a text, which the app hears at once; the
    /// reply's id. An unknown `parent` makes it a message like any other.
    pub async fn say_reply(&self, chat: &str, person: &str, parent: &str, text: &str) -> String {
        let id = self.change(|world, now| sending::say(world, chat, person, (text, Some(parent)), now));
        self.deliver_due(self.clock.now()).await;
        id
    }

    /// A person puts an emoji on a message, which the app hears at once. `false`
    /// if there is no such message or emoji, or if it is there already.
    pub async fn react(&self, message: &str, person: &str, emoji: &str) -> bool {
        let changed = self.change(|world, now| {
            let id = format!("r_{:016x}", world.next());
            let Some(shown) = world.message_mut(message).filter(|m| !m.deleted) else { return false };
            let there = shown.reactions.iter().any(|r| r.by == person && r.emoji == emoji);
            if there || !marks::EMOJI.contains(&emoji) {
                return false;
            }
            let reaction = Reaction { id, emoji: emoji.to_owned(), by: person.to_owned(), at: now };
            shown.reactions.push(reaction.clone());
            events::reacted(world, message, &reaction, true, now);
            true
        });
        self.deliver_due(self.clock.now()).await;
        changed
    }

    /// A person takes their emoji off again, which the app hears at once. `false`
    /// if it is not there.
    pub async fn unreact(&self, message: &str, person: &str, emoji: &str) -> bool {
        let changed = self.change(|world, now| {
            let Some(shown) = world.message_mut(message) else { return false };
            let place = shown.reactions.iter().position(|r| r.by == person && r.emoji == emoji);
            let Some(place) = place else { return false };
            let reaction = shown.reactions.remove(place);
            events::reacted(world, message, &reaction, false, now);
            true
        });
        self.deliver_due(self.clock.now()).await;
        changed
    }
}

pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/callback", web::post().to(set_callback))
        .route("/callback", web::delete().to(unset_callback))
        .route("/press", web::post().to(press))
        .route("/reply", web::post().to(reply))
        .route("/react", web::post().to(react));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCallback {
    url: String,
    encrypt_key: Option<String>,
    verification_token: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    message: String,
    person: String,
    button: String,
    /// How many edits ago the card looked as the person sees it.
    #[serde(default)]
    back: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    chat: String,
    person: String,
    parent: Option<String>,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct React {
    message: String,
    person: String,
    emoji: String,
    /// Put on, not taken off.
    on: bool,
}

async fn set_callback(_: FromHere, sandbox: Data<Sandbox>, callback: Json<NewCallback>) -> HttpResponse {
    let NewCallback { url, encrypt_key, verification_token } = callback.into_inner();
    sandbox.set_callback(Some(Callback { url, encrypt_key, verification_token }));
    done()
}

async fn unset_callback(_: FromHere, sandbox: Data<Sandbox>) -> HttpResponse {
    sandbox.set_callback(None);
    done()
}

async fn press(_: FromHere, sandbox: Data<Sandbox>, press: Json<Press>) -> HttpResponse {
    let Press { message, person, button, back } = press.into_inner();
    match sandbox.press_version(&message, &person, &button, back).await {
        Ok(pressed) => HttpResponse::Ok().json(json!({
            "ok": pressed.error.is_none(), "status": pressed.status, "error": pressed.error,
            "toast": pressed.toast.map(|t| json!({"kind": t.kind, "zh": t.zh, "en": t.en})),
            "took_ms": u64::try_from(pressed.took.as_millis()).unwrap_or(u64::MAX),
        })),
        Err(why) => refuse(&why.to_string()),
    }
}

async fn reply(_: FromHere, sandbox: Data<Sandbox>, reply: Json<Reply>) -> HttpResponse {
    let Reply { chat, person, parent, text } = reply.into_inner();
    if text.trim().is_empty() {
        return refuse("there is nothing to say");
    }
    let id = sandbox.say_reply(&chat, &person, parent.as_deref().unwrap_or_default(), text.trim()).await;
    HttpResponse::Ok().json(json!({"ok": true, "message": id}))
}

async fn react(_: FromHere, sandbox: Data<Sandbox>, react: Json<React>) -> HttpResponse {
    let React { message, person, emoji, on } = react.into_inner();
    let changed = if on {
        sandbox.react(&message, &person, &emoji).await
    } else {
        sandbox.unreact(&message, &person, &emoji).await
    };
    if changed {
        done()
    } else {
        refuse("nothing was changed: no such message or emoji, or it is so already")
    }
}
