//! What every subcommand is told: which gateway, which cores, how much, and where the databases lie.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// Options of all subcommands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// The gateway's executable.
    #[arg(long, global = true, default_value = "target/release/inlet")]
    pub(crate) inlet: PathBuf,
    /// Cores the server is pinned to with `taskset`, all its processes included; several with commas.
    #[arg(long, global = true, default_value = "0", value_delimiter = ',')]
    pub(crate) server_core: Vec<usize>,
    /// Core the generator and the destinations are pinned to.
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) driver_core: usize,
    /// Short runs and few rounds: shows that everything works, not what it costs.
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    // Not the temporary folder: it is memory on many machines, and an fsync there costs nothing.
    /// Folder for the databases, on the disk to measure; each run has a fresh one below it, and removes it.
    #[arg(long, global = true, default_value = "target/bench")]
    pub(crate) data: PathBuf,
    /// Folder of the peers, as `scripts/bench-peers` prints it.
    #[arg(long, global = true, default_value = "target/peers")]
    pub(crate) peers: PathBuf,
    /// Where the pseudo-random parts (ids, choices, faults) begin.
    #[arg(long, global = true, default_value_t = 42)]
    pub(crate) seed: u64,
}

impl Settings {
    /// A fresh folder below `data`, removed when it is dropped; its path is absolute.
    pub(crate) fn fresh_folder(&self, name: &str) -> anyhow::Result<TempDir> {
        fs::create_dir_all(&self.data)
            .with_context(|| format!("`{}` cannot be made", self.data.display()))?;
        let below = fs::canonicalize(&self.data)?;
        Ok(tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(below)?)
    }

    /// The gateway's executable by its absolute path.
    pub(crate) fn inlet(&self) -> anyhow::Result<PathBuf> {
        fs::canonicalize(&self.inlet)
            .with_context(|| format!("`{}` is missing; run `cargo build --release`", self.inlet.display()))
    }

    /// The same with the server on other cores.
    pub(crate) fn with_server_core(&self, cores: &[usize]) -> Self {
        Self { server_core: cores.to_vec(), ..self.clone() }
    }
}

/// The database file in a gateway's folder that holds the table `events`.
pub(crate) fn events_database(folder: &Path) -> PathBuf {
    let journal = folder.join("inlet-events.db");
    if journal.is_file() { journal } else { folder.join("inlet.db") }
}
