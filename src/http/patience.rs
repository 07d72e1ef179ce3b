//! A connection whose other end may be slow, but not for ever.
//!
//! The web server bounds the head of the first request on a connection and
//! nothing after it: half a head behind a good request, the rest of a body that
//! nobody wants, or a reader that stopped reading would hold a connection as long as
//! they like. Here every wait for the other end has an end:
//!
//! | waiting for | at most |
//! |---|---|
//! | the first byte of a next request | [`KEEP_ALIVE`] |
//! | the rest of a request's head, or the end of what nobody reads | [`HEAD`] |
//! | room to write an answer | [`WRITE`] |
//!
//! While a request is answered its handler bounds the wait for the body (`body`).

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long an idle connection is kept; Alertmanager's client reuses them.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a sender may take for the head of a request. A little more than the
/// web server allows for the first one, which it answers 408.
const HEAD: Duration = Duration::from_millis(7_500);
/// How long a reader may let an answer wait.
const WRITE: Duration = Duration::from_secs(30);

/// What a connection and its requests know of each other.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Requests that are being answered.
    open: Cell<usize>,
    /// Requests that have begun.
    begun: Cell<u64>,
}

/// A request that is being answered.
struct Open(Rc<Turn>);

impl Open {
    fn on(turn: Rc<Turn>) -> Self {
        turn.open.set(turn.open.get() + 1);
        turn.begun.set(turn.begun.get() + 1);
        Self(turn)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

/// Lets the connection of a request know that it is being answered.
pub(super) fn answer<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let open = request.conn_data::<Rc<Turn>>().cloned().map(Open::on);
    let answered = service.call(request);
    async move {
        let answer = answered.await;
        drop(open);
        answer
    }
}

/// Which wait a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    /// How many requests had begun.
    after: u64,
    /// Whether bytes have come since.
    amid: bool,
}

/// See the module.
pub(super) struct Patient<IO> {
    io: IO,
    turn: Rc<Turn>,
    reading: Option<(Pin<Box<Sleep>>, Wait)>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<IO> Patient<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, turn: Rc::default(), reading: None, writing: None }
    }

    pub(super) fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
    }

    /// The deadline of the wait that goes on now; a new one when another wait begins.
    fn wait(&mut self, came: bool) -> &mut Pin<Box<Sleep>> {
        let after = self.turn.begun.get();
        let before = self.reading.as_ref().map(|(_, wait)| *wait).filter(|wait| wait.after == after);
        let now = Wait { after, amid: came || before.is_some_and(|wait| wait.amid) };
        // Nothing has come yet on a fresh connection: its first head is due.
        let span = if now.amid || after == 0 { HEAD } else { KEEP_ALIVE };
        let fresh = before != Some(now);
        let (sleep, wait) = self.reading.get_or_insert_with(|| (Box::pin(tokio::time::sleep(span)), now));
        if fresh {
            *wait = now;
            sleep.as_mut().reset(Instant::now() + span);
        }
        sleep
    }

    /// What a write came to, unless the reader has kept it waiting for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.writing = None;
            return done;
        }
        let sleep = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE)));
        if sleep.as_mut().poll(cx).is_ready() {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            done
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Patient<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let had = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if this.turn.open.get() > 0 {
            return read;
        }
        let came = buf.filled().len() > had;
        let late = this.wait(came).as_mut().poll(cx).is_ready();
        // Bytes that never become a request are no reason to wait on.
        if late && (read.is_pending() || came) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Patient<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.written(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_flush(cx);
        this.written(cx, done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_shutdown(cx);
        this.written(cx, done)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// How long a read waits in vain, and for which kind of error.
    async fn in_vain<IO: AsyncRead + Unpin>(patient: &mut Patient<IO>) -> (io::ErrorKind, Duration) {
        let begun = Instant::now();
        let error = loop {
            if let Err(error) = patient.read(&mut [0; 16]).await {
                break error;
            }
        };
        (error.kind(), begun.elapsed())
    }

    const LATE: io::ErrorKind = io::ErrorKind::TimedOut;

    #[tokio::test(start_paused = true)]
    async fn every_wait_for_the_other_end_has_an_end() {
        let (here, mut there) = duplex(64);
        let mut patient = Patient::new(here);
        // Nothing, or half a head, on a fresh connection.
        let (kind, took) = in_vain(&mut patient).await;
        assert_eq!((kind, took.as_secs()), (LATE, HEAD.as_secs()));

        // Behind a request that was answered: nothing, and half a head.
        drop(Open::on(patient.turn()));
        let (kind, took) = in_vain(&mut patient).await;
        assert_eq!((kind, took.as_secs()), (LATE, KEEP_ALIVE.as_secs()));
        drop(Open::on(patient.turn()));
        there.write_all(b"POST /web").await.unwrap();
        let (kind, took) = in_vain(&mut patient).await;
        assert_eq!((kind, took.as_secs()), (LATE, HEAD.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_that_becomes_no_request_is_no_reason_to_wait() {
        let (here, mut there) = duplex(64);
        let mut patient = Patient::new(here);
        drop(Open::on(patient.turn()));
        let trickle = tokio::spawn(async move {
            while there.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (kind, took) = in_vain(&mut patient).await;
        assert_eq!((kind, took.as_secs()), (LATE, HEAD.as_secs()));
        drop(patient);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_answered_its_handler_decides() {
        let (here, there) = duplex(64);
        let mut patient = Patient::new(here);
        let open = Open::on(patient.turn());
        let long = tokio::time::timeout(10 * KEEP_ALIVE, patient.read(&mut [0; 16])).await;
        assert!(long.is_err(), "{long:?}");
        drop((open, there));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_reading_is_left() {
        let (here, _there) = duplex(64);
        let mut patient = Patient::new(here);
        let begun = Instant::now();
        let error = patient.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (LATE, WRITE.as_secs()));
    }
}
