//! Every command: what it asks the gateway for, and how it shows the answer.

mod account;
mod arrows;
pub(crate) mod config;
pub(crate) mod conversations;
pub(crate) mod db;
mod delivery;
pub(crate) mod destinations;
pub(crate) mod events;
mod input;
pub(crate) mod jobs;
mod list;
pub(crate) mod listen;
pub(crate) mod messages;
mod names;
pub(crate) mod replay;
mod stream;
pub(crate) mod tail;
pub(crate) mod text;
pub(crate) mod trigger;
mod verify;

use std::time::Duration;

use anyhow::Context as _;
use inlet_domain::{Clock, Timestamp};

use crate::args::Command;
use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::run;

/// What every command is given.
pub(crate) struct Context {
    /// The process's variables.
    pub(crate) environment: Environment,
}

impl Context {
    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let context = Context { environment: Environment::of_process() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let result = runtime.block_on(dispatch(command, &context));
    // A thread that still reads standard input must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn dispatch(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Dev(args) => run::dev::run(args, context).await,
        Command::Serve(args) => run::serve::run(args, context).await,
        Command::Sandbox(args) => run::sandbox::run(args, context).await,
        Command::Text(args) => text::run(args, context).await,
        Command::Trigger(args) => trigger::run(args, context).await,
        Command::Listen(args) => listen::run(args, context).await,
        Command::Tail(args) => tail::run(args, context).await,
        Command::Messages(args) => messages::run(args, context).await,
        Command::Conversations(args) => conversations::run(args, context).await,
        Command::Events(command) => events::run(command, context).await,
        Command::Jobs(args) => jobs::run(args, context).await,
        Command::Dead(args) => jobs::run_dead(args, context).await,
        Command::Replay(args) => replay::run(args, context).await,
        Command::Destinations(args) => destinations::run(args, context).await,
        Command::Config(command) => config::run(command, context),
        Command::Db(command) => db::run(command, context).await,
    }
}
