//! The gateway under test: a real process in a folder of its own, ended when the run is over.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::process::{Memory, Process};
use crate::settings::Settings;
use crate::{cores, events};

/// What differs from the default configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    /// HTTP destinations by name.
    pub(crate) destinations: Vec<(String, SocketAddr)>,
    /// Keys of `[webhooks]`.
    pub(crate) webhooks: String,
    /// TOML that is appended, whole tables.
    pub(crate) more: String,
}

impl Configuration {
    /// One destination that gets every event.
    pub(crate) fn delivering_to(address: SocketAddr) -> Self {
        Self { destinations: vec![("bench".to_owned(), address)], ..Self::default() }
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    process: Process,
    /// Where webhooks go, at [`events::PATH`].
    pub(crate) address: SocketAddr,
    /// Where the API and the console are.
    pub(crate) admin: SocketAddr,
    /// From the start of the process until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Gateway {
    /// Starts `inlet serve` on free ports in this folder and waits until it says that it is ready. The folder may
    /// hold a database already.
    pub(crate) async fn start(
        settings: &Settings,
        folder: &Path,
        configuration: &Configuration,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("inlet.toml"), text(folder, configuration)?)?;
        Self::again(settings, folder).await
    }

    /// Starts it on a folder that has a configuration and a database already.
    pub(crate) async fn again(settings: &Settings, folder: &Path) -> anyhow::Result<Self> {
        let mut command = cores::pinned(&settings.inlet()?, &settings.server_core);
        command.args(["serve", "--config", "inlet.toml", "--ready-file", "ready.json"]);
        Self::from_command(command, folder).await
    }

    /// Starts any command that writes `ready.json` as `inlet serve` does.
    pub(crate) async fn from_command(
        command: tokio::process::Command,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let ready = folder.join("ready.json");
        let _ = fs::remove_file(&ready);
        let began = Instant::now();
        let mut process = Process::start("inlet", command, folder)?;
        let addresses = wait_ready(&mut process, &ready).await?;
        let ready_after = began.elapsed();
        let (webhooks, admin) = (addresses["webhooks"].as_str(), addresses["admin"].as_str());
        let (address, path) = split(webhooks.context("the ready file names the webhooks address")?)?;
        anyhow::ensure!(path == events::PATH, "the webhooks' path is `{path}`, not `{}`", events::PATH);
        // A server without an admin listener names only one address.
        let admin = admin.map_or(Ok((address, "")), split)?.0;
        Ok(Self { process, address, admin, ready_after })
    }

    /// Resident memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        self.process.memory()
    }

    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        self.process.cpu()
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        self.process.descriptors()
    }

    /// Ends it as an operator would, and waits.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }

    /// Ends it as a crash would, and waits.
    pub(crate) async fn kill(self) -> anyhow::Result<()> {
        self.process.kill().await
    }
}

/// Address and path of `http://address/path`.
fn split(url: &str) -> anyhow::Result<(SocketAddr, &str)> {
    let rest = url.trim_start_matches("http://");
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((address.parse()?, path))
}

async fn wait_ready(process: &mut Process, ready: &Path) -> anyhow::Result<Value> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        if let Ok(text) = fs::read(ready) {
            return Ok(serde_json::from_slice(&text)?);
        }
        process.check()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("the gateway was not ready within 120 s")
}

fn text(folder: &Path, configuration: &Configuration) -> anyhow::Result<String> {
    let (key, folder) = (events::public_key()?, folder.display());
    let mut text = format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{key}\"]\n{}[admin]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nurl = \"sqlite:{folder}/inlet.db\"\n[media]\nurl = \"file:{folder}/media\"\n",
        configuration.webhooks
    );
    for (name, address) in &configuration.destinations {
        write!(text, "[[destinations]]\nname = \"{name}\"\nurl = \"http://{address}/\"\n")?;
    }
    Ok(text + &configuration.more)
}
