//! The servers that are measured beside each other, behind one handle: start, address, memory, CPU time, stop.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio::process::Command;

use crate::gateway::{Configuration, Gateway};
use crate::process::{Memory, Process};
use crate::settings::Settings;
use crate::{cores, events};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contestant {
    /// Answers 200 and does nothing: the generator's own limit.
    Noop,
    /// Inlet's listener over a log that keeps nothing: the ceiling.
    VerifyOnly,
    /// Inlet with one HTTP destination configured.
    Inlet,
    /// Inlet without any destination.
    InletAlone,
    /// The guide's recipe with Redis as it comes: snapshots now and then.
    Express,
    /// The guide's recipe with Redis that fsyncs each command.
    ExpressFsync,
    /// The recipe in Python, Redis as it comes.
    FastApi,
    /// Debian's `webhook`, which verifies and keeps nothing and starts a program for each request.
    Webhook,
}

use Contestant::{Express, ExpressFsync, FastApi, Inlet, InletAlone, Noop, VerifyOnly, Webhook};

impl Contestant {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 8] =
        [Noop, VerifyOnly, Inlet, InletAlone, Express, ExpressFsync, FastApi, Webhook];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Noop => "no-op (the generator's limit)",
            VerifyOnly => "Inlet without a store (the ceiling)",
            Inlet => "Inlet",
            InletAlone => "Inlet, no destination",
            Express => "guide's recipe: Express, Redis RDB",
            ExpressFsync => "guide's recipe, Redis `appendfsync always`",
            FastApi => "FastAPI, PyNaCl, Redis RDB",
            Webhook => "Debian's `webhook`",
        }
    }

    /// What an acknowledgement is worth, in the report.
    pub(crate) fn keeps(self) -> &'static str {
        match self {
            Noop | VerifyOnly => "nothing",
            Inlet | InletAlone => "the event, fsynced, once",
            Express | FastApi => "a marker in memory, in a snapshot within the hour or minute",
            ExpressFsync => "a marker, fsynced",
            Webhook => "nothing, and verifies nothing",
        }
    }

    /// Whether its acknowledgements are in a database of ours.
    pub(crate) fn is_inlet(self) -> bool {
        matches!(self, Inlet | InletAlone)
    }

    /// What it needs and this machine lacks.
    pub(crate) fn missing(self, settings: &Settings) -> Option<String> {
        let needed = match self {
            Noop | VerifyOnly => Vec::new(),
            Inlet | InletAlone => vec![settings.inlet.clone()],
            Express | ExpressFsync => {
                vec!["redis-server".into(), "node".into(), settings.peers.join("express/node_modules/telnyx")]
            }
            FastApi => vec!["redis-server".into(), settings.peers.join("fastapi/bin/uvicorn")],
            Webhook => vec!["webhook".into()],
        };
        let lacking = needed.into_iter().find(|program| !is_there(program))?;
        Some(lacking.display().to_string())
    }

    /// Starts it in this folder, all its processes on the server's cores, and waits until it takes connections.
    pub(crate) async fn start(
        self,
        settings: &Settings,
        folder: &Path,
        destination: SocketAddr,
    ) -> anyhow::Result<Running> {
        let configuration = Configuration::delivering_to(destination);
        match self {
            Noop => Running::own(settings, folder, "noop").await,
            VerifyOnly => Running::own(settings, folder, "verify-only").await,
            Inlet => Ok(Running::Gateway(Box::new(Gateway::start(settings, folder, &configuration).await?))),
            InletAlone => Ok(Running::Gateway(Box::new(
                Gateway::start(settings, folder, &Configuration::default()).await?,
            ))),
            Express => express(settings, folder, &[]).await,
            ExpressFsync => {
                express(settings, folder, &["--appendonly", "yes", "--appendfsync", "always"]).await
            }
            FastApi => fastapi(settings, folder).await,
            Webhook => webhook(settings, folder).await,
        }
    }
}

/// A contestant that takes webhooks.
pub(crate) enum Running {
    /// A program of ours.
    Gateway(Box<Gateway>),
    /// Another's, with what it needs; the first takes the webhooks and is stopped first.
    Peer { address: SocketAddr, processes: Vec<Process> },
}

impl Running {
    /// A subcommand of this driver.
    async fn own(settings: &Settings, folder: &Path, subcommand: &str) -> anyhow::Result<Self> {
        let mut command = cores::pinned(&std::env::current_exe()?, &settings.server_core);
        command.args([subcommand, "--ready-file", "ready.json"]);
        Ok(Self::Gateway(Box::new(Gateway::from_command(command, folder).await?)))
    }

    /// Where webhooks go, at [`events::PATH`].
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Gateway(gateway) => gateway.address,
            Self::Peer { address, .. } => *address,
        }
    }

    /// Resident memory of all its processes.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        match self {
            Self::Gateway(gateway) => gateway.memory(),
            Self::Peer { processes, .. } => processes.iter().try_fold(Memory::default(), |sum, process| {
                let one = process.memory()?;
                Ok(Memory { now_kib: sum.now_kib + one.now_kib, peak_kib: sum.peak_kib + one.peak_kib })
            }),
        }
    }

    /// CPU time of all its processes, children that have ended included.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        match self {
            Self::Gateway(gateway) => gateway.cpu(),
            Self::Peer { processes, .. } => processes.iter().map(Process::cpu).sum(),
        }
    }

    /// Ends all its processes and waits.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Gateway(gateway) => gateway.stop().await,
            Self::Peer { processes, .. } => {
                for process in processes {
                    process.stop().await?;
                }
                Ok(())
            }
        }
    }
}

