//! Drives real servers with signed webhooks, measures, and checks every acknowledged id against the database.

mod contestants;
mod cores;
mod endpoint;
mod events;
mod full;
mod gateway;
mod goal;
mod ledger;
mod load;
mod noop;
mod process;
mod report;
mod scenarios;
mod settings;
mod single;
mod trial;
mod verify_only;

use std::path::PathBuf;

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
    /// Everything: all contestants in turns, all scenarios; writes a report.
    Full(full::Options),
    /// One run against one gateway.
    Load(Single),
    /// Be Inlet's listener over a log that keeps nothing: a contestant.
    VerifyOnly(Server),
    /// Be a server that answers and does nothing: a contestant.
    Noop(Server),
    #[command(flatten)]
    Scenario(Scenario),
}

#[derive(clap::Args)]
struct Server {
    /// Write the address into this file, as JSON, once it answers.
    #[arg(long)]
    ready_file: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { settings, command } = Arguments::parse();
    if !matches!(command, Command::VerifyOnly(_) | Command::Noop(_)) {
        // Before the runtime has threads: they inherit the place. A server has its place already.
        cores::pin(&[settings.driver_core])?;
    }
    // As many workers as `inlet serve` has where it is bound to the same cores.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Full(options) => full::run(&settings, &options).await,
            Command::Load(single) => single::run(&settings, &single).await,
            Command::VerifyOnly(server) => verify_only::serve(&server.ready_file).await,
            Command::Noop(server) => noop::serve(&server.ready_file).await,
            Command::Scenario(scenario) => scenarios::print(scenario, &settings).await,
        }
    })
}
