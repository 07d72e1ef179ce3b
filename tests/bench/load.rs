//! Asks as fast as it is answered: connections that send the next request when
//! the last one was answered, nothing ahead of time.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::payload::Unique;
use crate::table::percentile_ms;

/// What a round brought.
pub(crate) struct Round {
    /// Requests answered 200, the first of each connection included.
    pub(crate) answered: usize,
    pub(crate) per_second: f64,
    pub(crate) p99_ms: f64,
    pub(crate) worst_ms: f64,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// A new group each time.
    New,
    /// The same alert of the same group again and again.
    Again,
    /// The same, to Alertmanager's API.
    Alertmanager,
}

/// When it ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Answered(usize),
}

/// Runs a round on one thread.
pub(crate) fn round(addr: SocketAddr, connections: usize, send: Send, until: Until) -> Round {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, run(addr, connections, send, until))
}

async fn run(addr: SocketAddr, connections: usize, send: Send, until: Until) -> Round {
    let next = Rc::new(Cell::new(0));
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(addr, Rc::clone(&next), send).await);
    }
    // The first request of a connection pays for what later ones find ready.
    for connection in &mut open {
        connection.ask().await;
    }
    let started = Instant::now();
    let end = match until {
        Until::Elapsed(duration) => (started + duration, usize::MAX),
        Until::Answered(count) => (started + Duration::from_mins(10), count),
    };
    let tasks: Vec<_> = open.into_iter().map(|c| tokio::task::spawn_local(c.repeat(end))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let took = started.elapsed().as_secs_f64();
    Round {
        answered: next.get(),
        per_second: latencies.len() as f64 / took,
        p99_ms: percentile_ms(&mut latencies, 0.99),
        worst_ms: percentile_ms(&mut latencies, 1.0),
    }
}

struct Connection {
    stream: TcpStream,
    request: Unique,
    /// The number of the next request of all connections.
    next: Rc<Cell<usize>>,
    send: Send,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(addr: SocketAddr, next: Rc<Cell<usize>>, send: Send) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = match send {
            Send::New | Send::Again => Unique::new(),
            Send::Alertmanager => Unique::for_alertmanager(),
        };
        Self { stream, request, next, send, answer: vec![0; 4096] }
    }

    async fn repeat(mut self, (end, count): (Instant, usize)) -> Vec<Duration> {
        let mut latencies = Vec::new();
        while self.next.get() < count {
            let asked = Instant::now();
            if asked >= end {
                break;
            }
            self.ask().await;
            latencies.push(asked.elapsed());
        }
        latencies
    }

    async fn ask(&mut self) {
        let n = self.next.get();
        self.next.set(n + 1);
        let mut rest = self.request.numbered(if self.send == Send::New { n } else { 0 });
        while !rest.is_empty() {
            self.stream.writable().await.unwrap();
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
        }
        let mut read = 0;
        while !whole(&self.answer[..read]) {
            self.stream.readable().await.unwrap();
            match self.stream.try_read(&mut self.answer[read..]) {
                Ok(0) => panic!("the connection was closed instead of an answer"),
                Ok(more) => read += more,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
        }
        let answer = &self.answer[..read];
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
    }
}

/// Whether an answer with a JSON object as its body, or with none, has arrived as a whole.
fn whole(answer: &[u8]) -> bool {
    let empty = || answer.windows(17).any(|w| w == b"Content-Length: 0");
    match answer.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(end) if end + 4 == answer.len() => empty(),
        Some(_) => answer.ends_with(b"}"),
        None => false,
    }
}
