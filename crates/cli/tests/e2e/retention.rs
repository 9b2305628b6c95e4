//! What is past its time goes from everywhere it was, and what still has work stays.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::endpoint::{Behaviour, Endpoint};
use crate::gateway::Gateway;
use crate::wait::until;
use crate::world::{Dev, OURS, PHONE, start_dev};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const SHORT: &str = "[retention]\njobs = \"1ms\"\nevents = \"1ms\"\nmessages = \"1ms\"\n";

/// The seed keeps the sandbox's key over a restart. The reply keeps `inlet dev` from answering with one of its own.
fn configuration(endpoint: &Endpoint, more: &str) -> String {
    let url = endpoint.url();
    format!(
        "[sandbox]\nseed = \"retention\"\n[[destinations]]\nname = \"crm\"\nurl = \"{url}\"\nretry = [\"0s\"]\n\
         [[replies]]\nname = \"never\"\nkeywords = [\"never said\"]\ntext = \"never sent\"\n{more}"
    )
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// The files of the media folder.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    entries(&folder.join("inlet-data/media")).iter().flat_map(|folder| entries(folder)).collect()
}

/// Waits until the metrics have each of these lines.
async fn wait_metrics(gateway: &Gateway, lines: &[&str]) {
    until(&format!("{lines:?} in the metrics"), || async {
        let answer = reqwest::get(format!("{}/metrics", gateway.address("admin"))).await.unwrap();
        let text = answer.text().await.unwrap();
        lines.iter().all(|line| text.lines().any(|found| found == *line)).then_some(())
    })
    .await;
}

/// An event once more, as the sandbox would send it now.
async fn signed(world: &Dev, event: &str) -> (HeaderMap, Vec<u8>) {
    let url = format!("{}/sandbox/v1/deliveries/{event}/signed", world.gateway.address("sandbox"));
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut headers = HeaderMap::new();
    for name in ["telnyx-timestamp", "telnyx-signature-ed25519", "content-type"] {
        headers.insert(name, answer.headers()[name].clone());
    }
    (headers, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn what_is_past_its_time_is_gone_and_a_late_repeat_of_it_is_still_a_duplicate() {
    let endpoint = Endpoint::start().await;
    let world = Dev::start(&configuration(&endpoint, "")).await;
    let media = json!([{"content_type": "image/png", "data": STANDARD.encode(PNG)}]);
    let picture = json!({"from": PHONE, "to": OURS, "text": "a picture", "media": media});
    let picture = world.control().inject(&picture).await;
    world.gateway.wait_list("jobs?state=done", |rows| rows.len() == 2).await;
    endpoint.behave(Behaviour::Answer(500));
    let dead = world.control().text(PHONE, OURS, "nobody takes this").await;
    world.gateway.wait_list("jobs?state=dead", |rows| rows.len() == 1).await;
    assert_eq!(pictures(world.folder.path()).len(), 1);
    let event = picture["event_id"].as_str().unwrap().to_owned();
    let (headers, body) = signed(&world, &event).await;

    let Dev { folder, gateway } = world;
    assert!(gateway.stop().await.success());
    std::fs::write(folder.path().join("inlet.toml"), configuration(&endpoint, SHORT)).unwrap();
    let gateway = start_dev(folder.path()).await;
    let purged =
        ["inlet_events_purged_total 1", "inlet_messages_purged_total 1", "inlet_media_purged_total 1"];
    wait_metrics(&gateway, &purged).await;
    let kept = ["inlet_jobs_purged_total 2", "inlet_events_overdue 1", "inlet_messages_overdue 1"];
    wait_metrics(&gateway, &kept).await;
    let left = pictures(folder.path());
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(ids(&gateway.list("events").await), [dead["event_id"].as_str().unwrap()]);
    assert_eq!(ids(&gateway.list("messages").await), [dead["id"].as_str().unwrap()]);
    let jobs = gateway.list("jobs").await;
    assert!(jobs.len() == 1 && jobs[0]["state"] == "dead", "{jobs:?}");
    for path in [format!("events/{event}"), format!("messages/{}", picture["id"].as_str().unwrap())] {
        assert_eq!(gateway.get(&path).await.0, 404, "{path}");
    }

    let request = reqwest::Client::new().post(gateway.address("webhooks")).headers(headers).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    wait_metrics(&gateway, &["inlet_webhooks_duplicate_total 1"]).await;
    gateway.wait_routed().await;
    assert_eq!(gateway.list("events").await.len(), 1, "it is not stored again");
}
