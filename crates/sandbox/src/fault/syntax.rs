//! A fault as one line, for flags and configuration: `webhook_delay delay_ms=500 probability=0.2`.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{Fault, InvalidFault};

/// Fields of what a fault concerns, which JSON keeps under `match`.
const SUBJECT: [&str; 2] = ["number", "event_type"];
/// Fields that are texts even where they look like numbers.
const TEXTS: [&str; 3] = ["code", "outcome", "url"];

/// Its kind, then `name=value` for each further field.
impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(line: &str) -> Result<Self, InvalidFault> {
        let wrong = |reason: String| InvalidFault::Shape { reason };
        let mut words = line.split_whitespace();
        let kind = words.next().ok_or_else(|| wrong("it is empty; it begins with a kind".to_owned()))?;
        let mut fields = Map::from_iter([("kind".to_owned(), Value::from(kind))]);
        let mut subject = Map::new();
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{word}` is no `name=value`, as in `count=3`")))?;
            match name {
                "kind" | "match" | "hits" => return Err(wrong(format!("unknown field `{name}`"))),
                _ if SUBJECT.contains(&name) => _ = subject.insert(name.to_owned(), value.into()),
                _ if TEXTS.contains(&name) => _ = fields.insert(name.to_owned(), value.into()),
                _ => {
                    let number = || wrong(format!("`{name}` is a number, not `{value}`"));
                    let value = serde_json::from_str(value).ok().filter(Value::is_number);
                    fields.insert(name.to_owned(), value.ok_or_else(number)?);
                }
            }
        }
        fields.insert("match".to_owned(), Value::Object(subject));
        Self::try_from(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_its_json_says() {
        for (line, json) in [
            (
                "webhook_delay delay_ms=500 probability=0.2 number=+15551234567",
                json!({"kind": "webhook_delay", "delay_ms": 500, "probability": 0.2, "match": {"number": "+15551234567"}}),
            ),
            (
                "api_status status=429 code=10011 count=2",
                json!({"kind": "api_status", "status": 429, "code": "10011", "count": 2}),
            ),
            (
                "media_redirect url=http://localhost/?a=b",
                json!({"kind": "media_redirect", "url": "http://localhost/?a=b"}),
            ),
            (
                "webhook_drop event_type=message.sent",
                json!({"kind": "webhook_drop", "match": {"event_type": "message.sent"}}),
            ),
        ] {
            let expected: Fault = serde_json::from_value(json).unwrap();
            assert_eq!(line.parse::<Fault>().unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_says_what_is() {
        for (line, words) in [
            ("", "empty"),
            ("webhook_flood", "unknown variant `webhook_flood`"),
            ("webhook_drop now", "`now` is no `name=value`"),
            ("webhook_delay", "missing field `delay_ms`"),
            ("webhook_delay delay_ms=soon", "`delay_ms` is a number"),
            ("webhook_drop colour=7", "unknown field `colour`"),
            ("webhook_drop probability=2", "between 0 and 1"),
        ] {
            let error = line.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
