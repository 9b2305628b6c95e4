//! One GET of the gateway's API, metrics or health, with the time it took.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer should take by far.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// From the request to the last byte, on a connection that was open.
    pub(super) took: Duration,
}

impl Answer {
    /// The body of a 200.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        anyhow::ensure!(
            self.status == 200,
            "the API answered {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Gets a path.
pub(super) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    tokio::time::timeout(LIMIT, get_now(address, path))
        .await
        .with_context(|| format!("no answer to {path}"))?
}

async fn get_now(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let began = Instant::now();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let took = began.elapsed();
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(&bytes)? else {
        anyhow::bail!("the answer to {path} is cut off")
    };
    let status = response.code.context("an answer has a status")?;
    Ok(Answer { status, body: bytes.split_off(head), took })
}

/// The sum of a metric's values over its labels, or over those whose labels contain a text.
pub(super) async fn metric(address: SocketAddr, name: &str, labels: &str) -> anyhow::Result<f64> {
    let answer = get(address, "/metrics").await?;
    let text = String::from_utf8(answer.body)?;
    let values = text.lines().filter_map(|line| {
        let (metric, value) = line.rsplit_once(' ')?;
        let is_it = metric.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        (is_it && metric.contains(labels)).then(|| value.parse::<f64>().ok()).flatten()
    });
    Ok(values.sum())
}
