//! Connections that send a byte a second, and come again when they are closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Running slow clients.
pub(super) struct SlowConnections {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    closed: Arc<AtomicUsize>,
}

impl SlowConnections {
    /// Starts so many.
    pub(super) fn start(address: SocketAddr, count: usize) -> Self {
        let (stop, closed) = (watch::Sender::new(false), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (mut stopped, closed) = (stop.subscribe(), Arc::clone(&closed));
            tasks.spawn(async move {
                tokio::select! {
                    () = dribble(address, &closed) => {}
                    _ = stopped.changed() => {}
                }
            });
        }
        Self { tasks, stop, closed }
    }

    /// Ends them. Returns how many connections the server has closed.
    pub(super) async fn stop(mut self) -> usize {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.closed.load(Ordering::Relaxed)
    }
}

async fn dribble(address: SocketAddr, closed: &AtomicUsize) {
    let head = b"POST /webhooks HTTP/1.1\r\nhost: slow\r\nx-never: ends".iter().chain(b"a".iter().cycle());
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            for byte in head.clone() {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            closed.fetch_add(1, Ordering::Relaxed);
        }
        // A refused client that comes again at once would be a flood of another kind.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
