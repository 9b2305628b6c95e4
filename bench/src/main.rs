//! Drives real servers with signed webhooks, measures, and checks every acknowledged id against the database.

#![expect(dead_code, reason = "the scenarios, which use all the pieces, come one by one")]

mod cores;
mod endpoint;
mod events;
mod gateway;
mod goal;
mod ledger;
mod load;
mod process;
mod report;
mod scenarios;
mod settings;
mod single;

use clap::{Parser, Subcommand};

use crate::scenarios::Scenario;
use crate::settings::Settings;
use crate::single::Single;

/// Sends signed, unique webhooks to servers it starts, and reports rate, latency, memory and what was lost.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One run against one gateway.
    Load(Single),
    #[command(flatten)]
    Scenario(Scenario),
}

fn main() -> anyhow::Result<()> {
    let Arguments { settings, command } = Arguments::parse();
    // Before the runtime has threads: they inherit the place.
    cores::pin(&[settings.driver_core])?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        match command {
            Command::Load(single) => single::run(&settings, &single).await,
            Command::Scenario(scenario) => scenarios::print(scenario, &settings).await,
        }
    })
}
