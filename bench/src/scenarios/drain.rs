//! A backlog of a million jobs goes to a destination that takes a millisecond, while webhooks come in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::fill::{self, Contents, DESTINATION, Jobs};
use super::{at_most, ensure_stored, newest, seconds};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::{Generator, Latencies};
use crate::settings::Settings;

const INGEST_PER_S: f64 = 200.0;
const MINUTES: f64 = 10.0;
/// After that the drain is given up.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let jobs: u64 = if settings.quick { 10_000 } else { 1_000_000 };
    let folder = settings.fresh_folder("drain")?;
    let contents = Contents { events: jobs, jobs: Jobs::Waiting(vec![DESTINATION.to_owned()]) };
    fill::fill(settings, folder.path(), &contents).await?;
    let endpoint = Endpoint::start(settings.driver_core)?;
    endpoint.delay(Duration::from_millis(1));
    let gateway =
        Gateway::start(settings, folder.path(), &Configuration::delivering_to(endpoint.address)).await?;

    let began = Instant::now();
    let (mut first, mut drained_after, mut runs) = (0, None, Vec::new());
    while drained_after.is_none() && began.elapsed() < PATIENCE {
        let length = seconds(settings, 30, 3);
        let count = (INGEST_PER_S * length.as_secs_f64()) as usize;
        let make = Make { first, ..Make::unique(count, settings.seed) };
        first += u64::try_from(count)?;
        let (requests, before) = (Arc::new(Requests::sign(make)?), newest(folder.path())?);
        let generator = Generator::new(gateway.address, Arc::clone(&requests), settings.driver_core);
        let load = tokio::spawn(generator.at_rate(INGEST_PER_S).during(Duration::ZERO, length).run());
        while !load.is_finished() {
            // Of each event that came in meanwhile there is a job, too, later than all of the backlog.
            if drained_after.is_none() && endpoint.received() as u64 >= jobs {
                drained_after = Some(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        runs.push((requests, load.await??, before));
    }
    let memory = gateway.memory()?;
    gateway.stop().await?;
    for (requests, measured, before) in &runs {
        ensure_stored(requests, measured, folder.path(), *before)?;
    }
    let samples = || runs.iter().flat_map(|(_, measured, _)| &measured.samples);
    let latency = Latencies::of(samples().map(|sample| sample.latency_ns).collect()).percentiles();
    let (acknowledged, failures) =
        (samples().count(), runs.iter().map(|(_, measured, _)| measured.failures()).sum::<usize>());
    let minutes = drained_after.unwrap_or(PATIENCE).as_secs_f64() / 60.0;
    let detail = json!({
        "jobs": jobs, "jobs_per_s": endpoint.received().min(jobs as usize) as f64 / (minutes * 60.0),
        "acknowledged": acknowledged, "failures": failures, "latency": latency, "peak_mib": memory.peak_kib / 1024,
    });
    let drained = at_most(&format!("a backlog of {jobs}, to a destination of 1 ms"), MINUTES, minutes, "min");
    let ingest = at_most("p99.9 of 200/s meanwhile", 25.0, latency.p999, "ms");
    Ok(vec![
        Goal { met: drained.met && drained_after.is_some(), ..drained }.with_detail(detail.clone()),
        Goal { met: ingest.met && failures == 0, ..ingest }.with_detail(detail),
    ])
}
