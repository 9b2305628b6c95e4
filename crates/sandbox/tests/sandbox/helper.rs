//! The sandbox as a Rust test uses it, without HTTP.

use inlet_sandbox::{Expectation, ExpectationError, Sandbox};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_test_texts_and_gets_the_answer_it_expects() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.set_webhook_url(receiver.url.clone());
    let text = sandbox.text(PHONE, "Are you open?").await.unwrap();
    idle(&sandbox).await;
    assert_eq!(receiver.bodies()[0]["data"]["payload"]["text"], "Are you open?");
    let expected = Expectation::to(PHONE).text_matches("(?i)open").after(text.id).within(PATIENCE);
    let answering = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Open till 5."}));
    let (met, _) = tokio::join!(sandbox.expect_message(expected), answering);
    assert_eq!(met.unwrap()[0]["text"], "Open till 5.");
    let unmet = Expectation::to(PHONE).text("Closed.").within(std::time::Duration::ZERO);
    let error = sandbox.expect_message(unmet).await.unwrap_err();
    assert!(matches!(error, ExpectationError::Unmet(_)));
    assert!(error.to_string().contains("`text` is \"Open till 5.\""), "{error}");
}

#[tokio::test]
async fn accounts_are_opened_found_and_ended_in_process() {
    let sandbox = Sandbox::start().await.unwrap();
    let other = sandbox.open_account("other").unwrap();
    assert_ne!(other.api_key(), sandbox.api_key());
    other.text(PHONE, "Hi").await.unwrap();
    assert_eq!((other.deliveries().len(), sandbox.deliveries().len()), (1, 0));
    assert_eq!(sandbox.account("other").unwrap().api_key(), other.api_key());
    assert_eq!(sandbox.account("default").unwrap().api_key(), sandbox.api_key());
    assert!(sandbox.open_account("other").is_err());
    assert!(sandbox.remove_account("other") && !sandbox.remove_account("default"));
    assert!(sandbox.account("other").is_none());
}
