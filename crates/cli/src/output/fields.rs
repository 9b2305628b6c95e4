//! One object in full: its fields in the order in which the gateway gives them.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::escape::escape;

/// The fields of a JSON object, in their order.
pub(crate) struct Fields(Vec<(String, Shown)>);

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
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if let Some(shown) = Shown::of(&value) {
                fields.push((name, shown));
            }
        }
        Ok(Fields(fields))
    }
}

/// A value as it is shown.
enum Shown {
    /// On the line of its name.
    Beside(String),
    /// A line for each object, below the name.
    Below(Vec<String>),
}

impl Shown {
    /// `None` for what is absent: null, an empty list, an empty object.
    fn of(value: &RawValue) -> Option<Self> {
        let text = value.get();
        let objects = serde_json::from_str::<Vec<Fields>>(text).ok().filter(|objects| !objects.is_empty());
        if let Some(objects) = objects {
            return Some(Self::Below(objects.iter().map(Fields::in_one_line).collect()));
        }
        let beside = match serde_json::from_str::<Fields>(text) {
            Ok(fields) => fields.in_one_line(),
            Err(_) => plain(&serde_json::from_str(text).unwrap_or_default()),
        };
        if beside.is_empty() { None } else { Some(Self::Beside(beside)) }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

impl Fields {
    /// One field a line; lists of objects one object a line below their name. Absent values are left out.
    pub(crate) fn render(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = self.0.iter().map(|(name, value)| match value {
            Shown::Beside(text) => format!("{name:<width$}  {text}"),
            Shown::Below(lines) => format!("{name}\n  {}", lines.join("\n  ")),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn in_one_line(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| match value {
            Shown::Beside(text) => format!("{name}={text}"),
            Shown::Below(lines) => format!("{name}=({})", lines.join("; ")),
        });
        fields.collect::<Vec<_>>().join("  ")
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
