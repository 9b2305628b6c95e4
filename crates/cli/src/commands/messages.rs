//! `inlet messages`: list, search, show and send.

use clap::{Args, Subcommand};
use inlet_domain::{Message, SendRequest};
use serde_json::value::RawValue;

use super::names::api;
use super::{Context, list};
use crate::args::{ApiArgs, ListArgs, MessageFilterArgs};
use crate::client::{Client, query_of};
use crate::exit::{Exit, Failure};
use crate::output;

/// List, search, show and send messages.
#[derive(Debug, Args)]
pub(crate) struct MessagesArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: MessagesCommand,
}

#[derive(Debug, Subcommand)]
enum MessagesCommand {
    /// List messages, the newest first.
    #[command(after_help = "Example:\n  inlet messages list --from +15551234567 --after 2h")]
    List {
        #[command(flatten)]
        filter: MessageFilterArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Search messages, the newest first: words and "phrases" of their text, and conditions.
    #[command(after_help = SEARCH_HELP)]
    Search {
        /// What to look for; everything must hold. Flags may stand anywhere; `!` before a term, or `--` before all words,
        /// where one would begin with `-`.
        #[arg(required = true, value_name = "WORDS")]
        words: Vec<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a message in full.
    Show {
        /// The message's id.
        id: String,
    },
    /// Send a message through Telnyx; it appears in the list once Telnyx has accepted it.
    #[command(
        after_help = "Example:\n  inlet messages send +15559876543 +15551234567 \"We are open again.\""
    )]
    Send {
        /// One of our numbers.
        from: String,
        /// The recipient.
        to: String,
        /// The text.
        #[arg(default_value = "")]
        text: String,
        /// Public URL of an attachment, as often as wanted.
        #[arg(long = "media-url", value_name = "URL")]
        media_urls: Vec<String>,
    },
}

const SEARCH_HELP: &str = "\
Words are found whole, whatever their case and accents; appoint* finds words that begin so.
Conditions: from:NUMBER to:NUMBER (or how it begins), type:mms, status:delivered, conv:ID, direction:in,
has:media, after:TIME before:TIME (a time, a day, or how long ago, as in 2h). ! or - before a term turns it round.
In single quotes the shell leaves \" ! and * alone.

Examples:
  inlet messages search refund from:+1555 has:media after:2026-01-01
  inlet messages search '\"next week\" !direction:out' --json";

/// Runs `inlet messages`.
pub(crate) async fn run(args: MessagesArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    match args.command {
        MessagesCommand::List { filter, list } => {
            let query = query_of(&filter.resolve(context.now()));
            list::print::<Message>(client.pages(api!("messages"), query, list.limit), args.api.json).await
        }
        MessagesCommand::Search { words, list } => {
            let query = vec![("q".to_owned(), words.join(" "))];
            list::print::<Message>(client.pages(api!("messages"), query, list.limit), args.api.json).await
        }
        MessagesCommand::Show { id } => list::show(&client, api!("messages", &id), args.api.json).await,
        MessagesCommand::Send { from, to, text, media_urls } => {
            let request = SendRequest { from, to, text, media_urls };
            send(&client, &request, args.api.json).await
        }
    }
}

async fn send(client: &Client, request: &SendRequest, json: bool) -> anyhow::Result<()> {
    if request.text.is_empty() && request.media_urls.is_empty() {
        let remedy = "write a text behind the numbers, or give --media-url";
        return Err(Failure::new(Exit::Usage, "there is nothing to send", remedy).into());
    }
    let answer: Box<RawValue> = client.post(api!("messages"), request).await?;
    if json {
        return Ok(output::json_line(&answer)?);
    }
    let id = super::jobs::made_job(&answer)?;
    Ok(output::line(&format!("job {id} sends it; `inlet jobs show {id}` tells what became of it"))?)
}
