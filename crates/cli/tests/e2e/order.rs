//! The order test: under `strace`, each 200 follows a completed `fdatasync` of the WAL after the write of its event.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::gateway::{Gateway, inlet, signal};
use crate::load::Sender;
use crate::wait::until;

const CONNECTIONS: usize = 64;
const EVENTS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn every_200_follows_the_fdatasync_of_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let sender = Sender::new();
    let text = format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_keys = [\"{}\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        sender.public_key()
    );
    std::fs::write(folder.path().join("inlet.toml"), text).unwrap();
    let gateway = Gateway::start_command(folder.path(), traced(folder.path())).await;
    load(&sender, &gateway).await;
    end(gateway).await;

    let trace = std::fs::read_to_string(folder.path().join("trace")).unwrap();
    let verdict = judge(
        &trace,
        &sender.ledger(|ledger| ledger.sent.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>()),
    );
    assert!(verdict.early.is_empty(), "answered before the sync: {:?}", verdict.early);
    assert!(verdict.proven >= EVENTS, "only {} answers could be followed", verdict.proven);
    assert!(
        verdict.syncs < verdict.proven,
        "{} syncs for {} answers: no group commit",
        verdict.syncs,
        verdict.proven
    );
}

#[test]
fn an_answer_before_the_sync_is_noticed() {
    let request = "recvfrom(9<TCP:[1]>, \"POST /webhooks ... id-1 ...\", 8192, 0, NULL, NULL) = 60";
    let write = "pwrite64(7</d/inlet-events.db-wal>, \"...id-1...\", 4096, 0) = 4096";
    let sync = "fdatasync(7</d/inlet-events.db-wal>) = 0";
    let answer = "writev(9<TCP:[1]>, [{iov_base=\"HTTP/1.1 200 OK\\r\\n\", iov_len=17}], 1) = 17";
    let early = |lines: [&str; 4]| {
        let trace = lines.map(|line| format!("100 {line}")).join("\n");
        judge(&trace, &["id-1".to_owned()]).early.len()
    };
    assert_eq!(early([request, write, sync, answer]), 0);
    assert_eq!(early([request, write, answer, sync]), 1);
    assert_eq!(early([request, sync, write, answer]), 1);
    assert_eq!(early([request, answer, write, sync]), 1);
}

fn traced(folder: &Path) -> Command {
    let plain = inlet(folder);
    let mut command = Command::new("strace");
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["-f", "-y", "-s", "100000", "-o", "trace", "--seccomp-bpf", "-e"]);
    command.arg("trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg,read,readv,recvfrom,recvmsg");
    command.arg(plain.get_program()).arg("serve");
    command
}

async fn load(sender: &Arc<Sender>, gateway: &Gateway) {
    let stop = Arc::new(AtomicBool::new(false));
    let url = gateway.address("webhooks");
    let load = tokio::spawn(Arc::clone(sender).load(url, CONNECTIONS, Duration::ZERO, Arc::clone(&stop)));
    let enough = || async { sender.ledger(|ledger| (ledger.acknowledged.len() >= EVENTS).then_some(())) };
    until("enough acknowledged events", enough).await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
}

// The tracer's child is the gateway; the tracer itself passes no signal on.
async fn end(mut gateway: Gateway) {
    let children = format!("/proc/{0}/task/{0}/children", gateway.pid());
    let child = std::fs::read_to_string(children).unwrap();
    signal(child.trim().parse().unwrap(), "TERM");
    assert!(gateway.ended().await.success());
}

/// What a trace shows.
#[derive(Default)]
struct Verdict {
    proven: usize,
    syncs: usize,
    early: Vec<String>,
}

/// Follows a trace line by line: per socket the event asked for, per event whether it is written and synced.
fn judge(trace: &str, ids: &[String]) -> Verdict {
    let (mut verdict, mut asked) = (Verdict::default(), HashMap::<String, String>::new());
    let (mut written, mut synced) = (Vec::<&String>::new(), std::collections::HashSet::<&String>::new());
    let mut unwritten: Vec<&String> = ids.iter().collect();
    for call in calls(trace) {
        if call.is_wal() && call.name == "pwrite64" {
            let (now, later): (Vec<_>, Vec<_>) =
                unwritten.into_iter().partition(|id| call.text.contains(id.as_str()));
            written.extend(now);
            unwritten = later;
        } else if call.is_wal() && call.name.ends_with("sync") {
            verdict.syncs += 1;
            synced.extend(written.drain(..));
        } else if call.is_socket() && call.reads() {
            asked.entry(call.descriptor.clone()).or_default().push_str(&call.text);
        } else if call.is_socket() && call.text.contains("HTTP/1.1 200") {
            let request = asked.remove(&call.descriptor).unwrap_or_default();
            // Repeats of an event carry its id, too; their sync lies further back.
            if let Some(id) = ids.iter().find(|id| request.contains(id.as_str())) {
                verdict.proven += 1;
                if !synced.contains(id) {
                    verdict.early.push(id.clone());
                }
            }
        }
    }
    verdict
}

/// One system call: answers count from when they are begun, everything else from when it is completed.
struct Call {
    name: String,
    descriptor: String,
    text: String,
}

impl Call {
    fn is_wal(&self) -> bool {
        self.descriptor.contains("inlet-events.db-wal")
    }

    fn is_socket(&self) -> bool {
        self.descriptor.contains("TCP:") || self.descriptor.contains("socket:")
    }

    fn reads(&self) -> bool {
        self.name.starts_with("re")
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let descriptor = rest.split_once('>').map_or(rest, |(descriptor, _)| descriptor);
        Some(Self { name: name.to_owned(), descriptor: descriptor.to_owned(), text: rest.to_owned() })
    }
}

/// Puts together calls that strace shows in two parts, in the order in which they count.
fn calls(trace: &str) -> Vec<Call> {
    let (mut found, mut unfinished) = (Vec::new(), HashMap::<&str, String>::new());
    for (thread, text) in trace.lines().filter_map(|line| line.split_once(' ')) {
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            let writes_socket = Call::parse(begun).filter(|call| call.is_socket() && !call.reads());
            match writes_socket {
                Some(call) => found.push(call),
                None => drop(unfinished.insert(thread, begun.to_owned())),
            }
        } else if let Some((_, rest)) =
            text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>"))
        {
            let whole = unfinished.remove(thread).map(|begun| begun + rest);
            found.extend(whole.as_deref().and_then(Call::parse));
        } else {
            found.extend(Call::parse(text));
        }
    }
    found
}
