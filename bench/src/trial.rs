//! One trial: one contestant, started afresh in an empty folder, one load, its figures, and the ledger's verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::contestants::Contestant;
use crate::endpoint::Endpoint;
use crate::events::Requests;
use crate::ledger::{Checked, Ledger};
use crate::load::{Generator, Measured, Pace, Percentiles};
use crate::settings::{Settings, events_database};

/// How a trial is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    /// After the load, wait so long at most until the destination has everything.
    pub(crate) drain: Option<Duration>,
}

/// The figures of a trial.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) contestant: Contestant,
    /// Acknowledged a second.
    pub(crate) rate: f64,
    /// Milliseconds; from the time a request was due in open loop.
    pub(crate) latency: Percentiles,
    /// Answers other than 200 by status, 0 for none.
    pub(crate) refused: Vec<(u16, usize)>,
    /// Requests without an answer at the end.
    pub(crate) unanswered: usize,
    /// Share of its core that the generator used.
    pub(crate) generator_cpu: f64,
    /// Latest that the generator sent a request although a connection was free, milliseconds.
    pub(crate) sent_late_ms: f64,
    /// CPU time of the server for each acknowledged request during the load, µs.
    pub(crate) server_cpu_us: f64,
    /// Resident memory at its highest, MiB.
    pub(crate) peak_mib: f64,
    /// What the destination had when the load ended.
    pub(crate) delivered: usize,
    /// Requests acknowledged in all, warm-up included.
    pub(crate) acknowledged: usize,
    /// Seconds from the beginning until the destination had everything, where it was waited for.
    pub(crate) drained_after_s: Option<f64>,
    /// Of Inlet: what the ledger found.
    pub(crate) ledger: Option<Checked>,
}

/// Runs a contestant once through `requests` or a part of them.
pub(crate) async fn run(
    settings: &Settings,
    contestant: Contestant,
    requests: &Arc<Requests>,
    shape: Shape,
) -> anyhow::Result<Trial> {
    let folder = settings.fresh_folder("trial")?;
    let endpoint = Endpoint::start(settings.driver_core)?;
    let server = contestant.start(settings, folder.path(), endpoint.address).await?;
    let generator = Generator {
        connections: shape.connections,
        pace: shape.pace,
        cores: generator_cores(settings),
        ..Generator::new(server.address(), Arc::clone(requests), settings.driver_core)
    };
    let (cpu_before, began) = (server.cpu()?, Instant::now());
    let measured = generator.during(shape.warm_up, shape.length).run().await?;
    let (cpu, delivered) = (server.cpu()? - cpu_before, endpoint.received());
    let mut drained_after_s = None;
    if let Some(patience) = shape.drain {
        drained_after_s = wait_drained(&endpoint, measured.samples.len(), patience)
            .await
            .then(|| began.elapsed().as_secs_f64());
    }
    let memory = server.memory()?;
    server.stop().await?;
    let ledger = contestant.is_inlet().then(|| check(requests, &measured, folder.path())).transpose()?;
    let acknowledged = measured.samples.len();
    Ok(Trial {
        contestant,
        rate: measured.rate(),
        latency: measured.latencies().percentiles(),
        refused: measured.refused.iter().map(|(status, count)| (*status, *count)).collect(),
        unanswered: measured.unanswered,
        generator_cpu: measured.generator_cpu,
        sent_late_ms: measured.sent_late.as_secs_f64() * 1e3,
        server_cpu_us: cpu.as_secs_f64() * 1e6 / acknowledged.max(1) as f64,
        peak_mib: memory.peak_kib as f64 / 1024.0,
        delivered,
        acknowledged,
        drained_after_s,
        ledger,
    })
}

/// The driver's core, or all where the server has that one too.
fn generator_cores(settings: &Settings) -> Vec<usize> {
    match settings.server_core.contains(&settings.driver_core) {
        true => settings.server_core.clone(),
        false => vec![settings.driver_core],
    }
}

fn check(requests: &Requests, measured: &Measured, folder: &std::path::Path) -> anyhow::Result<Checked> {
    let mut ledger = Ledger::of(requests);
    ledger.note(measured);
    ledger.check(requests, &events_database(folder), 0)
}

/// Whether the destination got as many requests as there are events, in time.
async fn wait_drained(endpoint: &Endpoint, events: usize, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while endpoint.received() < events {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}
