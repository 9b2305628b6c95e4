//! What all of Telnyx's API has in common: rate limits, and the answers where there is nothing.

use std::time::Duration;

use inlet_sandbox::{ApiSettings, RateLimitReset, Sandbox, SandboxConfig};
use serde_json::json;

use crate::support::*;

const NOON: i64 = 1_769_860_800;

async fn limited(requests_per_second: u32, rate_limit_reset: RateLimitReset) -> Sandbox {
    let api = ApiSettings { requests_per_second, rate_limit_reset, ..ApiSettings::default() };
    let frozen_at = Some(jiff::Timestamp::from_second(NOON).unwrap());
    Sandbox::start_with(SandboxConfig { api, frozen_at, ..swift() }).await.unwrap()
}

fn rate(reply: &Reply) -> [String; 3] {
    ["limit", "remaining", "reset"]
        .map(|name| reply.headers[&format!("x-ratelimit-{name}")].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_answer_says_how_many_requests_are_left_and_one_too_many_is_refused() {
    let sandbox = limited(2, RateLimitReset::SecondsLeft).await;
    assert_eq!(rate(&get_v2(&sandbox, "/short_codes").await), ["2", "1", "1"]);
    assert_eq!(rate(&get_v2(&sandbox, "/short_codes/none").await), ["2", "0", "1"]);
    let refused = get_v2(&sandbox, "/short_codes").await;
    assert_eq!(refused.refusal(), (429, "10011", ""));
    assert_eq!(
        (rate(&refused), &refused.headers["retry-after"]),
        (["2", "0", "1"].map(String::from), &"1".parse().unwrap())
    );
    sandbox.advance_clock(Duration::from_secs(1));
    assert_eq!(get_v2(&sandbox, "/short_codes").await.status, 200);
}

#[tokio::test]
async fn whether_the_reset_is_a_unix_time_is_a_setting() {
    let sandbox = limited(2, RateLimitReset::UnixTime).await;
    assert_eq!(rate(&get_v2(&sandbox, "/short_codes").await)[2], (NOON + 1).to_string());
}

#[tokio::test]
async fn what_telnyx_has_and_the_sandbox_has_not_answers_501_once() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for path in [
        "/balance",
        "/10dlc/phone_number_campaigns/+15551234567",
        "/10dlc/brand",
        "/calls",
        "/phone_numbers/1/voice",
    ] {
        let reply = get_v2(&sandbox, path).await;
        assert_eq!(reply.refusal(), (501, "10037", ""), "{path}");
        assert_eq!(reply.headers["x-should-retry"], "false");
        let detail = format!("The sandbox does not emulate `GET /v2{path}`.");
        assert_eq!(reply.body["errors"][0]["detail"], detail);
    }
    assert_eq!(post_v2(&sandbox, "/messages/whatsapp", json!({})).await.refusal(), (501, "10037", ""));
    let bare = client().get(format!("{}/balance", sandbox.api_url()));
    assert_eq!(Reply::of(bare).await.refusal(), (401, "10009", ""));
}

#[tokio::test]
async fn what_nobody_has_answers_404_and_another_method_405() {
    let sandbox = Sandbox::start_with(swift()).await.unwrap();
    for path in ["/message", "/messaging_profile", "/messaging_profiles/1/2/3", "/messaging_url_domains/1"] {
        assert_eq!(get_v2(&sandbox, path).await.refusal(), (404, "10005", ""), "{path}");
    }
    for path in ["/short_codes", "/webhook_deliveries/1", "/balance", "/10dlc/phone_number_campaigns/1"] {
        assert_eq!(patch_v2(&sandbox, path, json!({})).await.refusal(), (405, "10030", ""), "{path}");
    }
}
