//! The messaging settings of numbers, and that they are acted on.

use inlet_sandbox::{ApiSettings, InboundText, Sandbox, SandboxConfig, TextError};
use serde_json::{Value, json};

use crate::support::*;

const TOLL_FREE: &str = "+18885550100";

async fn settings_path(sandbox: &Sandbox, number: &str) -> String {
    let query = format!("/phone_numbers/messaging?filter[phone_number]={}", number.replace('+', "%2B"));
    let found = get_v2(sandbox, &query).await;
    format!("/phone_numbers/{}/messaging", found.body["data"][0]["id"].as_str().unwrap())
}

#[tokio::test]
async fn numbers_are_listed_by_profile_kind_and_number() {
    let numbers = [OURS, TOLL_FREE, OUR_SECOND].map(|number| number.parse().unwrap());
    let sandbox = Sandbox::start_with(SandboxConfig { numbers: numbers.into(), ..swift() }).await.unwrap();
    let list = async |query: &str| {
        each(&get_v2(&sandbox, &format!("/phone_numbers/messaging?{query}")).await, "phone_number")
    };
    assert_eq!(list("").await, [OURS, TOLL_FREE, OUR_SECOND]);
    assert_eq!(list("filter[type]=tollfree").await, [TOLL_FREE]);
    assert_eq!(list("filter[phone_number][contains]=6544").await, [OUR_SECOND]);
    assert_eq!(list("sort[phone_number]=desc").await, [TOLL_FREE, OUR_SECOND, OURS]);
    assert!(list("filter[messaging_profile_id]=null").await.is_empty());
    let on_default = format!("/messaging_profiles/{}/phone_numbers", sandbox.messaging_profile_id());
    assert_eq!(get_v2(&sandbox, &on_default).await.body["meta"]["total_results"], 3);
    let wrong = get_v2(&sandbox, "/phone_numbers/messaging?filter[type]=landline").await;
    assert_eq!(
        (wrong.refusal(), &wrong.body["errors"][0]["source"]["parameter"]),
        ((400, "10032", ""), &json!("filter[type]"))
    );
}

#[tokio::test]
async fn a_number_that_is_taken_off_its_profile_neither_sends_nor_receives() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let path = settings_path(&sandbox, OURS).await;
    let kept = patch_v2(&sandbox, &path, json!({"messaging_profile_id": null, "tags": ["desk"]})).await;
    assert_eq!(kept.body["data"]["messaging_profile_id"], sandbox.messaging_profile_id());
    assert_eq!(kept.body["data"]["tags"], json!(["desk"]));
    let off = patch_v2(&sandbox, &path, json!({"messaging_profile_id": ""})).await;
    assert_eq!(off.body["data"]["messaging_profile_id"], Value::Null);
    assert_eq!(off.body["data"]["tags"], json!(["desk"]));
    let sent = send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hello"})).await;
    assert_eq!(sent.refusal(), (400, "40305", "/from"));
    let refused = sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await;
    assert!(matches!(refused, Err(TextError::NoProfile { .. })));
}

#[tokio::test]
async fn a_number_on_another_profile_sends_its_webhooks_there() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let profile = json!({"name": "Second", "whitelisted_destinations": ["*"], "webhook_url": receiver.url});
    let id = post_v2(&sandbox, "/messaging_profiles", profile).await.body["data"]["id"].clone();
    let path = settings_path(&sandbox, OURS).await;
    let moved =
        patch_v2(&sandbox, &path, json!({"messaging_profile_id": id, "messaging_product": "P2P"})).await;
    assert_eq!(moved.body["data"]["messaging_profile_id"], id);
    assert_eq!(get_v2(&sandbox, &path).await.body, moved.body);
    sandbox.inject(InboundText::new(PHONE, OURS, "Hello")).await.unwrap();
    idle(&sandbox).await;
    assert_eq!(receiver.bodies()[0]["data"]["payload"]["messaging_profile_id"], id);
}

