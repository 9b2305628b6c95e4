//! `inlet tail`: follows events and attempts, one aligned line each, across restarts of the gateway.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use inlet_domain::{Attempt, Event, Job, Message};
use inlet_store::Happening;

use super::Context;
use super::names::api;
use super::stream::{Assembler, SentEvent};
use crate::args::ApiArgs;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, escape, time};

const SILENCE: Duration = Duration::from_secs(45);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follow events and deliveries as they happen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  inlet tail\n  inlet tail --json | jq .event.id")]
pub(crate) struct TailArgs {
    #[command(flatten)]
    api: ApiArgs,
}

/// Runs `inlet tail` until it is interrupted.
pub(crate) async fn run(args: TailArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let mut follower = Follower { client, json: args.api.json, last_id: None };
    // An address that is wrong from the beginning is an error; a gateway that goes away comes back.
    follower.follow().await?;
    let mut pause = FIRST_PAUSE;
    loop {
        output::note("the gateway has gone away; waiting for it");
        while let Err(error) = {
            tokio::time::sleep(pause).await;
            follower.follow().await
        } {
            let unreachable =
                error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit() == Exit::Unreachable);
            if !unreachable {
                return Err(error);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        pause = FIRST_PAUSE;
    }
}

struct Follower {
    client: Client,
    json: bool,
    last_id: Option<String>,
}

impl Follower {
    /// Follows until the stream ends. A failure means that it could not be opened, or printing failed.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut response = self.client.stream(api!("stream"), self.last_id.as_deref()).await?;
        let mut assembler = Assembler::default();
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(SILENCE, response.chunk()).await {
            let Ok(events) = assembler.take(&chunk) else { bail!("the stream has a line without end") };
            for event in events {
                self.print(&event)?;
                self.last_id = event.id.or(self.last_id.take());
            }
        }
        Ok(())
    }

    fn print(&self, event: &SentEvent) -> anyhow::Result<()> {
        if self.json {
            return Ok(output::line(&event.data)?);
        }
        match serde_json::from_str::<Happening>(&event.data) {
            Ok(happening) => Ok(output::line(&line_of(&happening))?),
            Err(_) => {
                output::note(&format!("{}: {}", escape(&event.name), escape(&event.data)));
                Ok(())
            }
        }
    }
}

fn line_of(happening: &Happening) -> String {
    match happening {
        Happening::Event { event, message } => event_line(event, message.as_deref()),
        Happening::Attempt { job, attempt, .. } => attempt_line(job, attempt),
    }
}

fn event_line(event: &Event, message: Option<&Message>) -> String {
    let said = message.map(|message| {
        let to = message.to.first().map_or("?", |recipient| recipient.phone_number.as_str());
        let from = if message.from.is_empty() { "?" } else { &message.from };
        format!("{from} > {to}  {}", message.text.as_deref().unwrap_or_default())
    });
    let event_type = event.event_type.as_deref().unwrap_or("-");
    let what = said.unwrap_or_else(|| event.id.clone());
    format!(
        "{}  -->  {}  {}  {}",
        time(event.received_at),
        fixed(event_type, 18),
        fixed(event.source.as_str(), 12),
        escape(&what)
    )
    .trim_end()
    .to_owned()
}

fn attempt_line(job: &Job, attempt: &Attempt) -> String {
    let whom = job.destination.as_deref().or(job.rule.as_deref()).unwrap_or_default();
    let status = attempt.status.map(|status| format!("[{status}] ")).unwrap_or_default();
    let error = attempt.error.as_deref().unwrap_or_default();
    let what = format!("{status}{} after attempt {} {error}", job.state, attempt.number);
    let what = escape(&what).into_owned();
    format!(
        "{}  <--  {}  {}  {what}",
        time(attempt.finished_at),
        fixed(job.kind.as_str(), 18),
        fixed(whom, 12)
    )
    .trim_end()
    .to_owned()
}

/// The text in a column: escaped, padded, never cut, because ids and names are for copying.
fn fixed(text: &str, width: usize) -> String {
    format!("{:<width$}", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_a_line_each() {
        let attempt = r#"{"kind":"attempt","position":1,"job":{"id":4,"kind":"deliver","destination":"crm",
            "event_id":"e","message_id":null,"rule":null,"replay_id":null,"state":"waiting","attempts":1,
            "due_at":"2026-01-31T08:00:05Z","created_at":"2026-01-31T08:00:00Z","finished_at":null,
            "last_error":"HTTP 503"},"attempt":{"number":1,"started_at":"2026-01-31T08:00:00Z",
            "finished_at":"2026-01-31T08:00:01Z","succeeded":false,"status":503,"error":"HTTP 503\u001b[2J",
            "response":null}}"#;
        let event = r#"{"kind":"event","event":{"id":"e","seq":1,"event_type":"message.received",
            "message_id":"m","occurred_at":null,"received_at":"2026-01-31T08:00:00Z","attempt":1,
            "delivered_to":null,"duplicates":0,"source":"telnyx","readable":true,"size_bytes":9},
            "message":null}"#;
        let unsigned = r#"{"kind":"event","event":{"id":"u","seq":2,"event_type":"message.received",
            "message_id":"u","occurred_at":null,"received_at":"2026-01-31T08:00:00Z","attempt":1,
            "delivered_to":null,"duplicates":0,"source":"unsigned","readable":true,"size_bytes":9},
            "message":{"id":"u","direction":"inbound","type":null,"from":"","to":[],"cc":[],"text":"test",
            "status":"received","media":[],"carrier":null,"line_type":null,"encoding":null,"parts":null,
            "messaging_profile_id":null,"conversation_id":null,"received_at":"2026-01-31T08:00:00Z",
            "errors":[],"unsigned":true}}"#;
        let lines = [event, attempt, unsigned].map(|text| line_of(&serde_json::from_str(text).unwrap()));
        insta::assert_snapshot!(lines.join("\n"), @r"
        2026-01-31T08:00:00Z  -->  message.received    telnyx        e
        2026-01-31T08:00:01Z  <--  deliver             crm           [503] waiting after attempt 1 HTTP 503\u{1b}[2J
        2026-01-31T08:00:00Z  -->  message.received    unsigned      ? > ?  test
        ");
    }
}
