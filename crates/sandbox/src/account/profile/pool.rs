//! How a profile chooses a sender for messages that name none.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::field::{boolean, missing, wrong_type};
use crate::refusal::Refusal;

/// A number pool: weights for the kinds of numbers, and rules that come before them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct NumberPoolSettings {
    /// Prefers a number with the recipient's area code.
    pub(crate) geomatch: bool,
    pub(crate) long_code_weight: f64,
    /// A label: every number of the sandbox is healthy.
    pub(crate) skip_unhealthy: bool,
    /// Keeps to the number that wrote to a recipient before.
    pub(crate) sticky_sender: bool,
    pub(crate) toll_free_weight: f64,
}

impl NumberPoolSettings {
    /// Reads the settings, or null for none: all numbers are equally likely then.
    pub(super) fn read(value: &Value, pointer: &str) -> Result<Option<Self>, Refusal> {
        if value.is_null() {
            return Ok(None);
        }
        let fields = value.as_object().ok_or_else(|| wrong_type("an object or null", pointer))?;
        const KNOWN: [&str; 5] =
            ["geomatch", "long_code_weight", "skip_unhealthy", "sticky_sender", "toll_free_weight"];
        if let Some(name) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Refusal::new("10015", format!("`{name}` is not a setting of a number pool."))
                .at(&format!("{pointer}/{name}")));
        }
        let weights = (weight(fields, "long_code_weight")?, weight(fields, "toll_free_weight")?);
        Ok(Some(Self {
            geomatch: flag(fields, "geomatch")?.unwrap_or(false),
            long_code_weight: weights.0,
            skip_unhealthy: flag(fields, "skip_unhealthy")?.ok_or_else(|| lacking("skip_unhealthy"))?,
            sticky_sender: flag(fields, "sticky_sender")?.unwrap_or(false),
            toll_free_weight: weights.1,
        }))
    }
}

fn weight(fields: &Map<String, Value>, name: &str) -> Result<f64, Refusal> {
    let value = fields.get(name).ok_or_else(|| lacking(name))?;
    let weight = value.as_f64().ok_or_else(|| wrong_type("a number", &place(name)))?;
    match weight >= 0.0 {
        true => Ok(weight),
        false => Err(Refusal::new("10033", "A weight should be a number from 0.").at(&place(name))),
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    fields.get(name).map(|value| boolean(value, &place(name))).transpose()
}

fn lacking(name: &str) -> Refusal {
    missing(&place(name)[1..])
}

fn place(name: &str) -> String {
    format!("/number_pool_settings/{name}")
}