#[tokio::test]
async fn wrong_settings_of_a_number_are_refused_and_change_nothing() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let path = settings_path(&sandbox, OURS).await;
    let cases = [
        (json!({"messaging_profile_id": "none", "tags": ["a"]}), (404, "10005", "/messaging_profile_id")),
        (json!({"messaging_product": "Q2Q", "tags": ["a"]}), (400, "10032", "/messaging_product")),
        (json!({"tags": "a"}), (400, "10026", "/tags")),
        (json!({"tags": ["a"], "type": "toll-free"}), (400, "10015", "/type")),
    ];
    let before = get_v2(&sandbox, &path).await.body;
    for (body, expected) in cases {
        assert_eq!(patch_v2(&sandbox, &path, body).await.refusal(), expected);
    }
    assert_eq!(get_v2(&sandbox, &path).await.body, before);
    assert_eq!(get_v2(&sandbox, "/phone_numbers/1/messaging").await.refusal(), (404, "10005", ""));
}

#[tokio::test]
async fn whether_null_takes_a_number_off_its_profile_is_a_setting() {
    let sandbox = Sandbox::start_with(SandboxConfig {
        api: ApiSettings { null_unassigns_number: true, ..ApiSettings::default() },
        ..swift()
    })
    .await
    .unwrap();
    let path = settings_path(&sandbox, OURS).await;
    let off = patch_v2(&sandbox, &path, json!({"messaging_profile_id": null})).await;
    assert_eq!(off.body["data"]["messaging_profile_id"], Value::Null);
}

#[tokio::test]
async fn a_number_is_found_by_itself_as_the_guides_have_it() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let by_id = get_v2(&sandbox, &settings_path(&sandbox, OURS).await).await.body;
    assert_eq!(get_v2(&sandbox, &format!("/messaging_phone_numbers/{OURS}")).await.body, by_id);
    assert_eq!(get_v2(&sandbox, "/messaging_phone_numbers/%2B15559876543").await.body, by_id);
    assert_eq!(get_v2(&sandbox, &format!("/phone_numbers/{OURS}/messaging")).await.body, by_id);
}

#[tokio::test]
async fn what_a_number_carries_is_shown() {
    let config = SandboxConfig { sms_only_numbers: vec![OURS.parse().unwrap()], ..swift() };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let features = each(&get_v2(&sandbox, "/phone_numbers/messaging").await, "features");
    assert_eq!(features[0]["mms"], Value::Null);
    assert_eq!(features[1]["mms"]["domestic_two_way"], true);
}

#[tokio::test]
async fn many_numbers_move_at_once() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let body = json!({"messaging_profile_id": "", "numbers": [OURS, OUR_SECOND, PHONE]});
    let order = post_v2(&sandbox, "/messaging_numbers_bulk_updates", body).await.body["data"].clone();
    assert_eq!((&order["success"], &order["failed"]), (&json!([OURS, OUR_SECOND]), &json!([PHONE])));
    let path = format!("/messaging_numbers_bulk_updates/{}", order["order_id"].as_str().unwrap());
    assert_eq!(get_v2(&sandbox, &path).await.body["data"], order);
    let off = get_v2(&sandbox, "/phone_numbers/messaging?filter[messaging_profile_id]=null").await;
    assert_eq!(each(&off, "phone_number"), [OURS, OUR_SECOND]);
    let lacking = post_v2(&sandbox, "/messaging_numbers_bulk_updates", json!({"numbers": []})).await;
    assert_eq!(lacking.refusal(), (400, "10004", "/messaging_profile_id"));
}

#[tokio::test]
async fn the_inventory_lists_the_numbers_with_their_profiles() {
    let numbers = [OURS, TOLL_FREE].map(|number| number.parse().unwrap());
    let sandbox = Sandbox::start_with(SandboxConfig { numbers: numbers.into(), ..swift() }).await.unwrap();
    let list = async |query: &str| get_v2(&sandbox, &format!("/phone_numbers?{query}")).await;
    let all = list("sort=phone_number&handle_messaging_profile_error=true").await;
    assert_eq!(each(&all, "phone_number"), [OURS, TOLL_FREE]);
    assert_eq!(each(&all, "messaging_profile_name"), ["Default", "Default"]);
    assert_eq!(each(&list("filter[number_type][eq]=toll_free").await, "phone_number"), [TOLL_FREE]);
    assert_eq!(each(&list("filter[phone_number]=+1555").await, "phone_number"), [OURS]);
    assert_eq!(each(&list("filter[country_iso_alpha2]=DE").await, "phone_number"), [""; 0]);
    assert_eq!(list("filter[phone_number]=15").await.refusal(), (400, "10031", ""));
    assert_eq!(list("filter[connection_id]=1").await.refusal(), (501, "10037", ""));
}
