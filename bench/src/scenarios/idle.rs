//! Ten thousand connections that hardly ever send: what they cost in memory.

use std::sync::Arc;

use serde_json::json;

use super::{api, at_most, ensure_stored, seconds};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::Generator;
use crate::settings::Settings;

const CONNECTIONS: usize = 10_000;
/// Each connection is used once in ten seconds: it has had its buffers and is not closed for idleness.
const REQUESTS_PER_S: f64 = 1_000.0;

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let connections = if settings.quick { CONNECTIONS / 10 } else { CONNECTIONS };
    let rate = REQUESTS_PER_S * connections as f64 / CONNECTIONS as f64;
    let length = seconds(settings, 25, 12);
    raise_descriptors()?;
    let (folder, endpoint) = (settings.fresh_folder("idle")?, Endpoint::start(settings.driver_core)?);
    let count = (rate * length.as_secs_f64()) as usize;
    let requests = Arc::new(Requests::sign(Make::unique(count, settings.seed))?);
    let mut configuration = Configuration::delivering_to(endpoint.address);
    configuration.webhooks = format!("max_connections = {}\n", connections * 2);
    let gateway = Gateway::start(settings, folder.path(), &configuration).await?;
    let before = gateway.memory()?;
    let generator =
        Generator::new(gateway.address, Arc::clone(&requests), settings.driver_core).at_rate(rate);
    let load = Generator { connections, ..generator }.during(seconds(settings, 10, 2), length).run();
    let load = tokio::spawn(load);
    let mut most_open = 0.0_f64;
    while !load.is_finished() {
        most_open = most_open.max(api::metric(gateway.admin, "inlet_webhooks_connections_open", "").await?);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let measured = load.await??;
    let after = gateway.memory()?;
    gateway.stop().await?;
    ensure_stored(&requests, &measured, folder.path(), 0)?;
    let peak_mib = after.peak_kib as f64 / 1024.0;
    let detail = json!({
        "connections_open": most_open, "before_mib": before.now_kib / 1024, "peak_mib": peak_mib,
        "kib_a_connection": (after.peak_kib - before.now_kib) as f64 / connections as f64,
        "latency": measured.latencies().percentiles(), "failures": measured.failures(),
    });
    let goal = at_most(&format!("memory with {connections} idle connections"), 384.0, peak_mib, "MiB");
    let complete = most_open >= connections as f64 && measured.failures() == 0;
    Ok(vec![Goal { met: goal.met && complete, ..goal }.with_detail(detail)])
}

/// Lets this process, and the gateway that it starts, have as many descriptors as the system grants.
fn raise_descriptors() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
