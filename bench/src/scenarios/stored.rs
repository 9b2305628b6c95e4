//! The rate over ten million stored events against the rate over none, in turns.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::restart::fresh_seed;
use super::{at_least, ensure_stored, fill, median, newest, seconds, stored_events};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::load::Generator;
use crate::settings::Settings;

/// More than any load has in this time.
const MOST_PER_S: usize = 40_000;

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let events = stored_events(settings);
    let filled = fill::kept(settings, events).await?;
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    let seed = fresh_seed(settings)?;
    for round in 0..if settings.quick { 1 } else { 5 } {
        full.push(rate(settings, &filled, seed + 2 * round).await?);
        let fresh = settings.fresh_folder("empty")?;
        empty.push(rate(settings, fresh.path(), seed + 2 * round + 1).await?);
    }
    let share = 100.0 * median(full.clone()) / median(empty.clone()).max(1.0);
    let name = format!("rate with {events} stored events, of the rate with none");
    let detail = json!({ "with_per_s": full, "without_per_s": empty });
    Ok(vec![at_least(&name, 85.0, share, "%").with_detail(detail)])
}

async fn rate(settings: &Settings, folder: &Path, seed: u64) -> anyhow::Result<f64> {
    let (warm_up, length) = (seconds(settings, 2, 1), seconds(settings, 8, 2));
    let count = (warm_up + length).as_secs() as usize * MOST_PER_S;
    let requests = Arc::new(Requests::sign(Make::unique(count, seed))?);
    let endpoint = Endpoint::start(settings.driver_core)?;
    let gateway = Gateway::start(settings, folder, &Configuration::delivering_to(endpoint.address)).await?;
    let before = newest(folder)?;
    let generator = Generator::new(gateway.address, Arc::clone(&requests), settings.driver_core);
    let measured = generator.during(warm_up, length).run().await?;
    gateway.stop().await?;
    ensure_stored(&requests, &measured, folder, before)?;
    anyhow::ensure!(measured.failures() == 0, "{} requests failed", measured.failures());
    Ok(measured.rate())
}
