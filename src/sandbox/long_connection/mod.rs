//! The server side of the long connection (feishu-api.md §8): hands out tickets,
//! takes connections, sends events over them and waits for the answers.
//!
//! Each event goes to one open connection. Feishu chooses at random; here the
//! event's id and attempt choose, so that the same calls give the same world,
//! and many events still spread.
//!
//! The frames are `feishu::long_connection`'s: a format is written once. Feishu's
//! own vectors and its official SDK check it from both sides.

mod controls;
mod socket;
mod tickets;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Sandbox;
use super::callback::{Answered, BAD_BODY, Envelope, NOT_CONNECTED, TIMED_OUT};
use super::world::World;
use crate::feishu::long_connection::Frame;

pub(super) use controls::configure;
pub(super) use socket::dial;
pub(super) use tickets::{Ticket, endpoint};

/// Feishu waits so long for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Connections that an app may have.
const CONNECTIONS_MAX: usize = 50;

/// What Feishu's `ClientConfig` tells clients, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often to try again; -1: without end.
    pub reconnect_count: i64,
    /// Between tries.
    pub reconnect_interval_s: u64,
    /// The first try comes within this, at random.
    pub reconnect_nonce_s: u64,
    /// Between pings.
    pub ping_interval_s: u64,
}

impl Default for Pace {
    /// Feishu's own, but for the pause before the first try: a demo or a test
    /// that drops its one connection wants it back.
    fn default() -> Self {
        Self { reconnect_count: -1, reconnect_interval_s: 120, reconnect_nonce_s: 0, ping_interval_s: 120 }
    }
}

impl Pace {
    fn json(self) -> Value {
        json!({"ReconnectCount": self.reconnect_count, "ReconnectInterval": self.reconnect_interval_s,
               "ReconnectNonce": self.reconnect_nonce_s, "PingInterval": self.ping_interval_s})
    }
}

/// A connection that is open.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) app: String,
    outgoing: mpsc::UnboundedSender<Outgoing>,
}

/// An event on its way to a connection, and where its answer goes.
#[derive(Debug)]
struct Outgoing {
    message_id: String,
    frames: Vec<Frame>,
    answer: oneshot::Sender<Frame>,
}

/// Everything about connections that outlives them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) open: Vec<Line>,
    /// Somebody has connected: the console's setting is the long connection.
    pub(super) chosen: bool,
    /// Events go out in so many frames; 0 and 1: in one.
    pub(super) parts: usize,
    /// Every event sent: the connection and its message id, by event id.
    pub(super) sent: BTreeMap<String, Vec<u64>>,
}

impl Sandbox {
    /// How many long connections are open.
    pub fn connections(&self) -> usize {
        self.look(|world| world.lines.open.len())
    }

    /// Cuts all long connections; clients may connect again. How many they were.
    pub fn drop_connections(&self) -> usize {
        self.change(|world, _| std::mem::take(&mut world.lines.open).len())
    }

    /// From now on each event goes out in so many frames, as large ones do.
    pub fn split_events(&self, parts: usize) {
        self.change(|world, _| world.lines.parts = parts);
    }

    /// The connections that an event was sent to, by their numbers, oldest first.
    pub fn sent_to(&self, event_id: &str) -> Vec<u64> {
        self.look(|world| world.lines.sent.get(event_id).cloned().unwrap_or_default())
    }

    /// Sends an event over a connection and waits for the answer, which is
    /// given as if it were HTTP's.
    pub(super) async fn send_over(&self, line: &Line, envelope: &Envelope, attempt: usize) -> Answered {
        let (answer, answered) = oneshot::channel();
        let message_id = format!("{}-{attempt}", envelope.event_id);
        let parts = self.change(|world, _| {
            world.lines.sent.entry(envelope.event_id.clone()).or_default().push(line.number);
            world.lines.parts
        });
        let frames = frames(&envelope.json(&line.app, None).to_string(), &message_id, line.number, parts);
        line.outgoing.send(Outgoing { message_id, frames, answer }).map_err(|_| NOT_CONNECTED)?;
        match timeout(ANSWER, answered).await {
            Ok(Ok(frame)) => read_answer(&frame),
            Ok(Err(_)) => Err(NOT_CONNECTED),
            Err(_) => Err(TIMED_OUT),
        }
    }
}

