//! A client that sends exactly the bytes it is given and shows exactly what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any limit under test.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One answer. `text` is the whole of it without `date`, which changes.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub text: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as indented JSON, for reading.
    pub fn json(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        format!("{} {value:#}", self.status)
    }

    /// The code of a problem body.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // A peer that has refused us may have closed already.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn close_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads one answer; `None` when the connection ends without one.
    pub async fn reply(&mut self) -> Option<Reply> {
        timeout(PATIENCE, self.read_reply()).await.expect("an answer or a close comes in time")
    }

    /// Whether the other side hangs up without sending anything more.
    pub async fn hangs_up(&mut self) -> bool {
        timeout(PATIENCE, self.read_more()).await.is_ok_and(|more| !more) && self.received.is_empty()
    }

    /// Reads an endless answer until `part` has come. Returns the lines so far that have a colon: header lines, and
    /// those of server-sent events, but not the sizes of chunks.
    pub async fn read_until(&mut self, part: &str) -> String {
        let came = async {
            while !String::from_utf8_lossy(&self.received).contains(part) && self.read_more().await {}
        };
        let in_time = timeout(PATIENCE, came).await.is_ok();
        let text = String::from_utf8_lossy(&self.received).into_owned();
        assert!(in_time && text.contains(part), "`{part}` did not come: {text}");
        text.lines()
            .filter(|line| line.contains(':') && !line.starts_with("date: "))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Reads until the other side hangs up.
    pub async fn rest(mut self) -> Vec<u8> {
        timeout(PATIENCE, self.stream.read_to_end(&mut self.received)).await.expect("an end").unwrap();
        self.received
    }

    async fn read_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some((reply, length)) = parse(&self.received) {
                self.received.drain(..length);
                return Some(reply);
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    pub async fn read_more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.received.extend_from_slice(&chunk[..length]);
                true
            }
        }
    }
}

fn parse(received: &[u8]) -> Option<(Reply, usize)> {
    let end = received.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let body = received.get(end..end + length)?.to_vec();
    let lines = head.trim_end().lines().filter(|line| !line.starts_with("date: "));
    let text = lines.chain(["", &String::from_utf8_lossy(&body)]).collect::<Vec<_>>().join("\n");
    Some((
        Reply { status: head[9..12].parse().unwrap(), text: text.trim_end().to_owned(), body },
        end + length,
    ))
}

/// Sends bytes on a connection of their own and returns the answer.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Option<Reply> {
    let mut wire = Wire::connect(address).await;
    wire.write(request).await;
    wire.reply().await
}
