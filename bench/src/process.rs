//! A server's process: pinned to its cores, measured from outside, ended politely or not.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// A running process; it is killed when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
}

/// Memory of a process, KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) now_kib: u64,
    /// Resident at most since it began.
    pub(crate) peak_kib: u64,
}

impl Process {
    /// Starts a command; its output goes to `NAME.log` in the folder.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = File::create(folder.join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child =
            command.current_dir(folder).spawn().with_context(|| format!("`{name}` does not start"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("`{}` has ended", self.name))
    }

    /// Fails if the process has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                anyhow::bail!("`{0}` ended with {status}; see `{0}.log` in its folder", self.name)
            }
        }
    }

    /// Resident memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Ok(Memory { now_kib: field("VmRSS:").context("VmRSS")?, peak_kib: field("VmHWM:").context("VmHWM")? })
    }

    /// CPU time used so far by all threads and by children that have ended, in steps of the kernel's 10 ms clock.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?))?;
        // The name in parentheses may hold blanks; the times are the 14th to 17th field of all.
        let (_, rest) = stat.rsplit_once(')').context("the name stands in parentheses")?;
        let ticks = rest.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()?))?.count())
    }

    /// Ends it as an operator would, and waits; fails if it ends otherwise than by that.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let status = status.with_context(|| format!("`{}` does not end", self.name))??;
        // 143 is how Node and Python say that the signal ended them.
        let as_told = status.signal() == Some(Signal::TERM.as_raw()) || status.code() == Some(143);
        anyhow::ensure!(status.success() || as_told, "`{}` ended with {status}", self.name);
        Ok(())
    }

    /// Ends it as a power cut would (`kill -9`), and waits.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = Pid::from_raw(i32::try_from(self.id()?)?).context("a process id is positive")?;
        Ok(kill_process(id, signal)?)
    }
}
