//! One long connection, from its handshake to its end.
//!
//! Pings at once and then as often as Feishu wants, applies what pongs say,
//! and answers each event when the listener has heard it. Events are heard side
//! by side; when too many are, nothing more is read until one is answered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frame::{Frame, Method};
use super::pace::Pace;
use super::parts::Parts;
use crate::feishu::callbacks::{Refused, read};
use crate::feishu::listening::{Listener, answer, button_of_another_time};

/// Largest message, in bytes. A card's value and a message's text are far smaller.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most events heard side by side.
const HEARD_MAX: usize = 64;
/// How long a write may take; one that takes longer goes nowhere.
const WRITE: Duration = Duration::from_secs(10);
/// How long the end of a session waits for events that are being heard.
const DRAIN: Duration = Duration::from_secs(3);
/// How long it waits for the farewell to go out.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// Feishu closed it, with its reason if it gave one.
    Closed(String),
    /// Nothing was heard for so long.
    Silent(Duration),
    /// The wire broke.
    Broken(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("it was told to stop"),
            Self::Closed(reason) if reason.is_empty() => f.write_str("Feishu closed it"),
            Self::Closed(reason) => write!(f, "Feishu closed it: {reason}"),
            Self::Silent(time) => write!(f, "nothing was heard for {} s", time.as_secs()),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// A connection that is open.
pub struct Session<S> {
    socket: WebSocketStream<S>,
    service: i32,
    pace: Pace,
    parts: Parts,
    answers: JoinSet<Frame>,
    heard_at: Instant,
    proven: bool,
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Over a stream whose handshake is done.
    pub async fn over(stream: S, service: i32, pace: Pace) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Self {
            socket: WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await,
            service,
            pace,
            parts: Parts::default(),
            answers: JoinSet::new(),
            heard_at: Instant::now(),
            proven: false,
        }
    }

    /// How fast Feishu wants it, as it last said.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether Feishu has said anything at all over it.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Lets the listener hear what comes for the app, until the session ends or
    /// `stop` turns true. What is being heard then is still answered.
    pub async fn run(
        &mut self,
        app_id: &str,
        listener: &Arc<dyn Listener>,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        let ended = match self.talk(app_id, listener, stop).await {
            Err(ended) => ended,
            Ok(never) => match never {},
        };
        if ended == Ended::Stopped {
            self.take_leave().await;
        }
        ended
    }

    async fn talk(
        &mut self,
        app_id: &str,
        listener: &Arc<dyn Listener>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<std::convert::Infallible, Ended> {
        self.heard_at = Instant::now();
        let mut pinged_at = self.heard_at;
        self.send(&Frame::ping(self.service)).await?;
        loop {
            tokio::select! {
                () = told_to_stop(stop) => return Err(Ended::Stopped),
                Some(answer) = self.answers.join_next() => match answer {
                    Ok(frame) => self.send(&frame).await?,
                    Err(error) => tracing::error!(%error, "answering an event crashed"),
                },
                message = self.socket.next(), if self.answers.len() < HEARD_MAX => {
                    self.heard_at = Instant::now();
                    self.take(message, app_id, listener)?;
                }
                () = sleep_until(pinged_at + self.pace.ping) => {
                    pinged_at = Instant::now();
                    self.send(&Frame::ping(self.service)).await?;
                }
                () = sleep_until(self.heard_at + self.pace.silence()) => {
                    return Err(Ended::Silent(self.pace.silence()));
                }
            }
        }
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), Ended> {
        let message = Message::binary(frame.encode());
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(|error| broken(&error)),
            Err(_) => Err(Ended::Broken("it takes nothing more".to_owned())),
        }
    }

    /// Native pings are answered by the protocol beneath, when it is read again.
    fn take(
        &mut self,
        message: Option<Result<Message, Error>>,
        app_id: &str,
        listener: &Arc<dyn Listener>,
    ) -> Result<(), Ended> {
        match message {
            Some(Ok(Message::Binary(wire))) => match Frame::decode(&wire) {
                Ok(frame) => {
                    self.proven = true;
                    self.hear(frame, app_id, listener);
                }
                Err(error) => tracing::warn!(%error, "passed over a message of the long connection"),
            },
            Some(Ok(Message::Close(reason))) => {
                return Err(Ended::Closed(reason.map(|close| close.reason.to_string()).unwrap_or_default()));
            }
            Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(Ended::Closed(String::new())),
        }
        Ok(())
    }

    fn hear(&mut self, mut frame: Frame, app_id: &str, listener: &Arc<dyn Listener>) {
        match (frame.method(), frame.header("type")) {
            (Some(Method::Control), Some("pong")) => {
                let config = frame.payload.unwrap_or_default();
                self.pace = self.pace.told(&config);
            }
            // Callbacks come as events; a console that is set up otherwise sends cards.
            (Some(Method::Data), Some("event" | "card")) => {
                match self.parts.put(&mut frame, Instant::now()) {
                    Ok(Some(payload)) => {
                        let (app_id, listener) = (app_id.to_owned(), Arc::clone(listener));
                        self.answers.spawn(respond(frame, payload, app_id, listener));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!("{error}; Feishu sends the event again"),
                }
            }
            _ => tracing::debug!(method = frame.method, kind = frame.header("type"), "passed over a frame"),
        }
    }

    /// Answers what was begun, then says goodbye.
    async fn take_leave(&mut self) {
        let until = Instant::now() + DRAIN;
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, self.answers.join_next()).await {
            if let Ok(frame) = answer
                && self.send(&frame).await.is_err()
            {
                return;
            }
        }
        // Whether it arrives is of no consequence.
        drop(timeout(FAREWELL, self.socket.close(None)).await);
    }
}

/// Waits until `stop` turns true, or its sender is gone.
pub async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn broken(error: &Error) -> Ended {
    if matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) {
        return Ended::Closed(String::new());
    }
    Ended::Broken(error.to_string())
}

/// The answer to an event, when it has been heard.
async fn respond(frame: Frame, payload: Vec<u8>, app_id: String, listener: Arc<dyn Listener>) -> Frame {
    let begun = Instant::now();
    let heard = match read(&payload, &app_id) {
        Ok(inbound) => answer(listener, inbound).await.map_err(|again| again.to_string()),
        Err(Refused::Button(why)) => {
            tracing::warn!("refused a callback: the button means nothing here: {why}");
            Ok(button_of_another_time())
        }
        Err(refused) => Err(refused.to_string()),
    };
    let body = heard.map_or_else(
        |why| {
            tracing::warn!("refused an event: {why}");
            json!({"code": 500})
        },
        |body| wrapped(&body),
    );
    frame.answered(begun.elapsed().as_millis(), body.to_string().into_bytes())
}

/// Toast and card ride as base64; what says nothing is left out.
fn wrapped(body: &Value) -> Value {
    if body.as_object().is_none_or(serde_json::Map::is_empty) {
        return json!({"code": 200});
    }
    json!({"code": 200, "data": STANDARD.encode(body.to_string())})
}

#[cfg(test)]
mod tests;
