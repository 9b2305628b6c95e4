//! The accept loop under both listeners: caps, time limits, survival without descriptors, graceful drain.
//!
//! `axum::serve` is not used: it installs no timer, so its header timeout never fires, and it has no cap.

mod admission;
mod metrics;
mod request_clock;
mod timed_io;

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::error::ServerError;
use admission::{Admission, Permit};
pub(crate) use metrics::ListenerMetrics;
use request_clock::RequestClock;
use timed_io::TimedIo;

const MAX_HEAD_BYTES: usize = 16 * 1024;
const BACKLOG: u32 = 1024;
/// How long the loop rests when the process has no descriptor left; connections that end meanwhile free some.
const PAUSE: Duration = Duration::from_millis(50);
// Linux and the BSDs agree on these two.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// What a listener allows its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at a time.
    pub(crate) connections: usize,
    /// Connections open at a time from one address.
    pub(crate) connections_per_ip: Option<usize>,
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// Between two requests, before the first one, and while the peer takes no bytes of an answer.
    pub(crate) idle: Duration,
    /// Whether a client that has closed its sending side still gets its answer.
    pub(crate) half_close: bool,
}

/// One accepted connection, as handlers see it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The other side.
    pub(crate) peer: SocketAddr,
    /// Our side: the address the client connected to.
    pub(crate) local: SocketAddr,
    clock: Arc<RequestClock>,
}

/// Answers the requests of a listener.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The answers' body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one request whose first byte arrived at `started`.
    fn handle(
        &self,
        connection: &Arc<Connection>,
        started: Instant,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A bound address whose clients wait in the system's queue until somebody accepts them.
pub(crate) struct Bound {
    socket: TcpListener,
    local_addr: SocketAddr,
}

impl Bound {
    /// Takes the address.
    pub(crate) fn bind(listen: SocketAddr) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address: listen, source };
        let socket = bind(listen).map_err(failed)?;
        let local_addr = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, local_addr })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// A running listener. It ends by [`Listener::drain`].
pub(crate) struct Listener {
    local_addr: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Listener {
    /// Begins to accept. `stop` is cancelled when the drain begins; handlers may hold a copy.
    pub(crate) fn accept<H: Handler>(
        bound: Bound,
        limits: Limits,
        handler: Arc<H>,
        metrics: ListenerMetrics,
        stop: CancellationToken,
    ) -> Self {
        let Bound { socket, local_addr } = bound;
        let (tasks, abort) = (TaskTracker::new(), CancellationToken::new());
        let acceptor = Acceptor {
            admission: Admission::new(limits.connections, limits.connections_per_ip, metrics.clone()),
            limits,
            handler,
            metrics,
            tasks: tasks.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
            reserve: open_reserve(),
        };
        tasks.spawn(acceptor.run(socket));
        Self { local_addr, tasks, stop, abort }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, lets requests in flight finish within `grace`, and then closes what is left.
    pub(crate) async fn drain(self, grace: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(grace, self.tasks.wait()).await.is_err() {
            warn!(connections = self.tasks.len(), "closing connections that outlived the grace time");
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }
}

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// A descriptor to give up when there are no others, so that a waiting client can be told by a close.
fn open_reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

struct Acceptor<H> {
    admission: Arc<Admission>,
    limits: Limits,
    handler: Arc<H>,
    metrics: ListenerMetrics,
    tasks: TaskTracker,
    stop: CancellationToken,
    abort: CancellationToken,
    reserve: Option<File>,
}

impl<H: Handler> Acceptor<H> {
    async fn run(mut self, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => self.survive(&socket, &error).await,
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(permit) = self.admission.admit(peer.ip()) else {
            return; // Dropping the stream closes it; admission has counted it.
        };
        let Ok(local) = stream.local_addr() else { return };
        // Answers are small and written once; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(Connection { peer, local, clock: Arc::default() });
        let serve = serve(stream, connection, self.limits, Arc::clone(&self.handler), self.stop.clone());
        self.tasks.spawn(watch(serve, self.abort.clone(), self.metrics.clone(), permit));
    }

    /// Keeps the loop alive whatever accepting runs into.
    async fn survive(&mut self, socket: &TcpListener, error: &io::Error) {
        self.metrics.accept_failed();
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return; // The client left before its turn came.
        }
        warn!(%error, "cannot accept connections at present");
        if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) && self.reserve.take().is_some() {
            self.shed_one(socket).await;
        }
        sleep(PAUSE).await;
        self.reserve = self.reserve.take().or_else(open_reserve);
    }

    /// Uses the descriptor just given up to tell one waiting client, by a close, that there is no place.
    async fn shed_one(&self, socket: &TcpListener) {
        if let Ok(Ok(_closed_on_drop)) = timeout(PAUSE, socket.accept()).await {
            self.metrics.shed("descriptors");
        }
    }
}

async fn watch(
    serve: impl Future<Output = hyper::Result<()>>,
    abort: CancellationToken,
    metrics: ListenerMetrics,
    _permit: Permit,
) {
    let served = tokio::select! {
        served = serve => served,
        () = abort.cancelled() => {
            metrics.connection_failed("aborted");
            return;
        }
    };
    if let Err(error) = served {
        metrics.connection_failed(reason(&error));
        debug!(%error, "a connection failed");
    }
}

async fn serve<H: Handler>(
    stream: TcpStream,
    connection: Arc<Connection>,
    limits: Limits,
    handler: Arc<H>,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let io = TokioIo::new(TimedIo::new(stream, Arc::clone(&connection.clock), limits));
    let service = service_fn(move |request| {
        let (handler, connection) = (Arc::clone(&handler), Arc::clone(&connection));
        async move {
            let started = connection.clock.begin();
            let chunked = is_chunked(&request);
            let mut response = handler.handle(&connection, started, request).await;
            if chunked {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            connection.clock.end();
            Ok::<_, Infallible>(response)
        }
    });
    // The idle limit stands in for hyper's header timeout, which also runs between requests; the limit for a head
    // that has begun is kept by `TimedIo`.
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_buf_size(MAX_HEAD_BYTES)
            .half_close(limits.half_close)
            .serve_connection(io, service)
    );
    tokio::select! {
        served = served.as_mut() => return served,
        () = stop.cancelled() => served.as_mut().graceful_shutdown(),
    }
    served.await
}

/// hyper drops a `Content-Length` that stands beside `Transfer-Encoding`, unseen. What follows such a request may be
/// part of it to a proxy in front of us, so no request is read after a chunked one (RFC 9112, 6.3).
fn is_chunked(request: &Request<Incoming>) -> bool {
    request.headers().contains_key(TRANSFER_ENCODING)
}

fn reason(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "head_too_large"
    } else if error.is_parse() {
        "not_http"
    } else if error.is_timeout() {
        "idle"
    } else if is_timeout(error) {
        "slow"
    } else {
        "broken"
    }
}

fn is_timeout(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut)
}
