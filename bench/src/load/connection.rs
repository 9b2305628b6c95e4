//! One keep-alive connection: writes a request, reads the answer to its end, and says when it is free again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What reading has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The answer is not complete.
    Waiting,
    /// A complete answer with this status.
    Answered(u16),
    /// The connection is gone; a request without an answer may or may not have been taken.
    Broken,
}

/// A connection and what is under way on it.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Bytes of an answer that is not complete.
    partial: Vec<u8>,
    /// Bytes of a request that the socket did not take at once.
    unsent: Vec<u8>,
    /// The server has said that it closes after this answer.
    pub(super) closing: bool,
}

impl Connection {
    /// Connects; a listener whose queue is full does not answer, and then the whole generator waits for `patience`.
    pub(super) fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, partial: Vec::new(), unsent: Vec::new(), closing: false })
    }

    /// Writes a request; what does not fit follows by [`Self::flush`].
    pub(super) fn send(&mut self, wire: &[u8]) -> io::Result<()> {
        let written = match (&self.stream).write(wire) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&wire[written..]);
        Ok(())
    }

    /// Writes what is left of a request.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match (&self.stream).write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come. `buffer` is scratch space; an answer that fits into it is never copied.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Progress {
        loop {
            let length = match (&self.stream).read(buffer) {
                Ok(0) => return Progress::Broken,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Broken,
            };
            let progress = self.take(&buffer[..length]);
            // A short read has emptied the socket: the next bytes are a new edge.
            if progress != Progress::Waiting || length < buffer.len() {
                return progress;
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Progress {
        let answer = if self.partial.is_empty() {
            answer(bytes)
        } else {
            self.partial.extend_from_slice(bytes);
            answer(&self.partial)
        };
        match answer {
            Some(Answer::Incomplete) => {
                if self.partial.is_empty() {
                    self.partial.extend_from_slice(bytes);
                }
                Progress::Waiting
            }
            Some(Answer::Complete { status, closing }) => {
                self.partial.clear();
                self.closing = closing;
                Progress::Answered(status)
            }
            None => Progress::Broken,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Incomplete,
    Complete { status: u16, closing: bool },
}

/// Reads an answer; none if it is not HTTP/1.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).ok()? else {
        return Some(Answer::Incomplete);
    };
    let (status, body) = (response.code?, &bytes[head..]);
    let field = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let chunked = field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let complete = if chunked {
        body.ends_with(b"0\r\n\r\n")
    } else {
        body.len() >= field("content-length").map_or(Some(0), |value| value.trim().parse().ok())?
    };
    let closing = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Some(if complete { Answer::Complete { status, closing } } else { Answer::Incomplete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        let done = |status, closing| Some(Answer::Complete { status, closing });
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), done(200, false));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\n"), done(200, false));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nO"), Some(Answer::Incomplete));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"), done(200, false));
        assert_eq!(answer(b"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n"), done(503, true));
        let chunked = b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
        assert_eq!(answer(&chunked[..chunked.len() - 5]), Some(Answer::Incomplete));
        assert_eq!(answer(chunked), done(400, false));
        assert_eq!(answer(b"HTTP/1.1 20"), Some(Answer::Incomplete));
        assert_eq!(answer(b"SSH-2.0-x\r\n\r\n"), None);
    }
}
