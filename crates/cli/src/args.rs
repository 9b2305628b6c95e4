//! The command line: every command and flag, with the sentence that explains it.

mod filters;
mod time;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use reqwest::Url;

use crate::commands::config::ConfigCommand;
use crate::commands::conversations::ConversationsArgs;
use crate::commands::db::DbCommand;
use crate::commands::destinations::DestinationsArgs;
use crate::commands::events::EventsCommand;
use crate::commands::jobs::{DeadArgs, JobsArgs};
use crate::commands::listen::ListenArgs;
use crate::commands::messages::MessagesArgs;
use crate::commands::replay::ReplayArgs;
use crate::commands::tail::TailArgs;
use crate::commands::text::TextArgs;
use crate::commands::trigger::TriggerArgs;
use crate::exit;
use crate::run::dev::DevArgs;
use crate::run::sandbox::SandboxArgs;
use crate::run::serve::ServeArgs;

pub(crate) use filters::{DeadFilterArgs, EventFilterArgs, JobFilterArgs, MessageFilterArgs};

/// Inlet receives the texts that people send to your Telnyx numbers, and never loses one.
#[derive(Debug, Parser)]
#[command(name = "inlet", version, about, after_help = exit::help())]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway and a local Telnyx, wired together, with nothing to configure.
    Dev(DevArgs),
    /// Run the gateway.
    Serve(ServeArgs),
    /// Run a local Telnyx alone, for any receiver of webhooks.
    Sandbox(SandboxArgs),
    /// Text a number through a running sandbox.
    Text(TextArgs),
    /// Send a signed event of any kind to any URL.
    Trigger(TriggerArgs),
    /// Show the sandbox's deliveries as they happen.
    Listen(ListenArgs),
    /// Follow events and deliveries as they happen.
    Tail(TailArgs),
    /// List, search, show and send messages.
    Messages(MessagesArgs),
    /// List and read conversations.
    Conversations(ConversationsArgs),
    /// List and show events, and check a captured webhook.
    #[command(subcommand)]
    Events(EventsCommand),
    /// List, show, retry and discard jobs.
    Jobs(JobsArgs),
    /// List, show, retry and discard dead letters.
    Dead(DeadArgs),
    /// Hand stored events to a destination again.
    Replay(ReplayArgs),
    /// List, test, pause and resume destinations.
    Destinations(DestinationsArgs),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Migrate and check the database.
    #[command(subcommand)]
    Db(DbCommand),
}

/// Which configuration.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// Configuration file; `inlet.toml` when it is there.
    #[arg(long, env = "INLET_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How to reach a running gateway, and how to print what it says.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Gateway and output")]
pub(crate) struct ApiArgs {
    /// Address of the gateway's admin listener.
    #[arg(
        long,
        global = true,
        env = "INLET_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:5001"
    )]
    pub(crate) url: Url,
    /// File that holds the gateway's token; INLET_TOKEN holds the token itself.
    #[arg(long, global = true, env = "INLET_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// How to reach a running sandbox.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct SandboxUrlArgs {
    /// Address of the sandbox.
    #[arg(
        long,
        env = "INLET_SANDBOX_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:5002"
    )]
    pub(crate) sandbox_url: Url,
}

/// How much of a list.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct ListArgs {
    /// Rows to print; 0 prints all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declarations_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn exactly_the_commands_that_work_are_declared() {
        let command = Args::command();
        let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(
            names,
            [
                "dev",
                "serve",
                "sandbox",
                "text",
                "trigger",
                "listen",
                "tail",
                "messages",
                "conversations",
                "events",
                "jobs",
                "dead",
                "replay",
                "destinations",
                "config",
                "db"
            ]
        );
    }

    #[test]
    fn every_command_and_flag_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no sentence", command.get_name());
            for argument in command.get_arguments() {
                let explained = argument.get_help().is_some();
                assert!(explained, "{} {} has no sentence", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Args::command());
    }
}
