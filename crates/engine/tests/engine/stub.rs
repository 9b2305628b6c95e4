//! A server on a real socket that answers, or misbehaves, as a test says.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does with a request it has read.
#[derive(Debug, Clone)]
pub enum Reaction {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Says nothing and keeps the connection.
    Hang,
    /// Sends one byte of the head now and then, for ever.
    Drip,
    /// Resets the connection.
    Reset,
    /// Promises a body, sends half of it, and closes.
    HalfBody {
        status: u16,
    },
    /// Sends a body without end.
    Endless,
}

impl Reaction {
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name, value.into()));
                Self::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

type React = Arc<dyn Fn(&Request) -> Reaction + Send + Sync>;

struct State {
    requests: Vec<Request>,
    connections: usize,
    react: React,
}

/// The server. Dropping it closes everything.
pub struct Stub {
    state: Arc<Mutex<State>>,
    port: u16,
    accepting: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stub {
    pub async fn start(react: impl Fn(&Request) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { requests: Vec::new(), connections: 0, react: Arc::new(react) };
        let state = Arc::new(Mutex::new(state));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { state, port, accepting }
    }

    pub async fn answering(status: u16) -> Self {
        Self::start(move |_| Reaction::status(status)).await
    }

    /// Reacts differently from now on.
    pub fn react(&self, react: impl Fn(&Request) -> Reaction + Send + Sync + 'static) {
        self.state.lock().unwrap().react = Arc::new(react);
    }

    pub fn url(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        state.lock().unwrap().connections += 1;
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // The client may close whenever it likes.
            let _ = serve(socket, state).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut socket: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut socket, &mut buffer).await? {
        let react = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            Arc::clone(&state.react)
        };
        match react(&request) {
            Reaction::Answer { status, headers, body } => answer(&mut socket, status, headers, &body).await?,
            Reaction::Hang => std::future::pending().await,
            Reaction::Drip => drip(&mut socket).await?,
            Reaction::Reset => {
                socket.set_zero_linger()?;
                return Ok(());
            }
            Reaction::HalfBody { status } => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 10\r\n\r\nhalf.");
                return socket.write_all(head.as_bytes()).await;
            }
            Reaction::Endless => {
                socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                loop {
                    socket.write_all(format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes()).await?;
                }
            }
        }
    }
    Ok(())
}

async fn answer(
    socket: &mut TcpStream,
    status: u16,
    headers: Vec<(&str, String)>,
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    if status != 204 {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(&[head.as_bytes(), body].concat()).await
}

async fn drip(socket: &mut TcpStream) -> io::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
        tick.tick().await;
        socket.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < head_end + length {
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let rest = buffer.split_off(head_end + length);
    let body = std::mem::replace(buffer, rest).split_off(head_end);
    Ok(Some(Request { method: method.to_owned(), path: path.to_owned(), headers, body }))
}
