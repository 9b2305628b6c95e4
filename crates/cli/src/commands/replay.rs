//! `inlet replay`: hands stored events to a destination again.

use std::time::Duration;

use clap::{Args, Subcommand};
use inlet_domain::{NewReplay, Replay, ReplayState};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::names::api;
use super::{Context, list};
use crate::args::{ApiArgs, EventFilterArgs, ListArgs};
use crate::client::{Client, Query, body_of};
use crate::output::{self, Progress};

/// How often a running replay is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Hand stored events to a destination again.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  inlet replay --destination crm --after 2h --dry-run"
)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    api: ApiArgs,
    /// The destination's name.
    #[arg(long, value_name = "NAME", required = true)]
    destination: Option<String>,
    #[command(flatten)]
    filter: EventFilterArgs,
    /// Only count the events.
    #[arg(long)]
    dry_run: bool,
    /// Return at once instead of waiting until all jobs are made.
    #[arg(long)]
    detach: bool,
    #[command(subcommand)]
    command: Option<ReplayCommand>,
}

#[derive(Debug, Subcommand)]
enum ReplayCommand {
    /// List replays, the newest first.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a replay.
    Show {
        /// The replay's number.
        id: i64,
    },
    /// Stop a replay; jobs made so far stay.
    Cancel {
        /// The replay's number.
        id: i64,
    },
}

/// Runs `inlet replay`.
pub(crate) async fn run(args: ReplayArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let json = args.api.json;
    match args.command {
        None => {
            let destination = args.destination.unwrap_or_default();
            let replay = NewReplay { destination, filter: args.filter.resolve(context.now()) };
            if args.dry_run {
                count(&client, &replay, json).await
            } else {
                start(&client, &replay, args.detach, json).await
            }
        }
        Some(ReplayCommand::List { list }) => {
            list::print::<Replay>(client.pages(api!("replays"), Query::new(), list.limit), json).await
        }
        Some(ReplayCommand::Show { id }) => list::show(&client, api!("replays", &id.to_string()), json).await,
        Some(ReplayCommand::Cancel { id }) => cancel(&client, id, json).await,
    }
}

fn body(replay: &NewReplay, dry_run: bool) -> serde_json::Value {
    let filter = body_of(&replay.filter);
    json!({ "destination": replay.destination, "filter": filter, "dry_run": dry_run })
}

/// The answer to a dry run.
#[derive(Deserialize)]
struct Count {
    total: i64,
}

async fn count(client: &Client, replay: &NewReplay, json: bool) -> anyhow::Result<()> {
    let answer: Box<RawValue> = client.post_long(api!("replays"), &body(replay, true)).await?;
    if json {
        return Ok(output::json_line(&answer)?);
    }
    let Count { total } = serde_json::from_str(answer.get())?;
    let destination = &replay.destination;
    Ok(output::line(&format!("{total} events would be handed to {destination} again; nothing was started"))?)
}

async fn start(client: &Client, replay: &NewReplay, detach: bool, json: bool) -> anyhow::Result<()> {
    let mut answer: Box<RawValue> = client.post_long(api!("replays"), &body(replay, false)).await?;
    let mut replay: Replay = serde_json::from_str(answer.get())?;
    let mut progress = Progress::new();
    while replay.state == ReplayState::Running && !detach {
        progress.show(&format!("{} of {} jobs made; Ctrl-C leaves it running", replay.made, replay.total));
        tokio::time::sleep(LOOK).await;
        answer = client.get(api!("replays", &replay.id.0.to_string()), &Query::new()).await?;
        replay = serde_json::from_str(answer.get())?;
    }
    drop(progress);
    if json {
        return Ok(output::json_line(&answer)?);
    }
    let Replay { id, made, total, state, .. } = replay;
    let id = id.0;
    let hint = format!("`inlet jobs list --replay {id}` shows what became of them");
    Ok(output::line(&format!("replay {id} is {state}: {made} jobs made of {total} events; {hint}"))?)
}

async fn cancel(client: &Client, id: i64, json: bool) -> anyhow::Result<()> {
    let number = id.to_string();
    client.command(api!("replays", &number, "cancel"), &json!({})).await?;
    if json {
        return list::show(client, api!("replays", &number), json).await;
    }
    Ok(output::line(&format!("replay {id} is cancelled; jobs made so far stay"))?)
}
