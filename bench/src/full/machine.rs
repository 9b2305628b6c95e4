//! What was measured on: hardware, system, disk, commit. Never a host name or a path.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
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
    /// Share of all cores, 0 to 1, that others used just before the run.
    disturbance: f64,
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
            disturbance: disturbance()?,
            fdatasync_ms: probe(folder.path())?,
        })
    }

    /// What makes the whole run worth less.
    pub(super) fn note(&self) -> Option<String> {
        (self.disturbance > 0.05).then(|| {
            let share = self.disturbance * 100.0;
            format!("the machine was not quiet: just before the run others used {share:.0} % of its cores")
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

/// The type of the file system that holds this folder: of the innermost mount above it.
fn file_system(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut above: Vec<(&str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .collect();
    above.sort_by_key(|(place, _)| place.len());
    above.last().map(|(_, kind)| (*kind).to_owned())
}

/// Share of all cores that something else uses, or the host withholds, in a second without any load of ours.
fn disturbance() -> anyhow::Result<f64> {
    let before = Ticks::now()?;
    std::thread::sleep(Duration::from_secs(1));
    let passed = Ticks::now()?.since(before);
    Ok(1.0 - passed.idle as f64 / passed.all.max(1) as f64)
}

/// Time of all cores, in the system's ticks.
#[derive(Clone, Copy)]
pub(super) struct Ticks {
    /// Without work.
    idle: u64,
    /// In which a core had work and the host did not run it.
    withheld: u64,
    all: u64,
}

impl Ticks {
    /// Those since the system began.
    pub(super) fn now() -> anyhow::Result<Self> {
        let line = field("/proc/stat", "cpu ").context("the system counts its CPU time")?;
        let ticks: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        // User, nice, system, idle, waiting for a disk, interrupts, soft interrupts, stolen by the host.
        let [_, _, _, idle, waiting, _, _, stolen, ..] = ticks[..] else {
            anyhow::bail!("`/proc/stat` counts fewer kinds of CPU time than expected: {line}");
        };
        Ok(Self { idle: idle + waiting, withheld: stolen, all: ticks.iter().take(8).sum() })
    }

    /// Share of the time since then that the host withheld, 0 to 1.
    pub(super) fn withheld_since(self, before: Self) -> f64 {
        let passed = self.since(before);
        passed.withheld as f64 / passed.all.max(1) as f64
    }

    // The kernel's count of waiting can go back (proc_stat(5)).
    fn since(self, before: Self) -> Self {
        Self {
            idle: self.idle.saturating_sub(before.idle),
            withheld: self.withheld.saturating_sub(before.withheld),
            all: self.all.saturating_sub(before.all),
        }
    }
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
