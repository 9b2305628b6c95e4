//! Forged requests, slow connections and genuine webhooks at once: attackers cost little and delay nobody.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::slow::SlowConnections;
use super::{api, at_most, seconds};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::ledger::Ledger;
use crate::load::{Generator, Measured};
use crate::settings::{Settings, events_database};

const FORGED_PER_S: f64 = 5_000.0;
const GENUINE_PER_S: f64 = 500.0;
const SLOW_CONNECTIONS: usize = 5_000;
/// Of the forged events, so that none has the id of a genuine one.
const FORGED_FROM: u64 = 1 << 40;

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let (folder, endpoint) = (settings.fresh_folder("forged")?, Endpoint::start(settings.driver_core)?);
    let length = seconds(settings, 30, 4);
    let slow_connections = if settings.quick { SLOW_CONNECTIONS / 10 } else { SLOW_CONNECTIONS };
    let set = |rate: f64| (rate * length.as_secs_f64()) as usize;
    let genuine = Arc::new(Requests::sign(Make::unique(set(GENUINE_PER_S), settings.seed))?);
    let make = Make { first: FORGED_FROM, ..Make::unique(set(FORGED_PER_S), settings.seed) };
    let forged = Arc::new(Requests::forge(make)?);
    let gateway =
        Gateway::start(settings, folder.path(), &Configuration::delivering_to(endpoint.address)).await?;

    let load = |requests: &Arc<Requests>, rate| {
        Generator::new(gateway.address, Arc::clone(requests), settings.driver_core)
            .at_rate(rate)
            .during(Duration::ZERO, length)
            .run()
    };
    let cpu_before = gateway.cpu()?;
    let alone = load(&forged, FORGED_PER_S).await?;
    let cpu_us = (gateway.cpu()? - cpu_before).as_secs_f64() * 1e6 / refusals(&alone).max(1) as f64;

    let slow = SlowConnections::start(gateway.address, slow_connections);
    let (attack, measured) = tokio::join!(load(&forged, FORGED_PER_S), load(&genuine, GENUINE_PER_S));
    let (attack, measured) = (attack?, measured?);
    let closed = slow.stop().await;
    let (new, mismatches) = (
        api::metric(gateway.admin, "inlet_webhooks_new_total", "").await?,
        api::metric(gateway.admin, "inlet_webhooks_rejected_total", "signature_mismatch").await?,
    );
    gateway.stop().await?;
    let mut ledger = Ledger::of(&genuine);
    ledger.note(&measured);
    let checked = ledger.check(&genuine, &events_database(folder.path()), 0)?;
    let latency = measured.latencies().percentiles();
    let refused = refusals(&alone) + refusals(&attack);
    // What was not answered to us may have been refused all the same; nothing forged may be anything else.
    let only_refused = mismatches >= refused as f64 && alone.samples.is_empty() && attack.samples.is_empty();
    let none_stored = checked.is_clean()
        && new as usize == checked.stored
        && checked.stored <= checked.acknowledged + measured.failures();
    let detail = json!({
        "forged_refused": refused, "forged_unanswered": attack.unanswered, "slow_connections": slow_connections,
        "slow_closed": closed, "genuine": latency, "genuine_failures": measured.failures(), "ledger": checked,
    });
    Ok(vec![
        Goal {
            met: latency.p99 <= 100.0 && measured.failures() == 0,
            ..at_most(
                &format!(
                    "genuine p99 beside {FORGED_PER_S} forged/s and {slow_connections} slow connections"
                ),
                100.0,
                latency.p99,
                "ms",
            )
        }
        .with_detail(detail.clone()),
        at_most("CPU of a forged request", 100.0, cpu_us, "µs").with_detail(detail.clone()),
        Goal {
            name: "forged requests that reached the store".to_owned(),
            target: "none".to_owned(),
            measured: format!(
                "{} rows for {} acknowledged events; {refused} forged were refused",
                checked.stored, checked.acknowledged
            ),
            met: only_refused && none_stored,
            detail,
        },
    ])
}

fn refusals(measured: &Measured) -> usize {
    measured.refused.get(&400).copied().unwrap_or_default()
}
