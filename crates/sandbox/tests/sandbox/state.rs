//! The state file: a sandbox goes on where an earlier one ended.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use inlet_sandbox::{InboundText, Sandbox, SandboxConfig, SandboxError, StateError};
use serde_json::{Value, json};

use crate::support::*;

async fn kept_in(state: &Path, seed: u8) -> Sandbox {
    let config = SandboxConfig { state: Some(state.to_owned()), seed: [seed; 32], ..swift() };
    Sandbox::start_with(config).await.unwrap()
}

#[tokio::test]
async fn a_state_file_keeps_keys_messages_and_further_accounts_between_starts() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    let sandbox = kept_in(&state, 1).await;
    let key = sandbox.api_key().to_owned();
    let text = sandbox.inject(InboundText::new(PHONE, OURS, "Hi")).await.unwrap();
    let other = post(&sandbox, "/accounts", json!({"name": "other"})).await.body;
    sandbox.shutdown().await;
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    let again = kept_in(&state, 2).await;
    assert_eq!(again.api_key(), key, "the seed of a later start does not count");
    assert_eq!(get_v2(&again, &format!("/messages/{}", text.id)).await.body["data"]["text"], "Hi");
    let accounts = get(&again, "/accounts").await.body;
    assert_eq!(accounts["data"][1]["api_key"], other["api_key"]);
    assert_eq!(send(&again, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await.status, 200);
}

#[tokio::test]
async fn what_is_configured_anew_counts_with_a_kept_state() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    kept_in(&state, 1).await.shutdown().await;
    let receiver = Receiver::start().await;
    let config = SandboxConfig {
        state: Some(state),
        webhook_url: Some(receiver.url.clone()),
        numbers: vec![OURS.parse().unwrap(), "+15559876599".parse().unwrap()],
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, "+15559876599", "Hi")).await.unwrap();
    sandbox.inject(InboundText::new(PHONE, OUR_SECOND, "Hi")).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(receiver.received().len(), 2, "old and new numbers, at the new URL");
}

#[tokio::test]
async fn configured_faults_take_the_place_of_kept_ones() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    let sandbox = kept_in(&state, 1).await;
    put_faults(&sandbox, json!([{"kind": "webhook_duplicate"}])).await;
    sandbox.shutdown().await;
    let kinds = async |sandbox: &Sandbox| each(&get(sandbox, "/faults").await, "kind");
    let sandbox = kept_in(&state, 1).await;
    assert_eq!(kinds(&sandbox).await, ["webhook_duplicate"], "none are configured");
    sandbox.shutdown().await;
    let faults = vec!["webhook_drop".parse().unwrap()];
    let config = SandboxConfig { state: Some(state), faults, ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    assert_eq!(kinds(&sandbox).await, ["webhook_drop"]);
}

#[tokio::test]
async fn a_state_file_of_another_seed_is_refused_when_the_seed_matters() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    let seeded = |seed: u8| {
        let seed = [seed; 32];
        SandboxConfig { state: Some(state.clone()), seed, refuse_other_seed: true, ..swift() }
    };
    Sandbox::start_with(seeded(1)).await.unwrap().shutdown().await;
    let refused = Sandbox::start_with(seeded(2)).await;
    assert!(matches!(refused, Err(SandboxError::State(StateError::OtherSeed { .. }))));
    Sandbox::start_with(seeded(1)).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn two_sandboxes_cannot_share_a_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    let first = kept_in(&state, 1).await;
    let config = SandboxConfig { state: Some(state.clone()), ..swift() };
    let second = Sandbox::start_with(config).await;
    assert!(matches!(second, Err(SandboxError::State(StateError::InUse { .. }))));
    first.shutdown().await;
    kept_in(&state, 1).await.shutdown().await;
}

#[tokio::test]
async fn changes_are_written_while_the_sandbox_runs() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    let sandbox = kept_in(&state, 1).await;
    sandbox.inject(InboundText::new(PHONE, OURS, "a rare word")).await.unwrap();
    eventually(async || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("a rare word"))).await;
    let text = std::fs::read_to_string(&state).unwrap();
    serde_json::from_str::<Value>(&text).expect("a file is never half written");
}

#[tokio::test]
async fn a_broken_state_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sandbox.json");
    for broken in ["", "{\"accounts\":[{\"version\":1}]}", "{\"accounts\":[{\"version\":9}]}"] {
        std::fs::write(&state, broken).unwrap();
        let config = SandboxConfig { state: Some(state.clone()), ..swift() };
        assert!(matches!(Sandbox::start_with(config).await, Err(SandboxError::State(_))), "{broken}");
        assert_eq!(std::fs::read_to_string(&state).unwrap(), broken);
    }
}
