//! Inlet's own listener over a log that keeps nothing: the ceiling that verification and HTTP leave to a store.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use inlet_domain::{Clock, Entropy, EventSeq, NewEvent, NewRejection, Recorded, Timestamp};
use inlet_server::{Ingest, IngestConfig};
use inlet_store::{EventLog, StoreError};
use inlet_telnyx::PublicKey;
use prometheus_client::registry::Registry;

use crate::{contestants, events};

/// Serves until the process is ended; writes a ready file as the gateway does.
pub(crate) async fn serve(ready_file: &Path) -> anyhow::Result<()> {
    let key = PublicKey::from_base64(&events::public_key()?)?;
    let listen = ([127, 0, 0, 1], 0).into();
    let config = IngestConfig { listen, keys: vec![key], ..IngestConfig::default() };
    let (log, clock, entropy) = (Arc::new(Nothing::default()), Arc::new(WallClock), Arc::new(SystemEntropy));
    let ingest = Ingest::start(config, log, clock, entropy, &mut Registry::default()).await?;
    contestants::write_ready(ready_file, ingest.local_addr())?;
    std::future::pending().await
}

/// A log that answers at once.
#[derive(Default)]
struct Nothing(AtomicI64);

#[async_trait::async_trait]
impl EventLog for Nothing {
    async fn record_event(&self, _: NewEvent) -> Result<Recorded, StoreError> {
        Ok(Recorded::New(EventSeq(self.0.fetch_add(1, Ordering::Relaxed) + 1)))
    }

    async fn record_rejections(&self, _: Vec<NewRejection>) -> Result<(), StoreError> {
        Ok(())
    }

    fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "a server of the driver asks for the real time")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_micros(since_epoch.map_or(0, |elapsed| elapsed.as_micros() as i64))
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(buffer));
        random.expect("the operating system always has random bytes");
    }
}
