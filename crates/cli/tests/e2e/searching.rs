//! Texts arrive in the search, behind everything else, and are found by what people type.

use serde_json::Value;

use crate::gateway::Gateway;
use crate::wait::until;
use crate::world::{Dev, OURS, PHONE};

fn texts(gateway: &Gateway, words: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> =
        ["messages", "search"].into_iter().chain(words.iter().copied()).chain(["--json"]).collect();
    let lines = gateway.run(&arguments);
    let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    lines.lines().map(text).collect()
}

#[tokio::test]
async fn a_text_that_came_in_is_found_by_its_words() {
    let world = Dev::start("").await;
    for text in ["Where is my refund?", "An appointment, please", "refund: never mind"] {
        world.control().text(PHONE, OURS, text).await;
    }
    let gateway = &world.gateway;
    until("two texts in the search", || async {
        (texts(gateway, &["refund", "direction:in"]).len() == 2).then_some(())
    })
    .await;
    for without in ["!never", "-never"] {
        let words = format!("refund {without} direction:in");
        assert_eq!(texts(gateway, &[&words]), ["Where is my refund?"]);
    }
    assert_eq!(texts(gateway, &["appoint*", &format!("from:{PHONE}")]), ["An appointment, please"]);
    let table = gateway.run(&["messages", "search", "never mind"]);
    assert!(table.contains("FROM") && table.contains("refund: never mind"), "{table}");
    let refused = gateway.command(&["messages", "search", "after:soon"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(7) && told.contains("at character 1"), "{told}");
}
