//! `inlet sandbox`: the local Telnyx alone, and how it is set up for `dev`.

use clap::Args;
use inlet_sandbox::{Sandbox, SandboxConfig, SandboxError};
use reqwest::Url;

use super::failure::{of_listener, of_state};
use super::flags::{RunArgs, text_setting};
use super::ready::{Ready, ReadyFile, SandboxReady};
use super::signals::Signals;
use crate::args::ConfigArgs;
use crate::commands::Context;
use crate::config::{Config, FlagSetting, Sources, Value};
use crate::entropy::{SystemEntropy, seed};
use crate::output;
use crate::telemetry;

/// Run a local Telnyx alone, for any receiver of webhooks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  inlet sandbox --webhook-url http://127.0.0.1:3000/webhooks\n  \
    inlet sandbox --webhook-url http://127.0.0.1:3000/webhooks --fault 'webhook_duplicate probability=0.5'\n\n\
    Every number that Telnyx's sources contest is a setting: see [sandbox] of `inlet config default`.")]
pub(crate) struct SandboxArgs {
    /// Where webhooks are sent.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Where they are sent when every try there has failed.
    #[arg(long, value_name = "URL")]
    failover_url: Option<String>,
    /// How webhooks are tried: guide (3 tries and 1 at the failover URL, unless set) or runbook (3 and 3).
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Tries at the webhook URL.
    #[arg(long, value_name = "N")]
    attempts: Option<i64>,
    /// Tries at the failover URL.
    #[arg(long, value_name = "N")]
    failover_attempts: Option<i64>,
    /// Time for one try, as in 2s.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// Pause after the first failed try, as in 500ms.
    #[arg(long, value_name = "DURATION")]
    backoff: Option<String>,
    /// What goes wrong, as in 'webhook_delay delay_ms=500 probability=0.2 number=+15551234567 count=3'; give it as
    /// often as wanted.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<String>,
    /// Stop the sandbox's clock at a time, as in 2026-07-01T00:00:00Z; it then moves only when told to.
    #[arg(long, value_name = "TIME")]
    frozen_at: Option<String>,
    /// Keep everything in this file between starts.
    #[arg(long, value_name = "FILE")]
    state: Option<String>,
    /// Text from which keys and ids are derived: equal seeds give equal ones; random unless given.
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// The key that `/v2` wants as bearer token; derived from the seed unless given.
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Where others reach the sandbox, as in http://inlet:5002: media are named by it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Name under which others reach it, besides that of --public-url; give it as often as wanted.
    #[arg(long = "allowed-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Address to listen on, as in 127.0.0.1:5002; port 0 takes any free one.
    #[arg(long = "listen", visible_alias = "sandbox-listen", value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    run: RunArgs,
}

impl SandboxArgs {
    fn settings(&self) -> Vec<FlagSetting> {
        let text = |flag, key, given| text_setting(flag, "sandbox", key, given);
        let number = |flag, key, given: Option<i64>| {
            given.map(|number| FlagSetting { flag, section: "sandbox", key, value: Value::Number(number) })
        };
        let texts = |flag, key, given: &[String]| {
            let value = Value::Texts(given.to_vec());
            (!given.is_empty()).then_some(FlagSetting { flag, section: "sandbox", key, value })
        };
        let settings = [
            text("--listen", "listen", self.listen.as_ref()),
            text("--preset", "preset", self.preset.as_ref()),
            text("--timeout", "timeout", self.timeout.as_ref()),
            text("--backoff", "backoff", self.backoff.as_ref()),
            text("--state", "state", self.state.as_ref()),
            text("--seed", "seed", self.seed.as_ref()),
            text("--public-url", "public_url", self.public_url.as_ref()),
            texts("--allowed-host", "allowed_hosts", &self.allowed_hosts),
            text("--api-key", "api_key", self.api_key.as_ref()),
            text("--frozen-at", "frozen_at", self.frozen_at.as_ref()),
            texts("--fault", "faults", &self.faults),
            text("--webhook-url", "webhook_url", self.webhook_url.as_ref()),
            text("--failover-url", "failover_url", self.failover_url.as_ref()),
            number("--attempts", "attempts", self.attempts),
            number("--failover-attempts", "failover_attempts", self.failover_attempts),
        ];
        settings.into_iter().flatten().collect()
    }
}

/// Runs `inlet sandbox` until a signal ends it.
pub(crate) async fn run(args: SandboxArgs, context: &Context) -> anyhow::Result<()> {
    let environment = context.environment.clone().without_telnyx();
    let sources = Sources { file: args.config.config.clone(), environment, flags: args.settings() };
    let config = Config::load(&sources)?;
    telemetry::start(args.run.log_format, &context.environment)?;
    let mut signals = Signals::take_over()?;
    let ready_file = ReadyFile::prepare(args.run.ready_file)?;
    let sandbox = start(&config.sandbox).await?;
    ready_file.publish(&Ready { sandbox: Some(ready(&sandbox)), ..Ready::default() }).await?;
    output::announce(&banner(&sandbox, config.sandbox.webhook_url.as_ref()));
    signals.next().await;
    signals.unless_repeated(sandbox.shutdown()).await;
    Ok(())
}

/// Starts a sandbox as it is configured, with a random seed unless one is.
pub(super) async fn start(configured: &SandboxConfig) -> anyhow::Result<Sandbox> {
    let mut config = configured.clone();
    if !config.refuse_other_seed {
        config.seed = seed(&SystemEntropy);
    }
    Sandbox::start_with(config).await.map_err(|error| match error {
        SandboxError::State(_) => of_state(error),
        error => of_listener("sandbox", error),
    })
}

/// What the ready file says of a sandbox.
pub(super) fn ready(sandbox: &Sandbox) -> SandboxReady {
    SandboxReady {
        sandbox: local_url(sandbox),
        api_key: sandbox.api_key().to_owned(),
        public_key: sandbox.public_key().to_base64(),
        numbers: sandbox.numbers().iter().map(ToString::to_string).collect(),
    }
}

// Whoever reads it is on this machine, which may not know the name under which others reach the sandbox.
fn local_url(sandbox: &Sandbox) -> String {
    format!("http://{}", sandbox.local_addr())
}

/// The lines that everybody needs who uses the sandbox.
pub(super) fn facts(sandbox: &Sandbox) -> String {
    let numbers: Vec<String> = sandbox.numbers().iter().map(ToString::to_string).collect();
    format!(
        "Phones       {}/\nTelnyx API   {}\nAPI key      {}\nPublic key   {}\nNumbers      {}",
        sandbox.base_url(),
        sandbox.api_url(),
        sandbox.api_key(),
        sandbox.public_key().to_base64(),
        numbers.join(", ")
    )
}

fn banner(sandbox: &Sandbox, webhook_url: Option<&Url>) -> String {
    let webhooks = match webhook_url {
        Some(url) => url.to_string(),
        None => "none yet; give --webhook-url".to_owned(),
    };
    format!(
        "A local Telnyx is running; nothing leaves this machine but to the addresses you give it.\n\n\
         {}\nWebhooks to  {webhooks}\n\n\
         Try, in another terminal:\n\n  {}\n",
        facts(sandbox),
        text_example(sandbox)
    )
}

/// A text that can be sent as it stands.
pub(super) fn text_example(sandbox: &Sandbox) -> String {
    let address = match sandbox.local_addr().port() {
        5002 => String::new(),
        _ => format!(" --sandbox-url {}", local_url(sandbox)),
    };
    let number = sandbox.numbers().first().map(ToString::to_string).unwrap_or_default();
    format!("inlet text +15551234567 {number} \"Hello\" --wait{address}")
}
