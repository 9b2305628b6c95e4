//! The ready file: the addresses as JSON, put in place once everything answers.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use reqwest::Url;
use serde::Serialize;

use crate::exit::{Exit, Failure};

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the ready file holds. The key is why only its owner may read it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ready {
    /// Where webhooks come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) webhooks: Option<String>,
    /// Where the API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<String>,
    /// Where the sandbox is, and what one needs to use it.
    #[serde(flatten)]
    pub(super) sandbox: Option<SandboxReady>,
}

/// The sandbox's part.
#[derive(Debug, Serialize)]
pub(super) struct SandboxReady {
    /// Its origin.
    pub(super) sandbox: String,
    /// Its account's API key.
    pub(super) api_key: String,
    /// The key that verifies its webhooks.
    pub(super) public_key: String,
    /// Its account's numbers.
    pub(super) numbers: Vec<String>,
}

/// A ready file that will be written; one left from an earlier run is removed, so that nobody takes it for ours.
pub(super) struct ReadyFile {
    path: Option<PathBuf>,
}

impl ReadyFile {
    /// Clears the place.
    pub(super) fn prepare(path: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = &path {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failure(path, &error)),
                _ => {}
            }
        }
        Ok(Self { path })
    }

    /// Probes what is given, then puts the file in place.
    pub(super) async fn publish(&self, ready: &Ready) -> anyhow::Result<()> {
        probe(ready).await?;
        let Some(path) = &self.path else { return Ok(()) };
        let text = serde_json::to_string(ready).context("cannot write the addresses as JSON")?;
        write(path, text.as_bytes()).map_err(|error| failure(path, &error).into())
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write the ready file `{}`: {error}", path.display());
    Failure::new(Exit::File, message, "name a file in a folder that can be written with --ready-file")
}

/// Whoever sees the file sees all of it.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    drop(file);
    fs::rename(&beside, path)
}

/// Asks each listener for its health. Webhooks are only connected to: a request would be a rejection to look at.
async fn probe(ready: &Ready) -> anyhow::Result<()> {
    // Our own listeners speak plain HTTP, so nobody's certificates need to be read.
    let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().timeout(PROBE_TIMEOUT).build();
    let http = http.context("cannot set up the HTTP client")?;
    let sandbox = ready.sandbox.as_ref().map(|sandbox| &sandbox.sandbox);
    for origin in ready.admin.iter().chain(sandbox) {
        let answer = http.get(format!("{origin}/healthz")).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        answer.with_context(|| format!("our own listener at {origin} does not answer"))?;
    }
    if let Some(webhooks) = &ready.webhooks {
        let address = Url::parse(webhooks)?.socket_addrs(|| None)?;
        let connection = tokio::net::TcpStream::connect(&address[..]).await;
        connection.with_context(|| format!("our own listener at {webhooks} does not answer"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_may_read_it_and_no_half_of_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        write(&path, b"{}").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_stale_file_is_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        fs::write(&path, "{}").unwrap();
        ReadyFile::prepare(Some(path.clone())).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let ready = Ready { webhooks: Some("w".into()), admin: Some("a".into()), sandbox: None };
        assert_eq!(serde_json::to_string(&ready).unwrap(), r#"{"webhooks":"w","admin":"a"}"#);
    }
}
