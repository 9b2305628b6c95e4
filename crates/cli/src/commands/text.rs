//! `inlet text`: texts a number through a running sandbox, as somebody's phone would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Context;
use crate::args::SandboxUrlArgs;
use crate::client::{Client, Query};
use crate::config::duration;
use crate::exit::{Exit, Failure};
use crate::output;

/// Time for the answer beyond what the sandbox itself waits.
const MARGIN: Duration = Duration::from_secs(5);

/// Text a number through a running sandbox.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  inlet text +15551234567 +15559876543 \"Hello\" --wait
  inlet text +15551234567 +15559876543 \"Look\" --media photo.jpg")]
pub(crate) struct TextArgs {
    /// Who texts: any number that is not the account's.
    from: String,
    /// The account's number that is texted.
    to: String,
    /// What is texted.
    text: Option<String>,
    /// A file to attach, as often as wanted.
    #[arg(long, value_name = "FILE")]
    media: Vec<PathBuf>,
    /// Print the first message that comes back.
    #[arg(long)]
    wait: bool,
    /// How long --wait waits.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    sandbox: SandboxUrlArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    from: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media: Vec<Upload>,
}

#[derive(Serialize)]
struct Upload {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    content_type: String,
    data: String,
}

#[derive(Deserialize)]
struct Injected {
    id: String,
    event_id: String,
}

#[derive(Deserialize)]
struct Sent {
    data: Vec<Value>,
}

/// Runs `inlet text`.
pub(crate) async fn run(args: TextArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::sandbox(args.sandbox.sandbox_url.clone(), &context.environment)?;
    let injected = inject(&client, &args).await?;
    if args.wait {
        return print_reply(&client, &args, &injected).await;
    }
    let Injected { id, event_id } = &injected;
    if args.json {
        return Ok(output::line(&serde_json::json!({ "id": id, "event_id": event_id }).to_string())?);
    }
    Ok(output::line(&format!("texted as message {id}"))?)
}

async fn inject(client: &Client, args: &TextArgs) -> anyhow::Result<Injected> {
    if args.text.is_none() && args.media.is_empty() {
        let remedy = "write a text behind the numbers, or attach a file with --media";
        return Err(Failure::new(Exit::Usage, "there is nothing to text", remedy).into());
    }
    let media = args.media.iter().map(|path| upload(path)).collect::<Result<_, _>>()?;
    let text = Text { from: &args.from, to: &args.to, text: args.text.as_deref(), media };
    client.post(&["sandbox", "v1", "texts"], &text).await
}

async fn print_reply(client: &Client, args: &TextArgs, injected: &Injected) -> anyhow::Result<()> {
    let wait_ms = args.timeout.as_millis().to_string();
    let pairs = [("from", &args.to), ("to", &args.from), ("after", &injected.id), ("wait_ms", &wait_ms)];
    let mut query: Query = pairs.map(|(name, value)| (name.to_owned(), value.clone())).into();
    // What Telnyx itself says to STOP or HELP is no reply.
    query.push(("autoresponse".to_owned(), "false".to_owned()));
    let path = ["sandbox", "v1", "messages"];
    let sent: Sent = client.get_within(&path, &query, args.timeout + MARGIN).await?;
    let Some(reply) = sent.data.first() else { return Err(no_reply(args).into()) };
    if args.json {
        return Ok(output::line(&reply.to_string())?);
    }
    let text = reply["text"].as_str().unwrap_or_default();
    Ok(output::line(&text.split('\n').map(output::escape).collect::<Vec<_>>().join("\n"))?)
}

fn no_reply(args: &TextArgs) -> Failure {
    let message = format!("no reply to {} came within {:?}", output::escape(&args.from), args.timeout);
    let remedy =
        "`inlet jobs list --kind send` shows replies and why they were skipped; --timeout waits longer";
    Failure::new(Exit::NoReply, message, remedy)
}

fn upload(path: &Path) -> Result<Upload, Failure> {
    let data = std::fs::read(path).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        Failure::new(Exit::File, message, "name a file that exists with --media")
    })?;
    let filename = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Upload { content_type: content_type(path, &data), filename, data: STANDARD.encode(data) })
}

/// What the first bytes show, else what the extension says.
fn content_type(path: &Path, data: &[u8]) -> String {
    let by_extension = || {
        let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
        EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, content_type)| *content_type)
    };
    let by_content = infer::get(data).map(|kind| kind.mime_type());
    by_content.or_else(by_extension).unwrap_or("application/octet-stream").to_owned()
}

/// Types of MMS attachments that their first bytes do not show.
const EXTENSIONS: &[(&str, &str)] = &[
    ("amr", "audio/amr"),
    ("csv", "text/csv"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("json", "application/json"),
    ("smil", "application/smil"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("vcf", "text/x-vcard"),
    ("xml", "text/xml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_before_the_extension() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(content_type(Path::new("a.txt"), png), "image/png");
        assert_eq!(content_type(Path::new("a.VCF"), b"BEGIN:VCARD"), "text/x-vcard");
        assert_eq!(content_type(Path::new("a"), b"?"), "application/octet-stream");
    }
}
