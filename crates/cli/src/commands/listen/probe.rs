//! Proves that the sandbox delivers: a signed event of our own must come back, and verify.

use std::time::{Duration, Instant};

use inlet_telnyx::{PublicKey, SIGNATURE_HEADER, SignatureHeaders, TIMESTAMP_HEADER, verify};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::account::Account;
use super::follower::Follower;
use crate::client::{Client, Query};

/// The probe's event type.
pub(super) const PROBE: &str = "inlet.probe";
/// How long it may be under way.
const BOUND: Duration = Duration::from_secs(5);
/// More than a probe with its head.
const MAX_REQUEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Faults {
    data: Vec<Value>,
}

/// Sends a probe through the sandbox to a listener of our own. Returns how long it took, or why nothing is proved.
pub(super) async fn prove(
    client: &Client,
    account: &Account,
    follower: &mut Follower,
) -> anyhow::Result<Result<Duration, String>> {
    if !client.is_local() {
        return Ok(Err("the sandbox is on another machine and cannot reach this one's loopback".to_owned()));
    }
    let faults: Faults = client.get(&["sandbox", "v1", "faults"], &Query::new()).await?;
    if !faults.data.is_empty() {
        return Ok(Err("faults are active, and a probe might use one up".to_owned()));
    }
    let begin = Instant::now();
    let proof = tokio::time::timeout(BOUND, round_trip(client, account, follower)).await;
    match proof {
        Ok(Ok(Ok(()))) => Ok(Ok(begin.elapsed())),
        Ok(Ok(Err(reason))) => Ok(Err(reason)),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Err(format!("the probe did not come back within {} s", BOUND.as_secs()))),
    }
}

async fn round_trip(
    client: &Client,
    account: &Account,
    follower: &mut Follower,
) -> anyhow::Result<Result<(), String>> {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else {
        return Ok(Err("there is no free port for the probe".to_owned()));
    };
    let url = format!("http://{}/inlet-probe", listener.local_addr()?);
    let body = json!({ "data": { "event_type": PROBE, "payload": {}, "record_type": "event" } });
    client.command(&["sandbox", "v1", "events"], &json!({ "body": body, "url": url })).await?;
    let verdict = receive(&listener, &account.public_key).await;
    if verdict.is_ok() {
        // When the stream, too, has told of it, nothing that comes later can be overlooked.
        follower.until(|delivery| delivery.event_type == PROBE).await?;
    }
    Ok(verdict)
}

async fn receive(listener: &TcpListener, public_key: &str) -> Result<(), String> {
    let key = PublicKey::from_base64(public_key).map_err(|error| error.to_string())?;
    let (mut stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
    let request = Request::read(&mut stream).await.ok_or("the probe came back in pieces")?;
    // Whoever sent it is told; what it makes of the answer changes nothing.
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    request.verify(&key)
}

/// One HTTP request, as far as a probe needs it.
struct Request {
    bytes: Vec<u8>,
    head: usize,
}

impl Request {
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        loop {
            let head = bytes.windows(4).position(|part| part == b"\r\n\r\n").map(|end| end + 4);
            if let Some(head) = head {
                let request = Self { bytes: bytes.clone(), head };
                let length = request.header("content-length")?.parse::<usize>().ok()?;
                if bytes.len() >= head + length {
                    return Some(request);
                }
            }
            let read = stream.read_buf(&mut bytes).await.ok()?;
            if read == 0 || bytes.len() > MAX_REQUEST {
                return None;
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.bytes[..self.head]).ok()?;
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn verify(&self, key: &PublicKey) -> Result<(), String> {
        let values = |name| self.header(name).into_iter().map(str::as_bytes);
        let headers = SignatureHeaders::read(values(SIGNATURE_HEADER), values(TIMESTAMP_HEADER));
        // The sandbox's clock can be moved, so the time is no part of the proof.
        let verified = headers.and_then(|headers| {
            verify(&headers, &self.bytes[self.head..], std::slice::from_ref(key), headers.timestamp(), 0)
        });
        verified.map(|_| ()).map_err(|error| format!("the probe came back, but does not verify: {error}"))
    }
}
