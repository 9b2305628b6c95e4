//! Opens, shows and ends accounts; waits until one is idle, and empties it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use inlet_telnyx::PhoneNumber;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::account::Account;
use crate::accounts::Accounts;
use crate::config::AccountSettings;
use crate::http::control::request::{JsonBody, limited, read_json};
use crate::http::gate::Tenant;
use crate::http::problem::{Code, Problem};

/// Shows the account of the request.
pub(crate) async fn show(Tenant(account): Tenant) -> Json<Value> {
    Json(shown(&account))
}

/// Lists all accounts, the default one first. Only that one sees the others.
pub(crate) async fn list(State(accounts): State<Arc<Accounts>>, Tenant(own): Tenant) -> Json<Value> {
    let visible = if is_default(&accounts, &own) { accounts.all() } else { vec![own] };
    let data: Vec<Value> = visible.iter().map(|account| shown(account)).collect();
    Json(json!({ "data": data }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountRequest {
    name: String,
    api_key: Option<String>,
    numbers: Option<Vec<PhoneNumber>>,
    webhook_url: Option<Url>,
    failover_url: Option<Url>,
}

/// Opens an account.
pub(crate) async fn open(
    State(accounts): State<Arc<Accounts>>,
    Tenant(own): Tenant,
    JsonBody(request): JsonBody<AccountRequest>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    check_default(&accounts, &own)?;
    let fresh = accounts.host.config.further_account(request.name);
    let account = accounts.add(AccountSettings {
        api_key: request.api_key,
        numbers: request.numbers.unwrap_or(fresh.numbers),
        webhook_url: request.webhook_url,
        failover_url: request.failover_url,
        ..fresh
    })?;
    Ok((StatusCode::CREATED, Json(shown(&account))))
}

/// Ends an account.
pub(crate) async fn remove(
    State(accounts): State<Arc<Accounts>>,
    Tenant(own): Tenant,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    check_default(&accounts, &own)?;
    let missing = format!("there is no account `{name}` that can be ended; the default one stays");
    accounts.remove(&name).then_some(StatusCode::NO_CONTENT).ok_or(Problem::new(Code::NotFound, missing))
}

fn is_default(accounts: &Accounts, account: &Arc<Account>) -> bool {
    Arc::ptr_eq(accounts.default(), account)
}

fn check_default(accounts: &Accounts, account: &Arc<Account>) -> Result<(), Problem> {
    let detail = "only the default account opens and ends accounts; use its API key";
    is_default(accounts, account).then_some(()).ok_or_else(|| Problem::new(Code::Forbidden, detail))
}

fn shown(account: &Account) -> Value {
    let (profile_id, [webhook_url, failover_url], short_codes, dropped) = account.read(|world| {
        let profile = world.profiles.first();
        let short_codes: Vec<String> = world.short_codes.iter().map(|own| own.code.clone()).collect();
        (
            profile.map(|profile| profile.id.clone()),
            [
                profile.and_then(|profile| profile.webhook_url.clone()),
                profile.and_then(|profile| profile.webhook_failover_url.clone()),
            ],
            short_codes,
            json!({
                "deliveries": world.deliveries.dropped,
                "media": world.media.dropped,
                "messages": world.messages.dropped,
            }),
        )
    });
    json!({
        "api_key": account.identity.api_key,
        "api_url": format!("{}/v2", account.host.origin),
        "dropped": dropped,
        "failover_url": failover_url,
        "messaging_profile_id": profile_id,
        "name": account.name,
        "numbers": account.numbers,
        "organization_id": account.identity.organization_id,
        "public_key": account.identity.public_key().to_base64(),
        "short_codes": short_codes,
        "webhook_url": webhook_url,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitRequest {
    timeout_ms: u64,
    /// Whether events that are not due yet may still wait.
    #[serde(default)]
    due_only: bool,
}

/// Waits until no event is on its way.
pub(crate) async fn wait_idle(
    Tenant(account): Tenant,
    JsonBody(request): JsonBody<WaitRequest>,
) -> Result<Json<Value>, Problem> {
    match account.wait_idle(limited(request.timeout_ms), request.due_only).await {
        Ok(()) => Ok(Json(json!({ "idle": true }))),
        Err(pending) => Err(Problem::new(Code::NotIdle, format!("{pending} events are still on their way"))),
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    #[serde(default)]
    restart_ids: bool,
}

/// Forgets everything of the account.
pub(crate) async fn reset(Tenant(account): Tenant, body: Bytes) -> Result<StatusCode, Problem> {
    let request = if body.is_empty() { ResetRequest::default() } else { read_json(&body)? };
    account.reset(request.restart_ids);
    Ok(StatusCode::NO_CONTENT)
}
