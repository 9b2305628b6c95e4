//! Who has opted out, by profile, number and time.

use serde_json::{Value, json};

use crate::clock;
use crate::http::api::answer::Answer;
use crate::http::api::request::Query;
use crate::http::gate::Tenant;
use crate::message::opt_out::OptOut;

/// Digits of a number that are hidden where redaction is asked for.
const HIDDEN: usize = 4;

/// Lists the opt-outs, oldest first.
pub(crate) async fn list(Tenant(account): Tenant, mut query: Query) -> Answer {
    let profile = query.equal("filter[messaging_profile_id]");
    // A plus that was not escaped arrives as a space.
    let from = query.equal("filter[from]").map(|from| from.replace(' ', "+"));
    let (since, until) = (query.time("created_at[gte]")?, query.time("created_at[lte]")?);
    let redacts = query.one_of("redaction_enabled", &[("true", true), ("false", false)])?;
    let page = query.page()?;
    let matches = |opt_out: &&OptOut| {
        profile.as_ref().is_none_or(|wanted| *wanted == opt_out.profile_id)
            && from.as_ref().is_none_or(|wanted| *wanted == opt_out.from)
            && since.is_none_or(|since| opt_out.created_at >= since)
            && until.is_none_or(|until| opt_out.created_at <= until)
    };
    Ok(account.read(|world| {
        let found = world.opt_outs.all().into_iter().filter(matches);
        page.of(found, |opt_out| shown(opt_out, redacts == Some(true)))
    }))
}

fn shown(opt_out: &OptOut, redacts: bool) -> Value {
    json!({
        "created_at": clock::format(opt_out.created_at),
        "from": opt_out.from,
        "keyword": opt_out.keyword,
        "messaging_profile_id": opt_out.profile_id,
        "to": if redacts { redacted(&opt_out.to) } else { opt_out.to.clone() },
    })
}

fn redacted(number: &str) -> String {
    let shown = number.chars().count().saturating_sub(HIDDEN);
    number.chars().take(shown).chain(std::iter::repeat_n('*', HIDDEN)).collect()
}
