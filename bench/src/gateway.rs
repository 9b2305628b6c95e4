//! The gateway under test: a real process in a folder of its own, ended when the run is over.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::Arguments;

/// A running gateway.
pub(crate) struct Gateway {
    process: Child,
    /// Where webhooks go.
    pub(crate) address: SocketAddr,
    /// The path they go to.
    pub(crate) path: String,
}

impl Gateway {
    /// Starts `inlet serve` on free ports and waits until it says that it is ready.
    pub(crate) async fn start(
        arguments: &Arguments,
        key: &str,
        folder: &Path,
        destination: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("inlet.toml"), configuration(key, folder, destination))?;
        let ready = folder.join("ready.json");
        let binary = fs::canonicalize(&arguments.inlet).with_context(|| {
            format!("`{}` is missing; run `cargo build --release`", arguments.inlet.display())
        })?;
        let mut command = match arguments.server_core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(binary);
                pinned
            }
            None => Command::new(binary),
        };
        command.args(["serve", "--config", "inlet.toml", "--ready-file", "ready.json"]).current_dir(folder);
        command
            .stdout(std::process::Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let addresses = wait_ready(&mut process, &ready).await?;
        let webhooks = addresses["webhooks"].as_str().context("the ready file names the webhooks address")?;
        let (address, path) =
            webhooks.trim_start_matches("http://").split_once('/').context("an address has a path")?;
        Ok(Self { process, address: address.parse()?, path: format!("/{path}") })
    }

    /// Resident memory in KiB: now, and at its highest.
    pub(crate) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let id = self.process.id().context("the gateway is running")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Ok((field("VmRSS:").context("VmRSS")?, field("VmHWM:").context("VmHWM")?))
    }

    /// Ends it as an operator would, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id().context("the gateway is running")?.to_string();
        anyhow::ensure!(Command::new("kill").args(["-TERM", &id]).status().await?.success(), "kill failed");
        let status = tokio::time::timeout(Duration::from_secs(15), self.process.wait()).await??;
        anyhow::ensure!(status.success(), "the gateway ended with {status}");
        Ok(())
    }
}

async fn wait_ready(process: &mut Child, ready: &Path) -> anyhow::Result<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Ok(text) = fs::read(ready) {
            return Ok(serde_json::from_slice(&text)?);
        }
        anyhow::ensure!(process.try_wait()?.is_none(), "the gateway ended at once; see `log` in its folder");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the gateway was not ready within 10 s")
}

fn configuration(key: &str, folder: &Path, destination: Option<SocketAddr>) -> String {
    let mut text = format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{key}\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nurl = \"sqlite:{0}/inlet.db\"\n[media]\nurl = \"file:{0}/media\"\n",
        folder.display()
    );
    if let Some(address) = destination {
        text += &format!("[[destinations]]\nname = \"bench\"\nurl = \"http://{address}/\"\n");
    }
    text
}
