//! `load`: one run against one gateway, for a look before and after a change.

use std::path::PathBuf;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::events::{Make, Requests};
use crate::gateway::{Configuration, Gateway};
use crate::ledger::Ledger;
use crate::load::Generator;
use crate::report;
use crate::settings::{Settings, events_database};

/// Options of `load`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Single {
    /// Unique events, signed before the clock starts.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Keep-alive connections, one request in flight on each; without it 64 in closed and 256 in open loop.
    #[arg(long)]
    connections: Option<usize>,
    /// Requests a second (open loop, latency from the scheduled time); without it as many as go (closed loop).
    #[arg(long)]
    rate: Option<f64>,
    /// Share of requests that repeat an earlier event.
    #[arg(long, default_value_t = 0.0)]
    duplicates: f64,
    /// Configure an HTTP destination that takes everything at once, so that the engine works during the load.
    #[arg(long)]
    deliver: bool,
    /// Keep the databases in this folder, which may hold some already.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Runs it and prints the figures; fails if the ledger and the database disagree.
pub(crate) async fn run(settings: &Settings, single: &Single) -> anyhow::Result<()> {
    let temporary = settings.fresh_folder("load")?;
    let folder = match &single.keep {
        Some(folder) => std::path::absolute(folder)?,
        None => temporary.path().to_owned(),
    };
    let make = Make { duplicates: single.duplicates, ..Make::unique(single.events, settings.seed) };
    let requests = Arc::new(Requests::sign(make)?);
    let endpoint = Endpoint::start(settings.driver_core)?;
    let configuration = match single.deliver {
        true => Configuration::delivering_to(endpoint.address),
        false => Configuration::default(),
    };
    let gateway = Gateway::start(settings, &folder, &configuration).await?;
    let generator = Generator::new(gateway.address, Arc::clone(&requests), settings.driver_core);
    let generator = single.rate.map_or(generator.clone(), |rate| generator.at_rate(rate));
    let connections = single.connections.unwrap_or(generator.connections);
    let measured = Generator { connections, ..generator }.run().await?;
    let (memory, delivered) = (gateway.memory()?, endpoint.received());
    gateway.stop().await?;
    let mut ledger = Ledger::of(&requests);
    ledger.note(&measured);
    let checked = ledger.check(&requests, &events_database(&folder), 0)?;
    print!("{}", report::text(&measured, memory, delivered, &checked));
    anyhow::ensure!(checked.is_clean(), "the ledger and the database disagree");
    Ok(())
}
