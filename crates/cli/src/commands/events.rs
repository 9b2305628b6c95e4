//! `inlet events`: list, show, raw bytes, and the check of a captured webhook.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use inlet_domain::Event;
use inlet_telnyx::{DEFAULT_TOLERANCE_SECONDS, PublicKey};

use super::names::api;
use super::verify::{Capture, Header, check};
use super::{Context, input, list};
use crate::args::{ApiArgs, EventFilterArgs, ListArgs};
use crate::client::{Client, query_of};
use crate::exit::{Exit, Failure};
use crate::output;

/// List and show events, and check a captured webhook.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List events, the newest first.
    #[command(after_help = "Example:\n  inlet events list --type message.received --after 2026-01-31")]
    List {
        #[command(flatten)]
        api: ApiArgs,
        #[command(flatten)]
        filter: EventFilterArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show an event.
    Show {
        #[command(flatten)]
        api: ApiArgs,
        /// The event's id.
        id: String,
    },
    /// Print an event's exact bytes.
    #[command(
        after_help = "Example:\n  inlet events raw b301ed3f-1490-491f-995f-6e64e69674d4 --output body.json"
    )]
    Raw {
        #[command(flatten)]
        api: ApiArgs,
        /// The event's id.
        id: String,
        /// Write them into this file.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Explain why a captured webhook does or does not verify; works without a gateway.
    #[command(after_help = VERIFY_EXAMPLE)]
    Verify(VerifyArgs),
}

const VERIFY_EXAMPLE: &str = "\
Example:
  inlet events verify --body body.json --header 'telnyx-timestamp: 1700000000' \\
      --header 'telnyx-signature-ed25519: …' --public-key \"$TELNYX_PUBLIC_KEY\" --now 1700000003";

/// A captured webhook, and what to check it against.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// File with the body exactly as it was received; - reads standard input.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// A header of the request, as often as there are headers; others than Telnyx's are ignored.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// Telnyx's public key in base64, as often as there are keys.
    #[arg(
        long = "public-key",
        value_name = "KEY",
        env = "TELNYX_PUBLIC_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        required = true,
        value_parser = PublicKey::from_base64
    )]
    public_keys: Vec<PublicKey>,
    /// The Unix second to check at; the present one unless given.
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
    /// Seconds that the signature's time may differ.
    #[arg(long, value_name = "S", default_value_t = DEFAULT_TOLERANCE_SECONDS)]
    tolerance: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `inlet events`.
pub(crate) async fn run(command: EventsCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        EventsCommand::List { api, filter, list } => {
            let client = Client::gateway(&api, &context.environment)?;
            let query = query_of(&filter.resolve(context.now()));
            list::print::<Event>(client.pages(api!("events"), query, list.limit), api.json).await
        }
        EventsCommand::Show { api, id } => {
            let client = Client::gateway(&api, &context.environment)?;
            list::show(&client, api!("events", &id), api.json).await
        }
        EventsCommand::Raw { api, id, output } => {
            let client = Client::gateway(&api, &context.environment)?;
            let bytes = client.get_bytes(api!("events", &id, "raw")).await?;
            write_raw(&bytes, output.as_deref())
        }
        EventsCommand::Verify(args) => verify(args, context),
    }
}

fn write_raw(bytes: &[u8], file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(path) => {
            std::fs::File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| {
                let message = format!("cannot write `{}`: {error}", path.display());
                Failure::new(Exit::File, message, "name another file with --output").into()
            })
        }
        None => Ok(output::exact(bytes)?),
    }
}

fn verify(args: VerifyArgs, context: &Context) -> anyhow::Result<()> {
    let capture = Capture {
        body: input::read(&args.body, "--body")?,
        headers: args.headers,
        keys: args.public_keys,
        now: args.now.unwrap_or_else(|| context.now().as_seconds()),
        tolerance: args.tolerance,
    };
    let report = check(&capture);
    let text = if args.json { report.to_json().to_string() } else { report.facts() };
    output::line(&text)?;
    report.into_result().map_err(Into::into)
}
