//! Prints the effective settings with their places of origin, secrets hidden.

use std::fmt::Write;

use super::parse;
use super::schema::Kind;
use super::settings::{Group, Setting, Settings, Value};

/// The settings as TOML; the origin of each stands behind it as a comment.
pub(super) fn toml(settings: &Settings) -> String {
    let mut text = String::new();
    for (name, group) in &settings.sections {
        write_group(&mut text, &format!("[{name}]"), group);
    }
    for (name, groups) in [("destinations", &settings.destinations), ("replies", &settings.replies)] {
        for group in groups {
            write_group(&mut text, &format!("[[{name}]]"), group);
        }
    }
    text
}

fn write_group(text: &mut String, heading: &str, group: &Group) {
    let gap = if text.is_empty() { "" } else { "\n" };
    writeln!(text, "{gap}{heading}").expect("writing to a string cannot fail");
    for (name, setting) in &group.settings {
        let line = format!("{name} = {}", shown(group, name, setting));
        writeln!(text, "{line:<60} # {}", setting.origin).expect("writing to a string cannot fail");
    }
}

fn shown(group: &Group, name: &str, setting: &Setting) -> String {
    let secret = group.section.key(name).is_some_and(|key| key.kind == Kind::Secret);
    match &setting.value {
        _ if secret => "\"(hidden)\"".to_owned(),
        Value::Text(text) if name.ends_with("url") => {
            Value::Text(parse::shown(text).into_owned()).to_string()
        }
        value => value.to_string(),
    }
}
