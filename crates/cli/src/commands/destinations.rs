//! `inlet destinations`: list, show, test, pause and resume.

use clap::{Args, Subcommand};
use inlet_domain::DestinationStatus;
use serde_json::json;
use serde_json::value::RawValue;

use super::names::api;
use super::{Context, list};
use crate::args::ApiArgs;
use crate::client::{Client, Query};
use crate::output;

/// List, test, pause and resume destinations.
#[derive(Debug, Args)]
pub(crate) struct DestinationsArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: DestinationsCommand,
}

#[derive(Debug, Subcommand)]
enum DestinationsCommand {
    /// List destinations with their backlog.
    List,
    /// Show a destination with its secret.
    Show {
        /// The destination's name.
        name: String,
    },
    /// Hand a sample event to a destination.
    #[command(after_help = "Example:\n  inlet destinations test crm")]
    Test {
        /// The destination's name.
        name: String,
    },
    /// Hold a destination's events until it is resumed; none is dropped.
    Pause {
        /// The destination's name.
        name: String,
        /// Why, for whoever looks at it later.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Hand on what was held.
    Resume {
        /// The destination's name.
        name: String,
    },
}

/// Runs `inlet destinations`.
pub(crate) async fn run(args: DestinationsArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let json = args.api.json;
    match args.command {
        DestinationsCommand::List => {
            list::print::<DestinationStatus>(client.pages(api!("destinations"), Query::new(), 0), json).await
        }
        DestinationsCommand::Show { name } => list::show(&client, api!("destinations", &name), json).await,
        DestinationsCommand::Test { name } => test(&client, &name, json).await,
        DestinationsCommand::Pause { name, reason } => {
            let body = reason.map_or(json!({}), |reason| json!({ "reason": reason }));
            change(&client, &name, "pause", &body, json).await
        }
        DestinationsCommand::Resume { name } => change(&client, &name, "resume", &json!({}), json).await,
    }
}

async fn test(client: &Client, name: &str, json: bool) -> anyhow::Result<()> {
    let answer: Box<RawValue> = client.post(api!("destinations", name, "test"), &json!({})).await?;
    if json {
        return Ok(output::json_line(&answer)?);
    }
    let id = super::jobs::made_job(&answer)?;
    Ok(output::line(&format!("job {id} hands it a sample; `inlet jobs show {id}` tells what became of it"))?)
}

async fn change(
    client: &Client,
    name: &str,
    verb: &str,
    body: &serde_json::Value,
    json: bool,
) -> anyhow::Result<()> {
    client.command(api!("destinations", name, verb), body).await?;
    if json {
        return list::show(client, api!("destinations", name), json).await;
    }
    let state = if verb == "pause" { "is paused; its events are held" } else { "gets its events again" };
    Ok(output::line(&format!("destination {name} {state}"))?)
}
