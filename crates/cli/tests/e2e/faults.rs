//! Faults of the disk: full, read-only, locked, deleted, newer than the binary; too few open files. No false 200, and a clear
//! word.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::gateway::{Gateway, inlet};
use crate::load::{Sender, inbound};
use crate::wait::until;

/// A gateway in a folder, and the one who sends to it.
struct Scene {
    folder: TempDir,
    sender: Arc<Sender>,
    http: reqwest::Client,
}

impl Scene {
    fn new() -> Self {
        let (folder, sender) = (tempfile::tempdir().unwrap(), Sender::new());
        let text = format!(
            "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{}\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n",
            sender.public_key()
        );
        std::fs::write(folder.path().join("inlet.toml"), text).unwrap();
        Self { folder, sender, http: reqwest::Client::new() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("inlet-data")
    }

    fn database(&self) -> std::path::PathBuf {
        self.data().join("inlet.db")
    }

    fn event_log(&self) -> std::path::PathBuf {
        self.data().join("inlet-events.db")
    }

    async fn serve(&self) -> Gateway {
        Gateway::start(self.folder.path(), "serve", &[]).await
    }

    /// Starts a gateway that must not start; returns its exit code and what it said.
    fn serve_fails(&self) -> (i32, String) {
        let output = inlet(self.folder.path()).arg("serve").output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Sends event `number`; the answer's status, and how long it took.
    async fn send(&self, gateway: &Gateway, number: u64) -> (u16, Duration) {
        let begin = Instant::now();
        let answer = self.sender.post(&self.http, &gateway.address("webhooks"), inbound(number).1).await;
        (answer.map_or(0, |answer| answer.status().as_u16()), begin.elapsed())
    }

    /// Sends new events until one is answered with this status; returns how many were acknowledged on the way.
    async fn send_until(&self, gateway: &Gateway, status: u16, from: u64) -> u64 {
        for number in from..from + 100_000 {
            match self.send(gateway, number).await.0 {
                answered if answered == status => return number,
                200 | 503 => {}
                other => panic!("answered {other}:\n{}", gateway.log()),
            }
        }
        panic!("never answered {status}")
    }
}

fn stored(event_log: &Path) -> Vec<String> {
    let connection = Connection::open(event_log).unwrap();
    let mut statement = connection.prepare("select id from events").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn full_disk_is_answered_503_and_heals_without_a_restart() {
    let scene = Scene::new();
    let Some(_mount) = Tmpfs::mount(&scene.data(), "12m") else { return };
    let gateway = scene.serve().await;
    assert_eq!(scene.send(&gateway, 1).await.0, 200);

    let filler = scene.data().join("filler");
    let _ = Command::new("dd")
        .args(["if=/dev/zero", &format!("of={}", filler.display()), "bs=64k"])
        .output()
        .unwrap();
    let refused = scene.send_until(&gateway, 503, 2).await;
    for number in refused + 1..refused + 10 {
        let (status, took) = scene.send(&gateway, number).await;
        assert_eq!(status, 503);
        assert!(took < Duration::from_secs(2), "took {took:?}");
    }
    assert_eq!(gateway.list("events?limit=1").await.len(), 1, "reads still work");

    std::fs::remove_file(filler).unwrap();
    until("recovery", || async { (scene.send(&gateway, refused).await.0 == 200).then_some(()) }).await;
    assert!(gateway.stop().await.success());
    let ids = stored(&scene.event_log());
    for number in (1..refused).chain([refused]) {
        assert!(ids.contains(&inbound(number).0), "event {number} was acknowledged and is not stored");
    }
}

/// A small file system of its own; unmounted when dropped.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "inlet-test"])
            .arg(path)
            .output();
        let mounted = output.as_ref().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a tmpfs cannot be mounted here (needs root): {output:?}");
        }
        mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn locked_database_is_answered_503_and_heals_when_it_is_released() {
    let scene = Scene::new();
    let gateway = scene.serve().await;
    assert_eq!(scene.send(&gateway, 1).await.0, 200);
    let other = Connection::open(scene.event_log()).unwrap();
    other.execute_batch("begin immediate").unwrap();

    let (status, took) = scene.send(&gateway, 2).await;
    assert_eq!(status, 503);
    assert!(took < Duration::from_secs(2), "took {took:?}");
    other.execute_batch("rollback").unwrap();
    until("recovery", || async { (scene.send(&gateway, 2).await.0 == 200).then_some(()) }).await;
    assert!(gateway.stop().await.success());
    let ids = stored(&scene.event_log());
    assert_eq!(ids.iter().filter(|id| **id == inbound(2).0).count(), 1);
}

#[tokio::test]
async fn deleted_database_ends_the_process_instead_of_a_false_200() {
    let scene = Scene::new();
    let mut gateway = scene.serve().await;
    assert_eq!(scene.send(&gateway, 1).await.0, 200);
    std::fs::remove_file(scene.event_log()).unwrap();
    let (status, _) = scene.send(&gateway, 2).await;
    assert_ne!(status, 200);
    assert!(!gateway.ended().await.success());
    assert!(gateway.log().contains("inlet-events.db"), "{}", gateway.log());
}

#[tokio::test]
async fn deleted_main_database_ends_the_process_and_keeps_what_was_acknowledged() {
    let scene = Scene::new();
    let mut gateway = scene.serve().await;
    std::fs::remove_file(scene.database()).unwrap();
    // Its event is to be routed, which the deleted file cannot take.
    assert_eq!(scene.send(&gateway, 1).await.0, 200);
    assert!(!gateway.ended().await.success());
    assert_eq!(stored(&scene.event_log()), [inbound(1).0]);
    let (code, said) = scene.serve_fails();
    assert!(code > 1 && said.contains("handed on and answered again"), "exit code {code}: {said}");
}

#[tokio::test]
async fn newer_schema_is_refused_and_left_untouched() {
    let scene = Scene::new();
    assert!(scene.serve().await.stop().await.success());
    let connection = Connection::open(scene.database()).unwrap();
    connection.execute_batch("pragma user_version = 9999; pragma wal_checkpoint(truncate)").unwrap();
    drop(connection);
    let before = std::fs::read(scene.database()).unwrap();

    let (code, said) = scene.serve_fails();
    assert!(code > 1, "exit code {code}: {said}");
    assert!(said.contains("9999") && said.contains("newer"), "{said}");
    assert!(before == std::fs::read(scene.database()).unwrap(), "the file was touched");
}

#[tokio::test]
async fn unusable_folder_is_named() {
    let scene = Scene::new();
    // A file where the folder should be: unusable for root, too.
    std::fs::write(scene.data(), "").unwrap();
    let (code, said) = scene.serve_fails();
    assert!(code > 1 && said.contains("inlet-data"), "exit code {code}: {said}");
}

#[tokio::test]
async fn read_only_folder_is_named() {
    let scene = Scene::new();
    let Some(_mount) = Tmpfs::mount(&scene.data(), "1m") else { return };
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(scene.data()).status().unwrap();
    assert!(remounted.success());
    let (code, said) = scene.serve_fails();
    assert!(code > 1 && said.contains("inlet-data"), "exit code {code}: {said}");
}

#[tokio::test]
async fn second_gateway_on_the_same_database_is_refused() {
    let scene = Scene::new();
    let gateway = scene.serve().await;
    let (code, said) = scene.serve_fails();
    assert!(code > 1 && said.contains("inlet.db"), "exit code {code}: {said}");
    assert_eq!(scene.send(&gateway, 1).await.0, 200);
}

#[tokio::test]
async fn failed_fsync_ends_the_process_and_answers_nobody() {
    let scene = Scene::new();
    let plain = inlet(scene.folder.path());
    let mut command = Command::new("strace");
    command
        .current_dir(scene.folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args([
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=60+",
    ]);
    command.arg(plain.get_program()).arg("serve");
    let mut gateway = Gateway::start_command(scene.folder.path(), command).await;
    let mut acknowledged = Vec::new();
    for number in 1..1_000 {
        match scene.send(&gateway, number).await.0 {
            200 => acknowledged.push(inbound(number).0),
            _ => break,
        }
    }
    assert!(!gateway.ended().await.success());
    assert!(gateway.log().contains("did not keep"), "{}", gateway.log());
    let gateway = scene.serve().await;
    assert!(gateway.stop().await.success());
    let ids = stored(&scene.event_log());
    assert!(acknowledged.len() < 999 && acknowledged.iter().all(|id| ids.contains(id)));
}

/// `inlet serve` under a limit of open files: `ulimit` with these words.
async fn limited(scene: &Scene, limit: &str) -> Gateway {
    let plain = inlet(scene.folder.path());
    let mut command = Command::new("sh");
    command.current_dir(scene.folder.path()).env_clear();
    command.arg("-c").arg(format!("ulimit {limit} && exec \"$@\"")).arg("sh");
    command.arg(plain.get_program()).arg("serve");
    Gateway::start_command(scene.folder.path(), command).await
}

#[tokio::test]
async fn as_many_files_may_be_open_as_the_system_allows_and_too_few_are_told() {
    let scene = Scene::new();
    let gateway = limited(&scene, "-Sn 512").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let columns: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(columns[0], columns[1], "{files}");
    assert!(gateway.stop().await.success());

    let gateway = limited(&scene, "-n 512").await;
    let told = gateway.log();
    assert!(
        told.contains("only 512 files may be open, too few for webhooks.max_connections = 10000"),
        "{told}"
    );
    assert_eq!(scene.send(&gateway, 1).await.0, 200);
    assert!(gateway.stop().await.success());
}
