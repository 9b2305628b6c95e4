//! The part of JSON Schema that the description of the control API uses, strict about what it does not know.

use serde_json::Value;

/// What is wrong with a value, by place; empty when it is as described.
pub fn differences(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "description" | "format" | "required" | "additionalProperties" => true,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                check(document, document.pointer(pointer).expect(pointer), value, place, found);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_of_type(one, value)),
                one => is_of_type(one, value),
            },
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "oneOf" => {
                let fitting = wanted.as_array().unwrap().iter();
                fitting.filter(|one| differences(document, one, value).is_empty()).count() == 1
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, wanted, item, &format!("{place}/{index}"), found);
                }
                true
            }
            "properties" => {
                check_properties(document, schema, value, place, found);
                true
            }
            unknown => panic!("the keyword `{unknown}` is not checked"),
        };
        if !fits {
            found.push(format!("{place}: {value} is not {keyword} {wanted}"));
        }
    }
}

fn check_properties(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(fields) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            found.push(format!("{place}: {required} is missing"));
        }
    }
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(known) => check(document, known, field, &format!("{place}/{name}"), found),
            None if schema["additionalProperties"] == true => {}
            None => found.push(format!("{place}: `{name}` is not described")),
        }
    }
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("the type `{unknown}` is not known"),
    }
}
