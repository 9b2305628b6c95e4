//! A socket that gives up on peers who dribble a head, take no answer, or do not hang up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;
use super::request_clock::RequestClock;

// A refused client may still be sending. Closing on unread bytes makes the kernel send a reset, which can overtake the
// answer; so the rest is read and dropped, within these bounds.
const LINGER: Duration = Duration::from_millis(300);
const LINGER_BYTES: usize = 256 * 1024;

pub(super) struct TimedIo<S> {
    stream: S,
    clock: Arc<RequestClock>,
    head_limit: Duration,
    write_limit: Duration,
    head_timer: Timer,
    write_timer: Timer,
    linger_timer: Timer,
    lingered_bytes: usize,
    write_closed: bool,
}

impl<S> TimedIo<S> {
    pub(super) fn new(stream: S, clock: Arc<RequestClock>, limits: Limits) -> Self {
        Self {
            stream,
            clock,
            head_limit: limits.head,
            write_limit: limits.idle,
            head_timer: Timer::default(),
            write_timer: Timer::default(),
            linger_timer: Timer::default(),
            lingered_bytes: 0,
            write_closed: false,
        }
    }

    /// Fails once the head that is arriving has taken too long.
    fn check_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.clock.head_since() {
            Some(since) => self.head_timer.poll_until(cx, since + self.head_limit),
            None => Poll::Pending,
        }
    }

    /// Lets a write pass, and fails once the peer has taken nothing for too long.
    fn check_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer.disarm();
            return written;
        }
        let deadline = self.write_timer.deadline().unwrap_or_else(|| Instant::now() + self.write_limit);
        self.write_timer.poll_until(cx, deadline).map(Err)
    }
}

impl<S: AsyncRead + Unpin> TimedIo<S> {
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        let deadline = self.linger_timer.deadline().unwrap_or_else(|| Instant::now() + LINGER);
        while self.lingered_bytes < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.lingered_bytes += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.linger_timer.poll_until(cx, deadline).map(|_| ()),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() == before {
            return read;
        }
        if read.is_ready() {
            self.clock.bytes_arrived(Instant::now());
        }
        match self.check_head(cx) {
            Poll::Ready(late) => Poll::Ready(Err(late)),
            Poll::Pending => read,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.check_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_closed {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.write_closed = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}

/// A timer that is made when first needed; most connections never need one.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    fn deadline(&self) -> Option<Instant> {
        self.sleep.as_ref().filter(|_| self.armed).map(|sleep| sleep.deadline())
    }

    fn disarm(&mut self) {
        self.armed = false;
    }

    /// Pending until `deadline`, then an error.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<io::Error> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        self.armed = true;
        sleep.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}
