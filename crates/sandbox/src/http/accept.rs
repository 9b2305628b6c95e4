//! Accepts connections and serves them; hyper by hand, because a fault may cut a connection instead of answering.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::host::Host;

/// Connections at one time; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;
/// Time for a request's head, which is also how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for answers under way when the sandbox stops.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a failed accept: running out of file descriptors passes, and spinning on it does not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Marks an answer that is never sent: the connection is cut in its place.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is cut on request")]
pub(crate) struct CutConnection;

impl CutConnection {
    pub(crate) fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

pub(crate) async fn run(listener: TcpListener, router: Router, host: Arc<Host>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, slot)) = next_connection(&listener, &slots, &host).await {
        host.tracker.spawn(serve(stream, router.clone(), host.clone(), slot));
    }
}

async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    host: &Host,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let slot = slots.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, slot)),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => accepted,
        () = host.cancel.cancelled() => None,
    }
}

async fn serve(stream: TcpStream, router: Router, host: Arc<Host>, _slot: OwnedSemaphorePermit) {
    let service = service_fn(move |request| answer(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = host.cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, CutConnection> {
    let response: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = response;
    if response.extensions().get::<CutConnection>().is_some() { Err(CutConnection) } else { Ok(response) }
}