/// The connection that an attempt goes to, if any is open.
pub(super) fn choose(world: &World, event_id: &str, attempt: usize) -> Option<Line> {
    let mut hasher = DefaultHasher::new();
    (event_id, attempt).hash(&mut hasher);
    let open = u64::try_from(world.lines.open.len()).unwrap_or(u64::MAX);
    let place = usize::try_from(hasher.finish().checked_rem(open)?).ok()?;
    world.lines.open.get(place).cloned()
}

/// The frames of an event. Payloads are cut at bytes, wherever letters end.
fn frames(payload: &str, message_id: &str, service: u64, parts: usize) -> Vec<Frame> {
    let size = payload.len().div_ceil(parts.max(1)).max(1);
    let cut: Vec<&[u8]> = payload.as_bytes().chunks(size).collect();
    let sum = cut.len().to_string();
    let frame = |(seq, part): (usize, &[u8])| {
        let headers = [
            ("type", "event"),
            ("message_id", message_id),
            ("sum", sum.as_str()),
            ("seq", &seq.to_string()),
            ("trace_id", message_id),
        ];
        Frame {
            seq_id: 1,
            log_id: 1,
            service: i32::try_from(service).unwrap_or_default(),
            method: 1,
            headers: headers.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            payload: Some(part.to_vec()),
            ..Frame::default()
        }
    };
    cut.into_iter().enumerate().map(frame).collect()
}

/// An answer's code as HTTP's status, and what rides along as its body.
fn read_answer(frame: &Frame) -> Answered {
    let answer: Value =
        serde_json::from_slice(frame.payload.as_deref().unwrap_or_default()).map_err(|_| BAD_BODY)?;
    let code = answer.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let body = match answer.get("data").and_then(Value::as_str) {
        Some(data) => STANDARD.decode(data).map_err(|_| BAD_BODY)?,
        None => b"{}".to_vec(),
    };
    Ok((code.ok_or(BAD_BODY)?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_cut_into_as_many_frames_as_asked() {
        for (parts, sizes) in
            [(0, vec![7]), (1, vec![7]), (2, vec![4, 3]), (3, vec![3, 3, 1]), (99, vec![1; 7])]
        {
            let cut = frames("payload", "m", 3, parts);
            let got: Vec<_> = cut.iter().map(|frame| frame.payload.as_ref().unwrap().len()).collect();
            assert_eq!(got, sizes, "{parts}");
            let sum = sizes.len().to_string();
            for (seq, frame) in cut.iter().enumerate() {
                assert_eq!(
                    (frame.header("sum"), frame.header("seq")),
                    (Some(&*sum), Some(&*seq.to_string()))
                );
            }
        }
    }

    #[test]
    fn answers_read_as_https_would() {
        let answer = |payload: &str| {
            read_answer(&Frame { payload: Some(payload.as_bytes().to_vec()), ..Frame::default() })
        };
        assert_eq!(answer(r#"{"code":200}"#), Ok((200, b"{}".to_vec())));
        assert_eq!(answer(r#"{"code":200,"data":"eyJhIjoxfQ=="}"#), Ok((200, br#"{"a":1}"#.to_vec())));
        assert_eq!(answer(r#"{"code":500}"#), Ok((500, b"{}".to_vec())));
        for bad in ["", "{}", r#"{"code":"200"}"#, r#"{"code":200,"data":"%"}"#] {
            assert_eq!(answer(bad), Err(BAD_BODY), "{bad}");
        }
    }
}
