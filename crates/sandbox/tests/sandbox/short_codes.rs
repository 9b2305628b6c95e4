//! Senders that are no numbers: short codes and alphanumeric sender IDs.

use inlet_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn an_account_has_a_short_code_that_moves_between_profiles() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let code = get_v2(&sandbox, "/short_codes").await.body["data"][0].clone();
    assert_eq!((&code["short_code"], &code["country_code"]), (&json!("12345"), &json!("US")));
    let path = format!("/short_codes/{}", code["id"].as_str().unwrap());
    assert_eq!(get_v2(&sandbox, &path).await.body["data"], code);
    let on_default = format!("/messaging_profiles/{}/short_codes", sandbox.messaging_profile_id());
    assert_eq!(get_v2(&sandbox, &on_default).await.body["data"], json!([code]));
    let off = patch_v2(&sandbox, &path, json!({"messaging_profile_id": null, "tags": ["vote"]})).await;
    assert_eq!(
        (&off.body["data"]["messaging_profile_id"], &off.body["data"]["tags"]),
        (&Value::Null, &json!(["vote"]))
    );
    let unassigned = get_v2(&sandbox, "/short_codes?filter[messaging_profile_id]=null").await;
    assert_eq!(each(&unassigned, "short_code"), ["12345"]);
    assert_eq!(patch_v2(&sandbox, &path, json!({})).await.refusal(), (400, "10004", "/messaging_profile_id"));
    assert_eq!(get_v2(&sandbox, "/short_codes/none").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn alphanumeric_senders_are_made_found_and_deleted() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let profile_id = sandbox.messaging_profile_id();
    let body = json!({"alphanumeric_sender_id": "Shop", "messaging_profile_id": profile_id, "us_long_code_fallback": OURS});
    let made = post_v2(&sandbox, "/alphanumeric_sender_ids", body).await;
    assert_eq!((made.status, &made.body["data"]["us_long_code_fallback"]), (201, &json!(OURS)));
    let path = format!("/alphanumeric_sender_ids/{}", made.body["data"]["id"].as_str().unwrap());
    assert_eq!(get_v2(&sandbox, &path).await.body, made.body);
    let on_default = format!("/messaging_profiles/{profile_id}/alphanumeric_sender_ids");
    assert_eq!(get_v2(&sandbox, &on_default).await.body["data"], json!([made.body["data"]]));
    let on_none = get_v2(&sandbox, "/alphanumeric_sender_ids?filter[messaging_profile_id]=other").await;
    assert!(each(&on_none, "id").is_empty());
    assert_eq!(delete_v2(&sandbox, &path).await.body, made.body);
    assert_eq!(get_v2(&sandbox, &path).await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn an_alphanumeric_sender_needs_a_name_and_a_profile() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let profile_id = sandbox.messaging_profile_id();
    let cases = [
        (json!({"messaging_profile_id": profile_id}), (422, "10004", "/alphanumeric_sender_id")),
        (json!({"alphanumeric_sender_id": "Shop"}), (422, "10004", "/messaging_profile_id")),
        (
            json!({"alphanumeric_sender_id": "Shop!", "messaging_profile_id": profile_id}),
            (422, "40306", "/alphanumeric_sender_id"),
        ),
        (
            json!({"alphanumeric_sender_id": "Shop", "messaging_profile_id": "none"}),
            (422, "10005", "/messaging_profile_id"),
        ),
        (
            json!({"alphanumeric_sender_id": "Shop", "messaging_profile_id": profile_id, "us_long_code_fallback": PHONE}),
            (422, "10015", "/us_long_code_fallback"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(post_v2(&sandbox, "/alphanumeric_sender_ids", body).await.refusal(), expected);
    }
}
