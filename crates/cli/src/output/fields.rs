//! One object in full: its fields in the order in which the gateway gives them.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::escape::escape;

/// The fields of a JSON object, in their order.
pub(crate) struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

impl Fields {
    /// One field a line; lists of objects one object a line below their name. Absent values are left out.
    pub(crate) fn render(&self) -> String {
        let given = self.0.iter().filter(|(_, value)| !is_nothing(value));
        let width = given.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = given.map(|(name, value)| match value {
            Value::Array(items) if items.iter().all(Value::is_object) => {
                let items = items.iter().map(|item| format!("\n  {}", text_of(item)));
                format!("{name}{}", items.collect::<String>())
            }
            value => format!("{name:<width$}  {}", text_of(value)),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text).into_owned(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !is_nothing(value));
            given.map(|(name, value)| format!("{name}={}", text_of(value))).collect::<Vec<_>>().join("  ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_shown_field_by_field() {
        let fields: Fields = serde_json::from_str(
            r#"{"id":"m1","cc":[],"text":"a\u001b[2J","to":[{"phone_number":"+15551234567","status":null}],"parts":1,"x":null}"#,
        )
        .unwrap();
        insta::assert_snapshot!(fields.render(), @r"
        id     m1
        text   a\u{1b}[2J
        to
          phone_number=+15551234567
        parts  1
        ");
    }
}
