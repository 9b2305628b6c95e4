//! Puts many numbers on a profile at once, and remembers how that went.

use axum::extract::Path;
use serde_json::{Value, json};

use crate::account::World;
use crate::account::bulk_update::BulkUpdate;
use crate::field;
use crate::http::api::answer::{Answer, data, unknown};
use crate::http::api::numbers;
use crate::http::api::profiles::check_assignable;
use crate::http::api::request::Fields;
use crate::http::gate::Tenant;

/// Puts numbers on a profile, or on none when its id is empty. It is done when it is answered, so nothing is ever
/// pending; numbers that are not the account's fail.
pub(crate) async fn create(Tenant(account): Tenant, mut fields: Fields) -> Answer {
    let profile_id = Some(fields.required_text("messaging_profile_id")?).filter(|id| !id.is_empty());
    let wanted = fields.texts("numbers")?.ok_or_else(|| field::missing("numbers"))?;
    // Nothing else is ever changed, so it makes no difference.
    fields.take("assign_only").map(|value| field::boolean(&value, "/assign_only")).transpose()?;
    fields.finish("a bulk update")?;
    let now = account.clock.now();
    account.change(|world| {
        if let Some(profile_id) = &profile_id {
            check_assignable(world, profile_id)?;
        }
        let (success, failed) = wanted.into_iter().partition(|number| numbers::find(world, number).is_ok());
        let update = BulkUpdate { order_id: world.random.uuid("bulk update"), success, failed };
        for own in world.numbers.iter_mut().filter(|own| update.success.contains(&own.number.to_string())) {
            (own.profile_id, own.updated_at) = (profile_id.clone(), now);
        }
        let answer = data(shown(&update));
        world.bulk_updates.push(update);
        Ok(answer)
    })
}

/// Shows how a bulk update went.
pub(crate) async fn show(Tenant(account): Tenant, Path(order_id): Path<String>) -> Answer {
    let find = |world: &World| world.bulk_updates.find(&order_id).map(shown);
    account.read(find).map(data).ok_or_else(|| unknown("bulk update", &order_id))
}

fn shown(update: &BulkUpdate) -> Value {
    json!({
        "failed": update.failed,
        "order_id": update.order_id,
        "pending": [],
        "record_type": "messaging_numbers_bulk_update",
        "success": update.success,
    })
}
