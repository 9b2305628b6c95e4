//! A real `inlet` process in a folder of its own, and the ways to talk to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait::until;

/// Longer than the ten seconds in which a drain must end.
const END_BOUND: Duration = Duration::from_secs(12);

/// A running process; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    folder: PathBuf,
    /// The ready file.
    pub(crate) ready: Value,
    http: reqwest::Client,
}

/// The executable under test, with a bare environment and the folder as its working directory.
pub(crate) fn inlet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

impl Gateway {
    /// Starts `inlet ROLE` and waits until it says that it is ready.
    pub(crate) async fn start(folder: &Path, role: &str, arguments: &[&str]) -> Self {
        let mut command = inlet(folder);
        command.arg(role).args(arguments);
        Self::start_command(folder, command).await
    }

    /// Starts a prepared command (perhaps under another program) that ends in `inlet ROLE …`.
    pub(crate) async fn start_command(folder: &Path, mut command: Command) -> Self {
        let ready_file = folder.join("ready.json");
        let _ = std::fs::remove_file(&ready_file);
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command.args(["--ready-file", "ready.json"]).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let ready = until("the ready file", || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}:\n{}", log_of(folder));
            let text = std::fs::read(&ready_file).ok();
            async move { text.map(|text| serde_json::from_slice(&text).unwrap()) }
        })
        .await;
        Self { child, folder: folder.to_owned(), ready, http: reqwest::Client::new() }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An address from the ready file: `webhooks`, `admin`, `sandbox`.
    pub(crate) fn address(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {}", self.ready)).to_owned()
    }

    /// GET of the admin API: status and JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}/api/v1/{path}", self.address("admin"))).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// POST to the admin API: status and JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.address("admin"));
        let answer = self.http.post(url).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The rows of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (status, page) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        page["data"].as_array().cloned().unwrap_or_else(|| panic!("{path} is no list: {page}"))
    }

    /// Waits until a list has rows that satisfy the condition, and returns them.
    pub(crate) async fn wait_list(&self, path: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        until(&format!("{path}\n{}", log_of(&self.folder)), || async {
            Some(self.list(path).await).filter(|rows| enough(rows))
        })
        .await
    }

    /// Waits until every stored event was routed.
    pub(crate) async fn wait_routed(&self) {
        until("the routing of all events", || async {
            (self.get("stats").await.1["events"]["unrouted"] == 0).then_some(())
        })
        .await;
    }

    /// Runs a command against this gateway, as a user would.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command = inlet(&self.folder);
        command.env("INLET_URL", self.address("admin"));
        if let Some(sandbox) = self.ready["sandbox"].as_str() {
            command.env("INLET_SANDBOX_URL", sandbox);
        }
        command.args(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{arguments:?} ended with {}:\n{out}{err}\n{}",
            output.status,
            self.log()
        );
        out.into_owned()
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        log_of(&self.folder)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.ended().await
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < END_BOUND, "still running after {END_BOUND:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test has started.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
