//! The account's alphanumeric senders: made, listed, shown and deleted.

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use inlet_telnyx::PhoneNumber;
use serde_json::{Value, json};

use crate::account::alpha_sender::{AlphaSender, is_name};
use crate::account::{Account, World};
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::profiles::{check_assignable, find as find_profile};
use crate::http::api::request::{Fields, Query};
use crate::http::gate::Tenant;
use crate::refusal::Refusal;

/// Lists the senders.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let profile = query.take("filter[messaging_profile_id]");
    let page = query.page()?;
    let matches = |sender: &&AlphaSender| profile.as_ref().is_none_or(|wanted| *wanted == sender.profile_id);
    Ok(account
        .read(|world| page.of(world.alpha_senders.iter().filter(matches), |sender| shown(sender, &account))))
}

/// Lists the senders of a profile.
pub(crate) async fn list_on_profile(Tenant(account): Tenant, Path(id): Path<String>, query: Query) -> Answer {
    let page = query.page()?;
    account.read(|world| {
        find_profile(world, &id)?;
        let on_it = world.alpha_senders.iter().filter(|sender| sender.profile_id == id);
        Ok(page.of(on_it, |sender| shown(sender, &account)))
    })
}

/// Makes a sender. This operation documents 422, and neither 400 nor 404, for a body that it cannot take.
pub(crate) async fn create(
    Tenant(account): Tenant,
    fields: Result<Fields, Refusal>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let made = fields.and_then(|fields| make(&account, fields));
    made.map_err(|refusal| refusal.with_status(422))
}

fn make(account: &Account, mut fields: Fields) -> Result<(StatusCode, Json<Value>), Refusal> {
    let name = fields.required_text("alphanumeric_sender_id")?;
    let profile_id = fields.required_text("messaging_profile_id")?;
    let fallback = fields.text("us_long_code_fallback")?;
    fields.finish("an alphanumeric sender ID")?;
    if !is_name(&name) {
        let detail = "An alphanumeric sender is 1 to 11 letters, digits and spaces.";
        return Err(Refusal::new("40306", detail).at("/alphanumeric_sender_id"));
    }
    account.change(|world| {
        check_assignable(world, &profile_id)?;
        let us_long_code_fallback = fallback.map(|given| own_number(world, &given)).transpose()?;
        let id = world.random.uuid("alphanumeric sender");
        let sender = AlphaSender { id, name, profile_id, us_long_code_fallback };
        let answer = data(shown(&sender, account));
        world.alpha_senders.push(sender);
        Ok((StatusCode::CREATED, answer))
    })
}

/// Shows a sender.
pub(crate) async fn show(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    account.read(|world| {
        let found = world.alpha_senders.iter().find(|sender| sender.id == id);
        found.map(|sender| data(shown(sender, &account))).ok_or_else(|| nobody(&id))
    })
}

/// Deletes a sender.
pub(crate) async fn delete(Tenant(account): Tenant, Path(id): Path<String>) -> Answer {
    account.change(|world| {
        let index = world.alpha_senders.iter().position(|sender| sender.id == id);
        let sender = world.alpha_senders.remove(index.ok_or_else(|| nobody(&id))?);
        Ok(data(shown(&sender, &account)))
    })
}

/// List and creation are among the newer operations, which are described with 422 for everything that is wrong.
pub(crate) async fn unprocessable(mut response: Response) -> Response {
    if let Some(refusal) = response.extensions_mut().get_mut::<Refusal>() {
        refusal.as_unprocessable();
    }
    response
}

fn own_number(world: &World, given: &str) -> Result<PhoneNumber, Refusal> {
    let own = given.parse().ok().filter(|number| world.number(number).is_some());
    own.ok_or_else(|| {
        let detail = format!("'{given}' is not a number of this account.");
        Refusal::new("10015", detail).at("/us_long_code_fallback")
    })
}

fn nobody(id: &str) -> Refusal {
    unknown("alphanumeric sender ID", id)
}

fn shown(sender: &AlphaSender, account: &Account) -> Value {
    let mut shown = json!({
        "alphanumeric_sender_id": sender.name,
        "id": sender.id,
        "messaging_profile_id": sender.profile_id,
        "organization_id": account.identity.organization_id,
        "record_type": "alphanumeric_sender_id",
    });
    if let Some(number) = &sender.us_long_code_fallback {
        shown["us_long_code_fallback"] = json!(number);
    }
    shown
}
