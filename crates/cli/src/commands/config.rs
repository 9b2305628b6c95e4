//! `inlet config`: check, show and print the reference.

use clap::Subcommand;

use super::Context;
use crate::args::ConfigArgs;
use crate::config::{self, Config, Sources};
use crate::output;

/// Check and show the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tell everything that would keep `inlet serve` from starting.
    #[command(after_help = "Example:\n  inlet config check --config inlet.toml")]
    Check {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print the settings in force and where each comes from; secrets are hidden.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print the commented reference with every default.
    #[command(after_help = "Example:\n  inlet config default > inlet.toml")]
    Default,
}

/// Runs `inlet config`.
pub(crate) fn run(command: ConfigCommand, context: &Context) -> anyhow::Result<()> {
    let sources = |args: ConfigArgs| Sources {
        file: args.config,
        environment: context.environment.clone(),
        flags: Vec::new(),
    };
    match command {
        ConfigCommand::Check { config } => check(&sources(config)),
        ConfigCommand::Show { config } => Ok(output::line(config::show(&sources(config))?.trim_end())?),
        ConfigCommand::Default => Ok(output::line(config::REFERENCE.trim_end())?),
    }
}

fn check(sources: &Sources) -> anyhow::Result<()> {
    let config = Config::load(sources)?;
    config.check_for_serve()?;
    let (keys, destinations, replies) =
        (config.webhooks.public_keys.len(), config.destinations.len(), config.replies.len());
    Ok(output::line(&format!(
        "The configuration is fine: public keys: {keys}, destinations: {destinations}, reply rules: {replies}."
    ))?)
}
