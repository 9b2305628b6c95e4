//! A destination that takes everything at once and counts it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A running destination.
pub(crate) struct Endpoint {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    received: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Starts on a free port; it ends with the process.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, received) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        tokio::spawn(serve(listener, Arc::clone(&received)));
        Ok(Self { address, received })
    }

    /// Requests taken so far.
    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, received: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            let take = service_fn(move |request| take(request, Arc::clone(&received)));
            // A gateway that goes away in the middle is not the endpoint's concern.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    received: Arc<AtomicUsize>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    received.fetch_add(1, Ordering::Relaxed);
    Ok(Response::new(Empty::new()))
}
