//! A running gateway: store, webhook listener, engine, admin listener; started so that webhooks are taken last, ended in good order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inlet_domain::{Clock, Entropy};
use inlet_engine::Engine;
use inlet_server::{Admin, Ingest};
use inlet_store::{Blobs, SqliteConfig, SqliteStore, Store};
use prometheus_client::registry::Registry;
use reqwest::Url;
use tracing::{error, info, warn};

use super::background::{Background, give_way};
use super::descriptors;
use super::failure::{of_blobs, of_engine, of_listener, of_store};
use super::keys::{key_ring, signing_key, with_secrets};
use super::wiring::Wiring;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::exit::Exit;

/// Events that may wait for the writer; at a thousand commits a second they are on disk within the deadline.
const QUEUE: usize = 10_000;
const READERS: usize = 4;

// In all less than the ten seconds within which a process must end after SIGTERM. Ingest's own deadline is 1.5 s.
const INGEST_GRACE: Duration = Duration::from_secs(2);
const ENGINE_GRACE: Duration = Duration::from_secs(4);
const ADMIN_GRACE: Duration = Duration::from_secs(1);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A running gateway.
pub(super) struct Gateway {
    store: Arc<SqliteStore>,
    ingest: Ingest,
    engine: Engine,
    admin: Admin,
    webhooks_url: Url,
    /// Where the engine runs; dropped after it.
    _background: Background,
}

impl Gateway {
    /// Starts everything.
    pub(super) async fn start(wiring: &Wiring) -> anyhow::Result<Self> {
        descriptors::allow(wiring.config.webhooks.max_connections);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let sqlite = open_store(&wiring.config.store_path, &*clock).await?;
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
        let blobs = Blobs::open(&wiring.config.media.url).map_err(of_blobs)?;
        let signing_key = signing_key(&*store, &*entropy).await?;
        let destinations = with_secrets(&wiring.config.destinations, &*store, &*entropy).await?;
        let keys = key_ring(&signing_key, &wiring.config.webhooks.public_keys, &destinations);
        let mut metrics = Registry::with_prefix("inlet");

        // Everything that can fail comes before the first webhook is taken.
        let ingest =
            Ingest::bind(wiring.ingest(), &mut metrics).map_err(|error| of_listener("webhooks", error))?;
        let webhooks_url = url_of(ingest.local_addr(), &wiring.config.webhooks.path);
        let engine_config = wiring.engine(destinations, signing_key, webhooks_url.clone());
        let background = Background::start()?;
        let engine = {
            let _in_background = background.enter();
            Engine::start(
                engine_config,
                Arc::clone(&store),
                blobs.clone(),
                Arc::clone(&clock),
                Arc::clone(&entropy),
                &mut metrics,
            )
            .map_err(of_engine)?
        };
        let admin = Admin::start(
            wiring.admin(keys),
            Arc::clone(&store),
            blobs,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            ingest.status(),
            Arc::new(metrics),
        )
        .await;
        let admin = match admin {
            Ok(admin) => admin,
            Err(error) => {
                // A message on its way to Telnyx must not be cut off.
                engine.shutdown(ENGINE_GRACE).await;
                return Err(of_listener("admin", error));
            }
        };
        let ingest = ingest.accept(store, clock, entropy);
        Ok(Self { store: sqlite, ingest, engine, admin, webhooks_url, _background: background })
    }

    /// Where webhooks come in.
    pub(super) fn webhooks_url(&self) -> &Url {
        &self.webhooks_url
    }

    /// Where the API is, without a final slash.
    pub(super) fn admin_origin(&self) -> String {
        origin_of(self.admin.local_addr())
    }

    /// Ends in good order: nothing new comes in, what is under way is finished or returned, all is on disk.
    pub(super) async fn shutdown(self) {
        info!("stopping: no new webhooks are taken");
        self.ingest.drain(INGEST_GRACE).await;
        self.engine.shutdown(ENGINE_GRACE).await;
        self.admin.drain(ADMIN_GRACE).await;
        if tokio::time::timeout(CLOSE_LIMIT, self.store.close()).await.is_err() {
            warn!("the store did not close in time; it recovers at the next start");
        }
        info!("stopped");
    }
}

async fn open_store(path: &Path, clock: &dyn Clock) -> anyhow::Result<Arc<SqliteStore>> {
    let config = SqliteConfig {
        path: path.to_owned(),
        migrate: true,
        queue: QUEUE,
        readers: READERS,
        background_thread: give_way,
        on_fatal: Arc::new(end_at_once),
    };
    let store = SqliteStore::open(config).await.map_err(of_store)?;
    let recovered = store.recover_leases(clock.now()).await.map_err(of_store)?;
    if recovered.returned + recovered.unknown > 0 {
        let (returned, unknown) = (recovered.returned, recovered.unknown);
        info!(
            returned,
            unknown, "work was in flight at the last end: {returned} jobs returned, {unknown} unknown"
        );
    }
    Ok(Arc::new(store))
}

/// After this nothing may be acknowledged, so nothing is finished either.
#[expect(clippy::needless_pass_by_value, reason = "the store hands the reason over")]
fn end_at_once(reason: String) {
    error!("the disk did not keep what it was told to, so inlet ends without acknowledging: {reason}");
    std::process::exit(Exit::Durability as i32)
}

/// The origin at which a bound address is reached from this machine.
pub(super) fn origin_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

fn url_of(address: SocketAddr, path: &str) -> Url {
    let url = format!("{}{path}", origin_of(address));
    url.parse().expect("an address and a checked path make a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_all_is_reached_through_loopback() {
        assert_eq!(origin_of("0.0.0.0:5000".parse().unwrap()), "http://127.0.0.1:5000");
        assert_eq!(origin_of("[::]:5000".parse().unwrap()), "http://[::1]:5000");
        assert_eq!(
            url_of("127.0.0.1:1".parse().unwrap(), "/webhooks").as_str(),
            "http://127.0.0.1:1/webhooks"
        );
    }
}
