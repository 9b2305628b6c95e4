//! What was measured on: hardware, system, disk, commit. Never a host name or a path.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Serialize;

use crate::cores;
use crate::load::Percentiles;
use crate::settings::Settings;

/// Appends of the disk probe.
const APPENDS: usize = 2_000;

/// The machine and its disk.
#[derive(Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    file_system: String,
    /// A 4 KiB append and its fdatasync in the databases' folder, milliseconds.
    fdatasync_ms: Percentiles,
}

impl Machine {
    /// Reads the facts and probes the disk of the databases' folder.
    pub(super) fn look(settings: &Settings) -> anyhow::Result<Self> {
        let folder = settings.fresh_folder("probe")?;
        let memory_kib: f64 = field("/proc/meminfo", "MemTotal:")
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name")
                .unwrap_or_default()
                .trim_start_matches([':', ' '])
                .to_owned(),
            cores: cores::count(),
            memory_gib: memory_kib / 1024.0 / 1024.0,
            kernel: kernel.trim().to_owned(),
            file_system: file_system(folder.path()).unwrap_or_else(|| "unknown".to_owned()),
            fdatasync_ms: probe(folder.path())?,
        })
    }

    /// Two sentences for the report.
    pub(super) fn text(&self) -> String {
        let disk = self.fdatasync_ms;
        format!(
            "{}, {} cores, {:.0} GiB, Linux {}, {}. A 4 KiB append with fdatasync takes {:.2} ms (median), {:.2} ms (p99), \
             {:.1} ms at most of {APPENDS}.",
            self.cpu,
            self.cores,
            self.memory_gib,
            self.kernel,
            self.file_system,
            disk.p50,
            disk.p99,
            disk.max
        )
    }
}

/// The rest of the first line that begins so.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

/// The type of the file system that holds this folder.
fn file_system(folder: &Path) -> Option<String> {
    output("stat", &["-f", "-c", "%T", folder.to_str()?])
}

fn probe(folder: &Path) -> anyhow::Result<Percentiles> {
    let mut file = File::create(folder.join("probe"))?;
    let mut taken = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        taken.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(crate::load::Latencies::of(taken).percentiles())
}

/// The commit of the sources, with a mark if they differ from it.
pub(super) fn commit() -> Option<String> {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed { format!("{commit} with changes") } else { commit })
}

/// Today in UTC, as in `2026-11-24`.
pub(super) fn today() -> anyhow::Result<String> {
    output("date", &["-u", "+%F"]).ok_or_else(|| anyhow::anyhow!("`date` does not tell the date"))
}

/// What a program prints, if it prints something and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
