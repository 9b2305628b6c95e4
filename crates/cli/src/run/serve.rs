//! `inlet serve`: the gateway alone.

use clap::Args;
use tracing::{info, warn};

use super::flags::{ListenArgs, RunArgs};
use super::gateway::Gateway;
use super::ready::{Ready, ReadyFile};
use super::signals::Signals;
use super::wiring::Wiring;
use crate::args::ConfigArgs;
use crate::commands::Context;
use crate::config::{Config, Sources};
use crate::output;
use crate::telemetry;

/// Run the gateway.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  TELNYX_PUBLIC_KEY=… TELNYX_API_KEY=… inlet serve --config inlet.toml")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Runs `inlet serve` until a signal ends it.
pub(crate) async fn run(args: ServeArgs, context: &Context) -> anyhow::Result<()> {
    let environment = context.environment.clone();
    let sources = Sources { file: args.config.config, environment, flags: args.listen.settings() };
    let config = Config::load(&sources)?;
    config.check_for_serve()?;
    telemetry::start(args.run.log_format, &context.environment)?;
    let mut signals = Signals::take_over()?;
    let ready_file = ReadyFile::prepare(args.run.ready_file)?;
    warn_of_gaps(&config);
    let gateway = Gateway::start(&Wiring { config, dev: None }).await?;
    announce(&gateway, &ready_file).await?;
    signals.next().await;
    signals.unless_repeated(gateway.shutdown()).await;
    Ok(())
}

fn warn_of_gaps(config: &Config) {
    if config.telnyx.api_key.is_none() {
        warn!(
            "no API key is configured (TELNYX_API_KEY): no message can be sent, and media behind a key not fetched"
        );
    }
    if config.destinations.is_empty() {
        info!("no destination is configured: events are stored and can be replayed later");
    }
}

async fn announce(gateway: &Gateway, ready_file: &ReadyFile) -> anyhow::Result<()> {
    let (webhooks, admin) = (gateway.webhooks_url(), gateway.admin_origin());
    let text = format!("Webhooks  {webhooks}\nAPI       {admin}");
    let ready = Ready { webhooks: Some(webhooks.to_string()), admin: Some(admin), sandbox: None };
    ready_file.publish(&ready).await?;
    output::announce(&text);
    Ok(())
}
