//! A process without file descriptors sheds new connections, keeps its listener, and recovers.

use std::fs;
use std::process::Command;

use tokio::net::TcpStream;

use crate::fake_store::{FakeStore, Mood, eventually};
use crate::receiver::World;

const FEW: &str = "100";

/// Runs itself again under a limit that the other tests would not survive.
#[test]
fn a_listener_without_descriptors_sheds_and_recovers() {
    if is_limited() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(exhaust_and_recover());
    }
    let name = concat!(module_path!(), "::a_listener_without_descriptors_sheds_and_recovers");
    let name = name.split_once("::").unwrap().1;
    let script = format!("ulimit -n {FEW} && exec \"$0\" --exact {name} --nocapture");
    let output =
        Command::new("sh").args(["-c", &script]).arg(std::env::current_exe().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn is_limited() -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3) == Some(FEW)
}

async fn exhaust_and_recover() {
    let world = World::start(FakeStore::new(Mood::Stores)).await;
    assert_eq!(world.post(b"before").await.unwrap().status, 200);
    let mut clients = Vec::new();
    // Both ends are in this process, so each connection takes two descriptors until there is none left.
    while let Ok(client) = TcpStream::connect(world.address).await {
        clients.push(client);
        tokio::task::yield_now().await;
    }
    eventually("a failed accept", || world.metric("inlet_webhooks_accept_failures_total") >= 1.0).await;
    clients.clear();
    eventually("the end of the flood", || world.metric("inlet_webhooks_connections_open") == 0.0).await;
    assert_eq!(world.post(b"after").await.unwrap().status, 200);
}
