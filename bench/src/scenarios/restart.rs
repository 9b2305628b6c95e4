//! A crash with ten million rows and a large write-ahead log: how soon the gateway answers again, and what it has kept.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::json;

use super::{at_most, fill, median, seconds, stored_events};
use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::goal::Goal;
use crate::ledger::Ledger;
use crate::load::Generator;
use crate::settings::{Settings, events_database};

const ROUNDS: u64 = 3;
/// More than any load has in this time.
const MOST_PER_S: usize = 40_000;

/// Runs the scenario.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Vec<Goal>> {
    let (events, length) = (stored_events(settings), seconds(settings, 5, 2));
    let log_mib = if settings.quick { 32 } else { 256 };
    let folder = fill::kept(settings, events).await?;
    let database = events_database(&folder);
    let endpoint = Endpoint::start(settings.driver_core)?;
    let configuration = Configuration::delivering_to(endpoint.address);
    let (mut starts, mut clean, mut ledgers) = (Vec::new(), true, Vec::new());
    for round in 0..ROUNDS {
        let make = Make::unique(length.as_secs() as usize * MOST_PER_S, fresh_seed(settings)? + round);
        let (requests, before) = (Arc::new(Requests::sign(make)?), Ledger::newest(&database)?);
        let gateway = Gateway::start(settings, &folder, &configuration).await?;
        let generator = Generator::new(gateway.address, Arc::clone(&requests), settings.driver_core);
        let load = tokio::spawn(generator.during(Duration::ZERO, length * 2).run());
        // In the middle of the load.
        tokio::time::sleep(length).await;
        gateway.kill().await?;
        let measured = load.await??;
        let log = database.clone();
        tokio::task::spawn_blocking(move || grow_log(&log, log_mib)).await??;
        let gateway = Gateway::again(settings, &folder).await?;
        starts.push(gateway.ready_after.as_secs_f64());
        gateway.stop().await?;
        let mut ledger = Ledger::of(&requests);
        ledger.note(&measured);
        let checked = ledger.check(&requests, &database, before)?;
        clean &= checked.is_clean() && checked.acknowledged > 0;
        ledgers.push(checked);
    }
    let worst = starts.iter().copied().fold(0.0, f64::max);
    let detail = json!({ "events": events, "wal_mib": log_mib, "starts_s": starts, "median_s": median(starts.clone()),
        "ledgers": ledgers });
    let lost: usize = ledgers.iter().map(|checked| checked.lost + checked.altered + checked.repeated).sum();
    let acknowledged: usize = ledgers.iter().map(|checked| checked.acknowledged).sum();
    Ok(vec![
        at_most("ready after `kill -9`, slowest of three", 1.0, worst, "s").with_detail(detail.clone()),
        Goal {
            name: "acknowledged events lost, altered or doubled by `kill -9`".to_owned(),
            target: "none".to_owned(),
            measured: format!("{lost} of {acknowledged}"),
            met: clean,
            detail,
        },
    ])
}

/// The store is kept from run to run, so the ids of each must be new.
pub(super) fn fresh_seed(settings: &Settings) -> anyhow::Result<u64> {
    Ok(settings.seed.wrapping_add(u64::try_from(crate::events::now()?)? << 8))
}

/// Rewrites rows as they are until the write-ahead log has a size, and leaves it so: a checkpoint that lagged behind.
fn grow_log(database: &Path, mib: u64) -> anyhow::Result<()> {
    let wal = database.with_extension("db-wal");
    let connection = Connection::open(database)?;
    connection.execute_batch("pragma wal_autocheckpoint = 0; pragma synchronous = off")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut from = 0;
    while fs::metadata(&wal).map_or(0, |file| file.len()) < mib << 20 {
        // There and back: a row that stays as it is would not be written.
        let sql = "update events set source = ?2 where seq > ?1 and seq <= ?1 + 2000 and source = ?3";
        let changed = connection.execute(sql, (from, "backfill", "telnyx"))?;
        connection.execute(sql, (from, "telnyx", "backfill"))?;
        anyhow::ensure!(changed > 0, "the store has too few rows for a log of {mib} MiB");
        from += 2_000;
    }
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}
