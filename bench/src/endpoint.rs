//! A destination on the driver's core: takes what comes, or delays, hangs, refuses, as told; and counts.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::cores;
use crate::events::parse_id;

/// A running destination; it ends when this is dropped.
pub(crate) struct Endpoint {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    behaviour: Arc<Behaviour>,
    /// Dropping it tells the thread to end.
    _running: oneshot::Sender<()>,
}

struct Behaviour {
    /// The answer's status.
    status: AtomicU16,
    delay_us: AtomicU64,
    /// Requests are read and never answered.
    hangs: AtomicBool,
    received: AtomicUsize,
    /// Ids of events that were answered 2xx, where they are kept. Held for an insertion or a look.
    delivered: Mutex<Option<HashSet<u128>>>,
}

impl Endpoint {
    /// Starts on a free port, on a thread of its own that is bound to `core`; answers 200 at once until told otherwise.
    pub(crate) fn start(core: usize) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let behaviour = Arc::new(Behaviour {
            status: AtomicU16::new(200),
            delay_us: AtomicU64::new(0),
            hangs: AtomicBool::new(false),
            received: AtomicUsize::new(0),
            delivered: Mutex::default(),
        });
        let (runtime, told) =
            (tokio::runtime::Builder::new_current_thread().enable_all().build()?, Arc::clone(&behaviour));
        let (running, ended) = oneshot::channel();
        std::thread::Builder::new().name("endpoint".to_owned()).spawn(move || {
            cores::pin(&[core])?;
            // The generator, on the same core, goes first: this thread's delay is nobody's latency.
            rustix::process::nice(5)?;
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                tokio::select! {
                    () = serve(listener, told) => {}
                    _ = ended => {}
                }
                anyhow::Ok(())
            })
        })?;
        Ok(Self { address, behaviour, _running: running })
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.behaviour.status.store(status, Ordering::Relaxed);
    }

    /// Waits so long before each answer from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.behaviour.delay_us.store(delay_us, Ordering::Relaxed);
    }

    /// Answers nothing from now on, or answers again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.behaviour.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Answers 200 at once from now on.
    pub(crate) fn recover(&self) {
        self.answer(200);
        self.delay(Duration::ZERO);
        self.hang(false);
    }

    /// Keeps the ids of events from now on.
    pub(crate) fn record(&self) {
        *self.behaviour.delivered() = Some(HashSet::new());
    }

    /// Whether it has answered 2xx to an event since [`Self::record`].
    pub(crate) fn has(&self, event: u128) -> bool {
        self.behaviour.delivered().as_ref().is_some_and(|delivered| delivered.contains(&event))
    }

    /// Requests read so far, answered or not.
    pub(crate) fn received(&self) -> usize {
        self.behaviour.received.load(Ordering::Relaxed)
    }
}

impl Behaviour {
    fn delivered(&self) -> MutexGuard<'_, Option<HashSet<u128>>> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: Option<u128>, status: StatusCode) {
        if let (Some(event), true, Some(delivered)) = (event, status.is_success(), self.delivered().as_mut())
        {
            delivered.insert(event);
        }
    }
}

async fn serve(listener: TcpListener, behaviour: Arc<Behaviour>) {
    while let Ok((stream, _)) = listener.accept().await {
        let behaviour = Arc::clone(&behaviour);
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let take = service_fn(move |request| take(request, Arc::clone(&behaviour)));
            // A gateway that goes away in the middle is not the endpoint's concern.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    behaviour: Arc<Behaviour>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let id = request.headers().get("webhook-id").and_then(|id| parse_id(id.to_str().ok()?));
    let _ = request.into_body().collect().await;
    behaviour.received.fetch_add(1, Ordering::Relaxed);
    if behaviour.hangs.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    let delay_us = behaviour.delay_us.load(Ordering::Relaxed);
    if delay_us > 0 {
        tokio::time::sleep(Duration::from_micros(delay_us)).await;
    }
    let mut response = Response::new(Empty::new());
    let status = StatusCode::from_u16(behaviour.status.load(Ordering::Relaxed)).unwrap_or(StatusCode::OK);
    behaviour.note(id, status);
    *response.status_mut() = status;
    Ok(response)
}
