//! A network between a pager and what it talks to, that can be cut.
//!
//! TCP in, TCP out. [`Proxy::cut`] resets what is open and refuses what comes,
//! as a dead host does; [`Proxy::stall`] lets connections stand and bytes vanish
//! into waiting, as a partition does; [`Proxy::heal`] makes all well, and what
//! was on its way when it stalled arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Well,
    Stalled,
    Cut,
}

/// See the module. Everything ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    link: Arc<watch::Sender<Link>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// One to that address, on a port of its own.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let link = Arc::new(watch::Sender::new(Link::Well));
        let task = tokio::spawn(accept(listener, target, link.clone()));
        Self { address, link, task }
    }

    pub(crate) fn cut(&self) {
        self.link.send_replace(Link::Cut);
    }

    pub(crate) fn stall(&self) {
        self.link.send_replace(Link::Stalled);
    }

    pub(crate) fn heal(&self) {
        self.link.send_replace(Link::Well);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, link: Arc<watch::Sender<Link>>) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        let state = link.subscribe();
        if *state.borrow() == Link::Cut {
            reset(&near);
            continue;
        }
        tokio::spawn(connect(near, target, state));
    }
}

/// While the network stalls, nobody answers a greeting either.
async fn connect(mut near: TcpStream, target: SocketAddr, mut state: watch::Receiver<Link>) {
    let moving = state.wait_for(|link| *link != Link::Stalled).await.is_ok_and(|link| *link == Link::Well);
    let far = if moving { TcpStream::connect(target).await.ok() } else { None };
    let Some(mut far) = far else {
        reset(&near);
        return;
    };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
    }
    let mut cut = state.clone();
    let was_cut = {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let there = pump(near_in, far_out, state.clone());
        let back = pump(far_in, near_out, state);
        tokio::select! {
            _ = cut.wait_for(|link| *link == Link::Cut) => true,
            _ = async { tokio::join!(there, back) } => false,
        }
    };
    if was_cut {
        reset(&near);
        reset(&far);
    }
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut state: watch::Receiver<Link>) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(count) = from.read(&mut bytes).await else { return };
        // What was read while the network stood still arrives later.
        if state.wait_for(|link| *link != Link::Stalled).await.is_err() {
            return;
        }
        if count == 0 {
            drop(to.shutdown().await);
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Its other end sees a reset once it is dropped.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// A server that says everything again.
#[cfg(test)]
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    address
}

#[cfg(test)]
async fn say(stream: &mut TcpStream, words: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(words).await.ok()?;
    hear(stream, words.len()).await
}

/// What comes within a while; `None` when the connection is gone.
#[cfg(test)]
async fn hear(stream: &mut TcpStream, count: usize) -> Option<Vec<u8>> {
    let mut heard = vec![0; count];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut heard)).await;
    read.expect("something to come").ok()?;
    Some(heard)
}

#[tokio::test]
async fn a_network_that_is_well_hands_on_what_is_said() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await.unwrap(), b"one");
    let long = vec![7; 300_000];
    let (mut from, mut to) = stream.split();
    let mut heard = vec![0; long.len()];
    let (sent, read) = tokio::join!(to.write_all(&long), from.read_exact(&mut heard));
    sent.unwrap();
    read.unwrap();
    assert!(heard == long);
}

#[tokio::test]
async fn a_network_that_is_cut_resets_and_refuses_until_it_heals() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await.unwrap(), b"one");
    proxy.cut();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 8])).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let refused = match TcpStream::connect(proxy.address).await {
        Ok(mut stream) => say(&mut stream, b"two").await.is_none(),
        Err(_) => true,
    };
    assert!(refused);
    proxy.heal();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(say(&mut stream, b"three").await.unwrap(), b"three");
}

#[tokio::test]
async fn a_network_that_stalls_says_nothing_until_it_heals() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(say(&mut stream, b"one").await.unwrap(), b"one");
    proxy.stall();
    let mut late = TcpStream::connect(proxy.address).await.unwrap();
    for stream in [&mut stream, &mut late] {
        stream.write_all(b"two").await.unwrap();
        let silent = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 8])).await;
        assert!(silent.is_err(), "{silent:?}");
    }
    proxy.heal();
    for stream in [&mut stream, &mut late] {
        assert_eq!(hear(stream, 3).await.unwrap(), b"two");
    }
}
