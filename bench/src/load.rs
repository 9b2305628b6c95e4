//! The load: many keep-alive connections, one request in flight on each, closed or open loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::events::{Requests, Signed};
use crate::gateway::Gateway;

/// What a run has measured.
pub(crate) struct Measured {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Of each acknowledged request: its event's number and its latency.
    pub(crate) acknowledged: Vec<(u32, Duration)>,
    /// Answers other than 200, by status; 0 stands for no answer.
    pub(crate) refused: Vec<u16>,
}

/// Sends everything and waits for the answers.
pub(crate) async fn run(
    gateway: &Gateway,
    requests: &Requests,
    connections: usize,
    rate: Option<f64>,
) -> anyhow::Result<Measured> {
    let wire = requests.events.iter().map(|event| request(gateway, event)).collect::<Result<Vec<_>, _>>()?;
    let plan = Arc::new(Plan { wire, order: requests.order.clone(), next: AtomicUsize::new(0), rate });
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(gateway).await?);
    }
    let (begin, mut tasks) = (Instant::now(), JoinSet::new());
    for sender in senders {
        tasks.spawn(drive(sender, Arc::clone(&plan), begin));
    }
    let mut measured = Measured { elapsed: Duration::ZERO, acknowledged: Vec::new(), refused: Vec::new() };
    while let Some(part) = tasks.join_next().await {
        let (acknowledged, refused) = part?;
        measured.acknowledged.extend(acknowledged);
        measured.refused.extend(refused);
    }
    measured.elapsed = begin.elapsed();
    Ok(measured)
}

struct Plan {
    wire: Vec<Request<Full<Bytes>>>,
    order: Vec<u32>,
    next: AtomicUsize,
    rate: Option<f64>,
}

fn request(gateway: &Gateway, event: &Signed) -> anyhow::Result<Request<Full<Bytes>>> {
    Request::post(gateway.path.as_str())
        .header("host", gateway.address.to_string())
        .header("content-type", "application/json")
        .header("user-agent", "telnyx-webhooks")
        .header("telnyx-signature-ed25519", &event.signature)
        .header("telnyx-timestamp", &event.timestamp)
        .body(Full::new(event.body.clone()))
        .context("a signed event makes a request")
}

async fn connect(gateway: &Gateway) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(gateway.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn drive(
    mut sender: SendRequest<Full<Bytes>>,
    plan: Arc<Plan>,
    begin: Instant,
) -> (Vec<(u32, Duration)>, Vec<u16>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        let Some(&event) = plan.order.get(number) else { break };
        let scheduled = match plan.rate {
            Some(rate) => begin + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        tokio::time::sleep_until(scheduled).await;
        match send(&mut sender, plan.wire[event as usize].clone()).await {
            Ok(StatusCode::OK) => acknowledged.push((event, scheduled.elapsed())),
            Ok(status) => refused.push(status.as_u16()),
            Err(_) => {
                refused.push(0);
                break;
            }
        }
    }
    (acknowledged, refused)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<StatusCode> {
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    answer.into_body().collect().await?;
    Ok(status)
}