/// Says where a server of ours listens, as `inlet serve` does.
pub(crate) fn write_ready(ready_file: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let partial = ready_file.with_extension("partial");
    fs::write(&partial, json!({"webhooks": format!("http://{address}{}", events::PATH)}).to_string())?;
    Ok(fs::rename(partial, ready_file)?)
}

async fn express(settings: &Settings, folder: &Path, redis: &[&str]) -> anyhow::Result<Running> {
    let home = fs::canonicalize(settings.peers.join("express"))?;
    // Beside its packages, where Node looks for them; always as this driver was built.
    let script = home.join("server.mjs");
    fs::write(&script, include_str!("../peers/express/server.mjs"))?;
    let mut command = cores::pinned(Path::new("node"), &settings.server_core);
    command.arg(script);
    with_redis(settings, folder, redis, command, "express").await
}

async fn fastapi(settings: &Settings, folder: &Path) -> anyhow::Result<Running> {
    fs::write(folder.join("server.py"), include_str!("../peers/fastapi/server.py"))?;
    let uvicorn = std::path::absolute(settings.peers.join("fastapi/bin/uvicorn"))?;
    let mut command = cores::pinned(&uvicorn, &settings.server_core);
    command.args(["server:app", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools"]);
    command.args(["--no-access-log", "--log-level", "warning", "--backlog", "2048", "--port"]);
    with_redis(settings, folder, &[], command, "fastapi").await
}

async fn webhook(settings: &Settings, folder: &Path) -> anyhow::Result<Running> {
    fs::write(folder.join("hooks.json"), include_str!("../peers/webhook/hooks.json"))?;
    let address = free_address()?;
    let mut command = cores::pinned(Path::new("webhook"), &settings.server_core);
    command.args(["-hooks", "hooks.json", "-urlprefix", "", "-ip", "127.0.0.1", "-port"]);
    command.arg(address.port().to_string());
    let mut processes = vec![Process::start("webhook", command, folder)?];
    wait_open(&mut processes, address).await?;
    Ok(Running::Peer { address, processes })
}

/// Starts a Redis with its files in the folder, then a server that is told of it and of its own port.
async fn with_redis(
    settings: &Settings,
    folder: &Path,
    redis_options: &[&str],
    mut server: Command,
    name: &str,
) -> anyhow::Result<Running> {
    let redis_address = free_address()?;
    let mut redis = cores::pinned(Path::new("redis-server"), &settings.server_core);
    redis.args(["--port", &redis_address.port().to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder);
    redis.args(redis_options);
    let mut processes = vec![Process::start("redis", redis, folder)?];
    wait_open(&mut processes, redis_address).await?;

    let address = free_address()?;
    let port = address.port().to_string();
    if name == "fastapi" {
        server.arg(&port);
    }
    server.env("PORT", &port).env("REDIS_URL", format!("redis://{redis_address}"));
    server.env("TELNYX_PUBLIC_KEY", events::public_key()?).env("NODE_ENV", "production");
    server.env("PYTHONDONTWRITEBYTECODE", "1");
    processes.insert(0, Process::start(name, server, folder)?);
    wait_open(&mut processes, address).await?;
    Ok(Running::Peer { address, processes })
}

/// An address that was free a moment ago, for servers that cannot say which one the system gave them.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn wait_open(processes: &mut [Process], address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        processes.iter_mut().try_for_each(Process::check)?;
        anyhow::ensure!(Instant::now() < deadline, "nobody listens within 30 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Whether a path exists or a program is found by its name.
fn is_there(program: &PathBuf) -> bool {
    if program.components().count() > 1 {
        return program.exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The first line that a program prints when asked for its version; none where it is missing.
pub(crate) fn version_of(program: &Path, argument: &str) -> Option<String> {
    let output = std::process::Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

/// Versions of everything that takes part, by name.
pub(crate) fn versions(settings: &Settings) -> anyhow::Result<Vec<(String, String)>> {
    let asked = [
        ("Inlet", settings.inlet.as_path(), "--version"),
        ("Redis", Path::new("redis-server"), "--version"),
        ("Node", Path::new("node"), "--version"),
        ("Python", &settings.peers.join("fastapi/bin/python"), "--version"),
        ("webhook", Path::new("webhook"), "-version"),
    ];
    let mut versions: Vec<(String, String)> = asked
        .into_iter()
        .filter_map(|(name, program, argument)| Some((name.to_owned(), version_of(program, argument)?)))
        .collect();
    let pinned: serde_json::Value = serde_json::from_str(include_str!("../peers/express/package.json"))?;
    for (name, version) in pinned["dependencies"].as_object().context("the peer has packages")? {
        versions.push((format!("npm {name}"), version.as_str().unwrap_or_default().to_owned()));
    }
    let pinned =
        include_str!("../peers/fastapi/requirements.txt").lines().filter_map(|line| line.split_once("=="));
    versions.extend(pinned.take(7).map(|(name, version)| (format!("pip {name}"), version.to_owned())));
    Ok(versions)
}
