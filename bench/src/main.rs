//! Drives a real gateway with signed webhooks, measures, and checks every acknowledged id against the database.

mod endpoint;
mod events;
mod gateway;
mod ledger;
mod load;
mod report;

use std::path::PathBuf;

use clap::Parser;

/// Sends signed, unique webhooks to a gateway it starts, and reports rate, latency and memory.
#[derive(Parser)]
struct Arguments {
    /// The gateway's executable.
    #[arg(long, default_value = "target/release/inlet")]
    inlet: PathBuf,
    /// Unique events, signed before the clock starts.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Keep-alive connections, one request in flight on each.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second (open loop, latency from the scheduled time); without it as many as go (closed loop).
    #[arg(long)]
    rate: Option<f64>,
    /// Share of requests that repeat an earlier event.
    #[arg(long, default_value_t = 0.0)]
    duplicates: f64,
    /// Configure an HTTP destination that takes everything at once, so that the engine works during the load.
    #[arg(long)]
    deliver: bool,
    /// Folder for the database; a temporary one otherwise.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Core the gateway is pinned to with `taskset`.
    #[arg(long)]
    server_core: Option<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());

    let requests = events::sign(arguments.events, arguments.duplicates)?;
    let endpoint = endpoint::Endpoint::start().await?;
    let destination = arguments.deliver.then_some(endpoint.address);
    let gateway = gateway::Gateway::start(&arguments, &requests.public_key, &folder, destination).await?;
    let measured = load::run(&gateway, &requests, arguments.connections, arguments.rate).await?;
    let (memory, delivered) = (gateway.memory()?, endpoint.received());
    gateway.stop().await?;
    let checked = ledger::check(&folder.join("inlet.db"), &requests, &measured)?;

    print!("{}", report::text(&measured, memory, delivered, &checked));
    anyhow::ensure!(checked.is_clean(), "the ledger and the database disagree");
    Ok(())
}
