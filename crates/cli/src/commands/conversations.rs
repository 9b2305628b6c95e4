//! `inlet conversations`: list, show and mark as read.

use clap::{Args, Subcommand};
use inlet_domain::{Conversation, Message};
use serde_json::json;

use super::names::api;
use super::{Context, list};
use crate::args::{ApiArgs, ListArgs};
use crate::client::{Client, Pages, Query};
use crate::output::{self, align, escape, said};

/// List and read conversations.
#[derive(Debug, Args)]
pub(crate) struct ConversationsArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: ConversationsCommand,
}

#[derive(Debug, Subcommand)]
enum ConversationsCommand {
    /// List conversations, the one with the latest message first.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show what was said, the latest at the end.
    #[command(after_help = "Example:\n  inlet conversations show 1")]
    Show {
        /// The conversation's number.
        id: i64,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Mark a conversation as read.
    Read {
        /// The conversation's number.
        id: i64,
    },
}

/// Runs `inlet conversations`.
pub(crate) async fn run(args: ConversationsArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let json = args.api.json;
    match args.command {
        ConversationsCommand::List { list } => {
            let pages = client.pages(api!("conversations"), Query::new(), list.limit);
            list::print::<Conversation>(pages, json).await
        }
        ConversationsCommand::Show { id, list } => {
            let id = id.to_string();
            let pages = client.pages(api!("conversations", &id, "messages"), Query::new(), list.limit);
            if json { list::print::<Message>(pages, json).await } else { print_dialogue(pages).await }
        }
        ConversationsCommand::Read { id } => {
            let number = id.to_string();
            client.command(api!("conversations", &number, "read"), &json!({})).await?;
            if json {
                return Ok(output::line(&json!({ "id": id, "read": true }).to_string())?);
            }
            Ok(output::line(&format!("conversation {id} is read"))?)
        }
    }
}

/// As one reads a conversation: from top to bottom.
async fn print_dialogue(mut pages: Pages<'_>) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await? {
        for row in &page {
            let message: Message = serde_json::from_str(row.get())?;
            lines.push(said(&message).iter().map(|cell| escape(cell).into_owned()).collect());
        }
    }
    lines.reverse();
    if pages.is_cut() {
        output::note("There is more above; --limit 0 prints all.");
    }
    if lines.is_empty() {
        output::note("no messages");
        return Ok(());
    }
    Ok(output::line(&align(&lines))?)
}
