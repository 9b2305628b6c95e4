//! Changes a body at dotted paths, as in `payload.to.0.phone_number`.

use std::str::FromStr;

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::nearest::nearest;
use crate::output::escape;

/// A path and the value to put there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    path: String,
    value: Value,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((path, value)) = text.split_once('=').filter(|(path, _)| !path.is_empty()) else {
            return Err("write a path, `=` and a value, as in payload.text=Hello".to_owned());
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self { path: path.to_owned(), value })
    }
}

/// Replaces what is at a path.
pub(super) fn replace(body: &mut Value, assignment: &Assignment) -> Result<(), Failure> {
    let Assignment { path, value } = assignment;
    let steps = steps(body, path);
    match walk(body, &steps) {
        Some(place) => *place = value.clone(),
        None => return Err(missing(body, path, "--add adds it")),
    }
    Ok(())
}

/// Adds what is not there yet: a member of an object, or the next item of a list.
pub(super) fn add(body: &mut Value, assignment: &Assignment) -> Result<(), Failure> {
    let Assignment { path, value } = assignment;
    let steps = steps(body, path);
    if walk(body, &steps).is_some() {
        let message = format!("`{}` is in the event already", escape(path));
        return Err(Failure::new(Exit::Usage, message, "--override replaces it"));
    }
    let Some((last, parents)) = steps.split_last() else { return Ok(()) };
    match walk(body, parents) {
        Some(Value::Object(members)) => _ = members.insert((*last).to_owned(), value.clone()),
        Some(Value::Array(items)) if *last == items.len().to_string() => items.push(value.clone()),
        Some(Value::Array(items)) => {
            let message = format!("`{}` is not the next item of its list", escape(path));
            return Err(Failure::new(Exit::Usage, message, format!("the next one is {}", items.len())));
        }
        Some(_) => {
            let message = format!("`{}` cannot be added: what is above it is no object", escape(path));
            return Err(Failure::new(Exit::Usage, message, "`inlet trigger EVENT --print` shows the body"));
        }
        None => return Err(missing(body, &parents.join("."), "add what is above it first")),
    }
    Ok(())
}

/// Removes what is at a path.
pub(super) fn remove(body: &mut Value, path: &str) -> Result<(), Failure> {
    let steps = steps(body, path);
    let removed = steps.split_last().and_then(|(last, parents)| match walk(body, parents)? {
        Value::Object(members) => members.remove(*last),
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index| *index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    });
    removed.map(|_| ()).ok_or_else(|| missing(body, path, "it is not there anyway"))
}

/// A path begins at the body, at `data` or at `data.payload`: the first of them that knows its first word.
fn steps<'a>(body: &Value, path: &'a str) -> Vec<&'a str> {
    let steps: Vec<&str> = path.split('.').collect();
    let begins_at = |pointer| body.pointer(pointer).is_some_and(|value| value.get(steps[0]).is_some());
    let above: &[&str] = match () {
        () if begins_at("") => &[],
        () if begins_at("/data") => &["data"],
        () if begins_at("/data/payload") => &["data", "payload"],
        () => &[],
    };
    [above, &steps].concat()
}

fn walk<'a>(body: &'a mut Value, steps: &[&str]) -> Option<&'a mut Value> {
    steps.iter().try_fold(body, |value, step| match value {
        Value::Object(members) => members.get_mut(*step),
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn missing(body: &Value, path: &str, remedy: &str) -> Failure {
    let mut known = Vec::new();
    collect(body, "", &mut known);
    let shortened = |prefix: &'static str| known.iter().filter_map(move |path| path.strip_prefix(prefix));
    let forms = shortened("").chain(shortened("data.")).chain(shortened("data.payload."));
    let hint = nearest(path, forms).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let message = format!("the event has no `{}`{hint}", escape(path));
    Failure::new(Exit::Usage, message, format!("{remedy}; `inlet trigger EVENT --print` shows the body"))
}

/// Every path of a value.
fn collect(value: &Value, above: &str, paths: &mut Vec<String>) {
    let mut member = |name: &str, value: &Value| {
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        collect(value, &path, paths);
        paths.push(path);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| member(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| member(&index.to_string(), value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({"data": {"id": "e", "payload": {"id": "m", "text": "hi", "to": [{"phone_number": "+1"}]}}})
    }

    fn assign(text: &str) -> Assignment {
        text.parse().unwrap()
    }

    #[test]
    fn values_are_json_where_they_can_be() {
        for (text, expected) in [
            ("a=1", json!(1)),
            ("a=null", Value::Null),
            ("a=", json!("")),
            ("a=\"1\"", json!("1")),
            ("a=+15550100", json!("+15550100")),
            ("a={\"b\":[true]}", json!({"b": [true]})),
            ("a=x=y", json!("x=y")),
        ] {
            assert_eq!(assign(text).value, expected, "{text}");
        }
        assert!("payload.text".parse::<Assignment>().is_err() && "=x".parse::<Assignment>().is_err());
    }

    #[test]
    fn a_path_may_leave_out_what_is_above_the_payload() {
        for path in ["data.payload.to.0.phone_number", "payload.to.0.phone_number", "to.0.phone_number"] {
            let mut body = body();
            replace(&mut body, &assign(&format!("{path}=+2"))).unwrap();
            assert_eq!(body["data"]["payload"]["to"][0]["phone_number"], "+2", "{path}");
        }
        let mut body = body();
        replace(&mut body, &assign("id=other")).unwrap();
        assert_eq!((&body["data"]["id"], &body["data"]["payload"]["id"]), (&json!("other"), &json!("m")));
    }

    #[test]
    fn members_and_items_are_added_and_removed() {
        let mut body = body();
        add(&mut body, &assign("payload.cc=[]")).unwrap();
        add(&mut body, &assign("payload.cc.0=+3")).unwrap();
        add(&mut body, &assign("meta={\"attempt\":2}")).unwrap();
        remove(&mut body, "text").unwrap();
        remove(&mut body, "to.0").unwrap();
        let payload = json!({"id": "m", "to": [], "cc": ["+3"]});
        assert_eq!(body, json!({"data": {"id": "e", "payload": payload}, "meta": {"attempt": 2}}));
    }

    #[test]
    fn what_cannot_be_done_names_the_path_and_the_nearest_one() {
        let told = |result: Result<(), Failure>| result.unwrap_err().to_string();
        let mut body = body();
        assert_eq!(
            told(replace(&mut body, &assign("payload.txt=x"))),
            "the event has no `payload.txt`; did you mean `payload.text`?"
        );
        assert_eq!(told(remove(&mut body, "elephant")), "the event has no `elephant`");
        assert_eq!(told(remove(&mut body, "to.1")), "the event has no `to.1`; did you mean `to.0`?");
        assert_eq!(told(add(&mut body, &assign("payload.text=x"))), "`payload.text` is in the event already");
        assert_eq!(told(add(&mut body, &assign("to.7=x"))), "`to.7` is not the next item of its list");
        assert_eq!(told(add(&mut body, &assign("meta.attempt=1"))), "the event has no `meta`");
        assert_eq!(
            told(add(&mut body, &assign("text.a=1"))),
            "`text.a` cannot be added: what is above it is no object"
        );
    }
}
