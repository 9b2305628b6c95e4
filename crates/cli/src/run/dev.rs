//! `inlet dev`: gateway and local Telnyx, wired together on loopback, with nothing to configure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use inlet_domain::{ReplyRule, RetrySchedule, Template};
use inlet_sandbox::Sandbox;
use reqwest::Url;

use super::flags::{ListenArgs, RunArgs, text_setting};
use super::gateway::Gateway;
use super::ready::{Ready, ReadyFile};
use super::sandbox;
use super::signals::Signals;
use super::wiring::{DevWiring, Wiring};
use crate::args::ConfigArgs;
use crate::commands::Context;
use crate::config::{Config, FlagSetting, Sources, Value};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::telemetry;

/// Three tries within ten seconds: a developer wants to see the dead letter today.
const RETRY: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(5)];
const REPLY: &str = "Thanks for your text. We will get back to you soon.";
// People try the same text again; within the budget it is answered again.
const SAME_TEXT_LIMIT: u32 = 3;

/// Run the gateway and a local Telnyx, wired together, with nothing to configure.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet dev\n  inlet text +15551234567 +15559876543 \"Hello\" --wait")]
pub(crate) struct DevArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    listen: ListenArgs,
    /// Address for the sandbox, as in 127.0.0.1:5002; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    sandbox_listen: Option<String>,
    /// Folder for the data; `inlet-data` unless given or configured.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

impl DevArgs {
    fn settings(&self) -> Vec<FlagSetting> {
        let sandbox = text_setting("--sandbox-listen", "sandbox", "listen", self.sandbox_listen.as_ref());
        self.listen.settings().into_iter().chain(sandbox).chain(self.data_settings()).collect()
    }

    fn data_settings(&self) -> Vec<FlagSetting> {
        let Some(folder) = &self.data_dir else { return Vec::new() };
        let setting = |section, value| FlagSetting {
            flag: "--data-dir",
            section,
            key: "url",
            value: Value::Text(value),
        };
        let path = folder.display();
        vec![
            setting("store", format!("sqlite:{path}/inlet.db")),
            setting("media", format!("file:{path}/media")),
        ]
    }
}

/// Runs `inlet dev` until a signal ends it.
pub(crate) async fn run(args: DevArgs, context: &Context) -> anyhow::Result<()> {
    let environment = context.environment.clone().without_telnyx();
    let sources = Sources { file: args.config.config.clone(), environment, flags: args.settings() };
    let config = Config::load(&sources)?;
    refuse_beyond_loopback(&config)?;
    telemetry::start(args.run.log_format, &context.environment)?;
    let mut signals = Signals::take_over()?;
    let ready_file = ReadyFile::prepare(args.run.ready_file)?;
    let sandbox = sandbox::start(&config.sandbox).await?;
    let wiring = wire(config, &sandbox)?;
    let gateway = Gateway::start(&wiring).await?;
    sandbox.set_webhook_url(gateway.webhooks_url().clone());
    let ready = Ready {
        webhooks: Some(gateway.webhooks_url().to_string()),
        admin: Some(gateway.admin_origin()),
        sandbox: Some(sandbox::ready(&sandbox)),
    };
    ready_file.publish(&ready).await?;
    output::announce(&banner(&wiring, &gateway, &sandbox));
    signals.next().await;
    let end = async {
        gateway.shutdown().await;
        sandbox.shutdown().await;
    };
    signals.unless_repeated(end).await;
    Ok(())
}

/// Events without a signature are taken, so nobody else may reach this.
fn refuse_beyond_loopback(config: &Config) -> Result<(), Failure> {
    let listeners: [(&str, SocketAddr); 3] = [
        ("webhooks", config.webhooks.listen),
        ("admin", config.admin.listen),
        ("sandbox", config.sandbox.listen),
    ];
    match listeners.iter().find(|(_, address)| !address.ip().is_loopback()) {
        None => Ok(()),
        Some((section, address)) => {
            let message = format!("`{section}.listen` is {address}, but `inlet dev` takes unsigned events");
            let remedy =
                format!("listen on loopback with --{section}-listen 127.0.0.1:0, or run `inlet serve`");
            Err(Failure::new(Exit::Configuration, message, remedy))
        }
    }
}

/// Puts the sandbox in the place of Telnyx, whatever the configuration says of the real one.
fn wire(mut config: Config, sandbox: &Sandbox) -> anyhow::Result<Wiring> {
    let retry = RetrySchedule::new(RETRY.to_vec());
    config.webhooks.public_keys = vec![sandbox.public_key().clone()];
    config.telnyx.api_key = Some(sandbox.api_key().into());
    config.telnyx.base_url = sandbox.api_url().parse()?;
    config.telnyx.messaging_profile_id = Some(sandbox.messaging_profile_id().to_owned());
    config.telnyx.numbers = sandbox.numbers();
    let sandbox_origin: Url = sandbox.base_url().parse()?;
    config.media.key_hosts.extend(sandbox_origin.host_str().map(str::to_owned));
    for destination in &mut config.destinations {
        if !destination.has_own_retry {
            destination.destination.retry = retry.clone();
        }
    }
    if config.replies.is_empty() {
        config.replies.push(catch_all());
    }
    Ok(Wiring { config, dev: Some(DevWiring { sandbox_origin, retry }) })
}

fn catch_all() -> ReplyRule {
    ReplyRule {
        name: "dev".to_owned(),
        keywords: Vec::new(),
        numbers: Vec::new(),
        when: None,
        text: Template::compile(REPLY).expect("the built-in reply is a template"),
        cooldown: Duration::ZERO,
        same_text_limit: SAME_TEXT_LIMIT,
    }
}

fn banner(wiring: &Wiring, gateway: &Gateway, sandbox: &Sandbox) -> String {
    let config = &wiring.config;
    let names: Vec<&str> =
        config.destinations.iter().map(|configured| configured.destination.name.as_str()).collect();
    let destinations = match names.as_slice() {
        [] => "none yet; add [[destinations]] to inlet.toml".to_owned(),
        names => names.join(", "),
    };
    let webhooks = gateway.webhooks_url();
    format!(
        "Inlet is running with a local Telnyx. Nothing here touches a real account.\n\n\
         Webhooks     {webhooks}\nAPI          {}\n{}\nData         {}\nDestinations {destinations}\n\n\
         Try, in another terminal:\n\n  {}\n\n  \
         curl -X POST {webhooks} -H 'Content-Type: application/json' \\\n      \
         -d '{{\"data\":{{\"event_type\":\"message.received\",\"payload\":{{\"text\":\"test\"}}}}}}'\n\n\
         Then look with `inlet messages list`, `inlet events list`, `inlet tail`. Ctrl-C ends it.\n",
        gateway.admin_origin(),
        sandbox::facts(sandbox),
        config.store_path.display(),
        sandbox::text_example(sandbox),
    )
}
