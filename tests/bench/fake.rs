//! A Feishu that takes everything, without limits, at once or after a while, and
//! remembers when.
//!
//! A card is known by the number in its alert's name (`Probe00000042`); the ids
//! it gives to messages carry the number on to the buzz.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

pub(crate) const PROBE: &str = "Probe";

/// When something was first accepted, by probe.
pub(crate) type Times = Arc<Mutex<Vec<Option<Instant>>>>;

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    pub(crate) cards: Times,
    pub(crate) buzzes: Times,
    /// How long each answer takes.
    delay: Duration,
}

impl Fake {
    /// Serves on a thread of its own for the rest of the run.
    pub(crate) fn start(probes: usize, delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let times = || Arc::new(Mutex::new(vec![None; probes]));
        let fake = Self { addr: listener.local_addr().unwrap(), cards: times(), buzzes: times(), delay };
        let serving = fake.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serving.serve(listener));
        });
        fake
    }

    async fn serve(self, listener: TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(self.clone().talk(stream));
        }
    }

    async fn talk(self, stream: TcpStream) {
        let mut received = Vec::new();
        loop {
            let Some(length) = whole(&received) else {
                if stream.readable().await.is_err() {
                    return;
                }
                let mut part = [0; 16 * 1024];
                match stream.try_read(&mut part) {
                    Ok(0) => return,
                    Ok(read) => received.extend_from_slice(&part[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                continue;
            };
            let answer = self.answer(&String::from_utf8_lossy(&received[..length]));
            received.drain(..length);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            // An answer fits into the empty buffer of a socket.
            if stream.try_write((head + &answer).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &str) -> String {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        if path.ends_with("/internal") {
            return r#"{"code":0,"msg":"ok","tenant_access_token":"t-bench","expire":7200}"#.to_owned();
        }
        if path.ends_with("/bot/v3/info") {
            return r#"{"code":0,"msg":"ok","bot":{"activate_status":2,"app_name":"bench","open_id":"ou_b"}}"#
                .to_owned();
        }
        if path.ends_with("/messages") {
            let probe = number_after(request, PROBE);
            note(&self.cards, probe);
            return message("om_card", probe);
        }
        if path.ends_with("/reply") {
            return message("om_line", number_after(path, "om_card"));
        }
        if path.ends_with("/urgent_phone") {
            note(&self.buzzes, number_after(path, "om_line"));
        }
        r#"{"code":0,"msg":"ok","data":{}}"#.to_owned()
    }
}

fn message(kind: &str, probe: Option<usize>) -> String {
    let id = probe.map_or_else(|| format!("{kind}_none"), |n| format!("{kind}{n:08}"));
    format!(r#"{{"code":0,"msg":"ok","data":{{"message_id":"{id}","chat_id":"oc_1"}}}}"#)
}

fn note(times: &Times, probe: Option<usize>) {
    if let Some(probe) = probe
        && let Some(time) = times.lock().unwrap().get_mut(probe)
    {
        time.get_or_insert_with(Instant::now);
    }
}

fn number_after(text: &str, word: &str) -> Option<usize> {
    text.split_once(word)?.1.get(..8)?.parse().ok()
}

/// The length of the first request, if it is there as a whole.
fn whole(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let body = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    let length = head + body.map_or(0, |length| length.trim().parse().unwrap());
    (received.len() >= length).then_some(length)
}
