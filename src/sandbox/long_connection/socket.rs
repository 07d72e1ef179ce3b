//! `GET /ws/v2`: one connection, from its ticket to its end.

use std::collections::BTreeMap;

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::super::Sandbox;
use super::super::world::World;
use super::{CONNECTIONS_MAX, Line, Outgoing};
use crate::feishu::long_connection::{Frame, Method};

/// Largest message taken from a client, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Deserialize)]
pub(in super::super) struct Dialled {
    #[serde(default)]
    ticket: String,
}

/// What a refused handshake says in its headers.
struct Refused {
    status: u32,
    auth_code: Option<u32>,
    message: &'static str,
}

/// The handshake. A refusal's HTTP status is not documented; clients read its headers.
pub(in super::super) async fn dial(
    sandbox: Data<Sandbox>,
    request: HttpRequest,
    body: Payload,
    dialled: Query<Dialled>,
) -> actix_web::Result<HttpResponse> {
    let (outgoing, events) = mpsc::unbounded_channel();
    // Shaken first: a request that is no handshake uses up no ticket.
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    let number = match sandbox.change(|world, _| admit(world, &dialled.ticket, outgoing)) {
        Ok(number) => number,
        Err(refused) => return Ok(refuse(&refused)),
    };
    let messages = messages.max_frame_size(MESSAGE_BYTES_MAX).aggregate_continuations();
    rt::spawn(async move {
        serve(&sandbox, session, messages, events).await;
        sandbox.change(|world, _| world.lines.open.retain(|line| line.number != number));
    });
    Ok(response)
}

/// Uses up the ticket and opens the line.
fn admit(world: &mut World, ticket: &str, outgoing: mpsc::UnboundedSender<Outgoing>) -> Result<u64, Refused> {
    let place = world.tickets.iter().position(|known| known.value == ticket);
    let Some(ticket) = place.map(|place| world.tickets.remove(place)) else {
        return Err(Refused { status: 514, auth_code: Some(1_000_040_344), message: "ticket is invalid" });
    };
    if world.lines.open.iter().filter(|line| line.app == ticket.app).count() >= CONNECTIONS_MAX {
        let message = "the number of connections exceeded the limit";
        return Err(Refused { status: 514, auth_code: Some(1_000_040_350), message });
    }
    world.lines.chosen = true;
    world.lines.open.push(Line { number: ticket.number, app: ticket.app, outgoing });
    Ok(ticket.number)
}

fn refuse(refused: &Refused) -> HttpResponse {
    let mut response = HttpResponse::BadRequest();
    response.insert_header(("Handshake-Status", refused.status.to_string()));
    response.insert_header(("Handshake-Msg", refused.message));
    if let Some(code) = refused.auth_code {
        response.insert_header(("Handshake-Autherrcode", code.to_string()));
    }
    response.finish()
}

/// Until the client leaves, breaks the rules or its line is cut.
async fn serve(
    sandbox: &Sandbox,
    mut session: Session,
    mut messages: AggregatedMessageStream,
    mut events: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut waiting = BTreeMap::new();
    loop {
        let well = tokio::select! {
            event = events.recv() => match event {
                Some(event) => send(&mut session, event, &mut waiting).await,
                None => false,
            },
            message = messages.next() => match message {
                Some(Ok(AggregatedMessage::Binary(wire))) => match Frame::decode(&wire) {
                    Ok(frame) => hear(sandbox, &mut session, frame, &mut waiting).await,
                    Err(_) => false,
                },
                Some(Ok(AggregatedMessage::Ping(payload))) => session.pong(&payload).await.is_ok(),
                Some(Ok(AggregatedMessage::Text(_) | AggregatedMessage::Pong(_))) => true,
                Some(Ok(AggregatedMessage::Close(_)) | Err(_)) | None => false,
            },
        };
        if !well {
            break;
        }
    }
    // Whether it arrives is of no consequence.
    drop(session.close(None).await);
}

type Waiting = BTreeMap<String, oneshot::Sender<Frame>>;

async fn send(session: &mut Session, event: Outgoing, waiting: &mut Waiting) -> bool {
    waiting.retain(|_, answer| !answer.is_closed());
    waiting.insert(event.message_id, event.answer);
    for frame in event.frames {
        if session.binary(frame.encode()).await.is_err() {
            return false;
        }
    }
    true
}

/// Pongs to a ping; takes an answer to whoever waits for it.
async fn hear(sandbox: &Sandbox, session: &mut Session, frame: Frame, waiting: &mut Waiting) -> bool {
    match (frame.method(), frame.header("type")) {
        (Some(Method::Control), Some("ping")) => {
            let pace = sandbox.look(|world| world.options.pace);
            let pong = Frame {
                headers: vec![("type".to_owned(), "pong".to_owned())],
                payload: Some(pace.json().to_string().into_bytes()),
                ..frame
            };
            session.binary(pong.encode()).await.is_ok()
        }
        (Some(Method::Data), _) => {
            if let Some(asked) = frame.header("message_id").and_then(|id| waiting.remove(id)) {
                // Who asked may have gone: the answer came too late.
                drop(asked.send(frame));
            }
            true
        }
        _ => true,
    }
}
