//! Which core a thread or a process runs on.

use std::path::Path;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::process::Command;

/// Cores of the machine as the system shows them.
pub(crate) fn count() -> usize {
    std::fs::read_to_string("/proc/cpuinfo").map_or_else(
        |_| available_parallelism().map_or(1, usize::from),
        |text| text.lines().filter(|line| line.starts_with("processor")).count().max(1),
    )
}

/// Binds the calling thread, and what it starts, to these cores.
pub(crate) fn pin(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU).for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).map_err(|error| {
        anyhow::anyhow!("cores {cores:?} cannot be had (this machine has {}): {error}", count())
    })
}

/// Lets the calling thread run on every core; keeps its place where that is refused.
pub(crate) fn pin_anywhere() {
    let all: Vec<usize> = (0..count()).collect();
    // In a container with fewer cores than the machine the thread stays where it may run.
    let _ = pin(&all);
}

/// A command whose process and children are bound to these cores.
pub(crate) fn pinned(program: &Path, cores: &[usize]) -> Command {
    let list: Vec<String> = cores.iter().map(usize::to_string).collect();
    let mut command = Command::new("taskset");
    command.args(["-c", &list.join(",")]).arg(program);
    command
}
