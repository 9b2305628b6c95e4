//! Messaging profiles: made, found, changed, and what falls off them when they go.

use inlet_sandbox::{ApiSettings, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::support::*;

fn new_profile() -> Value {
    json!({"name": "Branch", "whitelisted_destinations": ["US"]})
}

async fn create(sandbox: &Sandbox, body: Value) -> Reply {
    post_v2(sandbox, "/messaging_profiles", body).await
}

fn path(profile: &Reply) -> String {
    format!("/messaging_profiles/{}", profile.body["data"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_profile_is_made_with_every_field_that_has_an_effect_here() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let fields = json!({
        "name": "Branch", "whitelisted_destinations": ["US", "DE"], "enabled": false,
        "webhook_url": "http://localhost/a", "webhook_failover_url": "http://localhost/b",
        "webhook_api_version": "1", "alpha_sender": "Branch 7", "daily_spend_limit": "12.50",
        "daily_spend_limit_enabled": true, "mms_fall_back_to_sms": true, "mobile_only": true,
        "smart_encoding": true, "resource_group_id": "group-1", "number_pool_settings": {
            "geomatch": true, "long_code_weight": 1.0, "skip_unhealthy": true, "sticky_sender": true,
            "toll_free_weight": 10.0,
        },
    });
    let made = create(&sandbox, fields.clone()).await;
    assert_eq!(made.status, 200);
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(made.body["data"][name], *value, "{name}");
    }
    assert_eq!(get_v2(&sandbox, &path(&made)).await.body["data"], made.body["data"]);
}

#[tokio::test]
async fn what_a_profile_cannot_be_is_refused_with_its_place() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let cases = [
        (json!({"whitelisted_destinations": ["US"]}), (400, "10004", "/name")),
        (json!({"name": "Branch"}), (400, "10004", "/whitelisted_destinations")),
        (json!({"name": " "}), (400, "10025", "/name")),
        (json!({"enabled": "yes"}), (400, "10026", "/enabled")),
        (json!({"whitelisted_destinations": ["Germany"]}), (400, "10032", "/whitelisted_destinations")),
        (json!({"alpha_sender": "much too long a name"}), (400, "40306", "/alpha_sender")),
        (json!({"daily_spend_limit": "lots"}), (400, "10015", "/daily_spend_limit")),
        (json!({"number_pool_settings": {}}), (400, "10004", "/number_pool_settings/long_code_weight")),
        (json!({"webhook_api_version": "3"}), (400, "10032", "/webhook_api_version")),
        (json!({"webhook_api_version": "2010-04-01"}), (501, "10037", "/webhook_api_version")),
        (json!({"redaction_enabled": true}), (501, "10037", "/redaction_enabled")),
        (json!({"url_shortener_settings": {"domain": "a.b"}}), (501, "10037", "/url_shortener_settings")),
        (json!({"id": "mine"}), (400, "10015", "/id")),
        (json!({"colour": "red"}), (400, "10015", "/colour")),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut body = if index < 2 { json!({}) } else { new_profile() };
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(create(&sandbox, body).await.refusal(), expected, "{change}");
    }
    assert_eq!(get_v2(&sandbox, "/messaging_profiles").await.body["meta"]["total_results"], 1);
}

#[tokio::test]
async fn whether_destinations_are_needed_is_a_setting() {
    let config = SandboxConfig {
        api: ApiSettings { profile_needs_destinations: false, ..ApiSettings::default() },
        ..swift()
    };
    let sandbox = Sandbox::start_with(config).await.unwrap();
    let made = create(&sandbox, json!({"name": "Branch"})).await;
    assert_eq!(made.body["data"]["whitelisted_destinations"], json!([]));
}

#[tokio::test]
async fn profiles_are_listed_in_pages_and_found_by_name() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for name in ["Branch 1", "Branch 2", "Shop"] {
        create(&sandbox, json!({"name": name, "whitelisted_destinations": []})).await;
    }
    let list = async |query: &str| get_v2(&sandbox, &format!("/messaging_profiles?{query}")).await;
    let page = list("page[size]=3&page[number]=2").await;
    assert_eq!(each(&page, "name"), ["Shop"]);
    assert_eq!(
        page.body["meta"],
        json!({"page_number": 2, "page_size": 3, "total_pages": 2, "total_results": 4})
    );
    assert_eq!(each(&list("filter[name][contains]=ranch").await, "name"), ["Branch 1", "Branch 2"]);
    assert_eq!(each(&list("filter[name]=shop").await, "name"), ["Shop"]);
    assert_eq!(each(&list("filter[name][eq]=Shop").await, "name"), ["Shop"]);
    assert_eq!(list("page[number]=0").await.refusal(), (400, "10033", ""));
    assert_eq!(list("page[size]=1000").await.body["meta"]["page_size"], 250);
}

#[tokio::test]
async fn a_profile_that_was_read_can_be_sent_back_changed() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let made = create(&sandbox, new_profile()).await;
    let mut body = made.body["data"].clone();
    body["name"] = json!("Renamed");
    let changed = patch_v2(&sandbox, &path(&made), body).await;
    assert_eq!((changed.status, &changed.body["data"]["name"]), (200, &json!("Renamed")));
}

#[tokio::test]
async fn a_secret_is_made_anew() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let made = create(&sandbox, new_profile()).await;
    let fresh = post_v2(&sandbox, &format!("{}/actions/regenerate_secret", path(&made)), json!({})).await;
    assert_eq!(fresh.body["data"]["v1_secret"].as_str().unwrap().len(), 24);
    assert_ne!(fresh.body["data"]["v1_secret"], made.body["data"]["v1_secret"]);
}

#[tokio::test]
async fn a_deleted_profile_leaves_its_numbers_and_short_codes_without_one() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    let path = format!("/messaging_profiles/{}", sandbox.messaging_profile_id());
    let sender =
        json!({"alphanumeric_sender_id": "Shop", "messaging_profile_id": sandbox.messaging_profile_id()});
    post_v2(&sandbox, "/alphanumeric_sender_ids", sender).await;
    let deleted = delete_v2(&sandbox, &path).await;
    assert_eq!((deleted.status, &deleted.body["data"]["id"]), (200, &json!(sandbox.messaging_profile_id())));
    assert_eq!(get_v2(&sandbox, &path).await.refusal(), (404, "10005", ""));
    let numbers = get_v2(&sandbox, "/phone_numbers/messaging").await;
    assert_eq!(each(&numbers, "messaging_profile_id"), [Value::Null, Value::Null]);
    assert_eq!(each(&get_v2(&sandbox, "/short_codes").await, "messaging_profile_id"), [Value::Null]);
    assert!(each(&get_v2(&sandbox, "/alphanumeric_sender_ids").await, "id").is_empty());
    assert_eq!(send(&sandbox, json!({"from": OURS, "to": PHONE, "text": "Hi"})).await.refusal().1, "40305");
}

#[tokio::test]
async fn equal_seeds_give_equal_profiles() {
    let frozen_at = Some("2026-01-31T12:00:00Z".parse().unwrap());
    let [one, two] = [(); 2].map(|()| Sandbox::start_with(SandboxConfig { frozen_at, ..swift() }));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!(create(&one, new_profile()).await.body, create(&two, new_profile()).await.body);
}
