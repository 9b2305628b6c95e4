//! Reads the layers of a configuration: TOML text, environment variables, flags.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::schema::{self, Key, Kind, Section};
use super::settings::{Group, Origin, Setting, Settings, Value};
use crate::environment::Environment;

/// Variables of Telnyx's own tools, and the settings they stand for.
const TELNYX_VARIABLES: &[(&str, &str, &str)] = &[
    ("TELNYX_API_KEY", "telnyx", "api_key"),
    ("TELNYX_API_KEY_FILE", "telnyx", "api_key_file"),
    ("TELNYX_PUBLIC_KEY", "webhooks", "public_keys"),
    ("TELNYX_PUBLIC_KEY_FILE", "webhooks", "public_keys_file"),
    ("TELNYX_BASE_URL", "telnyx", "base_url"),
];

/// Variables that are no settings: of commands, and of the log.
const OTHER_VARIABLES: &[&str] = &[
    "INLET_CONFIG",
    "INLET_LOG",
    "INLET_LOG_FORMAT",
    "INLET_SANDBOX_API_KEY",
    "INLET_SANDBOX_URL",
    "INLET_TOKEN",
    "INLET_TOKEN_FILE",
    "INLET_URL",
];

/// A setting given by a flag.
#[derive(Debug, Clone)]
pub(crate) struct FlagSetting {
    /// The flag, as people write it.
    pub(crate) flag: &'static str,
    /// The section it sets.
    pub(crate) section: &'static str,
    /// The key it sets.
    pub(crate) key: &'static str,
    /// The value.
    pub(crate) value: Value,
}

/// Lays a TOML text over the settings. `path` is its name in problems; `None` for the built-in defaults.
pub(crate) fn lay_text(settings: &mut Settings, path: Option<&str>, text: &str, problems: &mut Problems) {
    let source = Source { path, text };
    match DeTable::parse(text) {
        Ok(table) => lay_table(settings, &source, table.into_inner(), problems),
        Err(error) => {
            let origin = source.origin(error.span().map_or(0, |span| span.start));
            problems.add(&origin, format_args!("not TOML: {}", error.message().replace('\n', " ")));
        }
    }
}

struct Source<'a> {
    path: Option<&'a str>,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let line = 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        match self.path {
            Some(path) => Origin::File { path: path.to_owned(), line },
            None => Origin::Default,
        }
    }
}

fn lay_table(settings: &mut Settings, source: &Source<'_>, table: DeTable<'_>, problems: &mut Problems) {
    for (name, value) in table {
        let origin = source.origin(name.span().start);
        let name = name.into_inner();
        if let Some(section) = schema::section(&name) {
            lay_section(settings.section_mut(section.name), source, value, problems);
        } else if let Some(entry) = schema::entry(&name) {
            lay_entries(settings.entries_mut(entry.name), entry, source, value, problems);
        } else {
            problems.add(&origin, unknown(format!("`{name}`"), "section", schema::nearest_section(&name)));
        }
    }
}

fn unknown(name: String, what: &str, nearest: Option<impl std::fmt::Display>) -> String {
    match nearest {
        Some(nearest) => format!("{name} is not a {what}; did you mean `{nearest}`?"),
        None => format!("{name} is not a {what}"),
    }
}

fn lay_section(group: &mut Group, source: &Source<'_>, value: Spanned<DeValue<'_>>, problems: &mut Problems) {
    let origin = source.origin(value.span().start);
    match value.into_inner() {
        DeValue::Table(table) => lay_keys(group, source, table, problems),
        _ => {
            let name = group.section.name;
            problems.add(&origin, format_args!("`{name}` is a section: write [{name}] above its settings"));
        }
    }
}

/// A list of entries replaces that of the layers below.
fn lay_entries(
    entries: &mut Vec<Group>,
    section: &'static Section,
    source: &Source<'_>,
    value: Spanned<DeValue<'_>>,
    problems: &mut Problems,
) {
    let origin = source.origin(value.span().start);
    let DeValue::Array(items) = value.into_inner() else {
        problems.add(&origin, format_args!("write [[{}]] above each of them", section.name));
        return;
    };
    entries.clear();
    for item in items {
        let mut group = Group::new(section, source.origin(item.span().start));
        lay_section(&mut group, source, item, problems);
        entries.push(group);
    }
}

fn lay_keys(group: &mut Group, source: &Source<'_>, table: DeTable<'_>, problems: &mut Problems) {
    for (name, value) in table {
        let origin = source.origin(name.span().start);
        let name = name.into_inner();
        let Some(key) = group.section.key(&name) else {
            let full = format!("`{}.{name}`", group.section.name);
            problems.add(&origin, unknown(full, "setting", schema::nearest_key(group.section, &name)));
            continue;
        };
        match value_of(value.into_inner()).filter(|value| value.is(key.kind)) {
            Some(value) => lay_setting(group, key, Setting { value, origin }, problems),
            None => problems.add(&origin, wrong_kind(group.section, key)),
        }
    }
}

fn wrong_kind(section: &Section, key: &Key) -> String {
    format!("`{}.{}` takes {}", section.name, key.name, key.kind.phrase())
}

fn lay_setting(group: &mut Group, key: &Key, setting: Setting, problems: &mut Problems) {
    let origin = setting.origin.clone();
    if let Err(twin) = group.set(key.name, setting) {
        let section = group.section.name;
        let what = format!("`{section}.{}` and `{section}.{twin}` are both given; keep one", key.name);
        problems.add(&origin, what);
    }
}

fn value_of(value: DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::Text(text.into_owned())),
        DeValue::Boolean(flag) => Some(Value::Flag(flag)),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Number)
        }
        DeValue::Array(items) => {
            let text = |item: Spanned<DeValue<'_>>| match item.into_inner() {
                DeValue::String(text) => Some(text.into_owned()),
                _ => None,
            };
            items.into_iter().map(text).collect::<Option<_>>().map(Value::Texts)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// Lays the variables over the settings: Telnyx's own, then `INLET_<SECTION>__<KEY>`.
pub(crate) fn lay_environment(settings: &mut Settings, environment: &Environment, problems: &mut Problems) {
    lay_telnyx_variables(settings, environment, problems);
    for (name, text) in environment.with_prefix("INLET_") {
        let path = name["INLET_".len()..].to_ascii_lowercase();
        if let Some((section, key)) = path.split_once("__") {
            lay_variable(settings, name, (section, key), text, problems);
        } else if let Some(entry) = schema::entry(&path) {
            lay_entries_variable(settings, entry, name, text, problems);
        } else if !OTHER_VARIABLES.contains(&name) && !is_of_kubernetes(&path) {
            let meant = schema::nearest_path(&path).map(|(section, key)| variable_of(section, key));
            problems.add(&Origin::Variable(name.to_owned()), unknown(format!("`{name}`"), "variable", meant));
        }
    }
}

fn variable_of(section: &str, key: &str) -> String {
    format!("INLET_{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase())
}

/// Kubernetes gives every pod `INLET_SERVICE_HOST`, `INLET_PORT_5000_TCP` and the like for a service named `inlet`.
fn is_of_kubernetes(path: &str) -> bool {
    let path = format!("_{path}");
    path.contains("_service_") || path.ends_with("_port") || path.contains("_port_")
}

fn lay_telnyx_variables(settings: &mut Settings, environment: &Environment, problems: &mut Problems) {
    for (variable, section, key) in TELNYX_VARIABLES {
        if let Some(text) = environment.get(variable) {
            lay_known_variable(settings.section_mut(section), variable, key, text, problems);
        }
    }
}

fn lay_variable(
    settings: &mut Settings,
    variable: &str,
    (section, key): (&str, &str),
    text: &str,
    problems: &mut Problems,
) {
    let origin = Origin::Variable(variable.to_owned());
    let Some(known) = schema::section(section) else {
        problems.add(&origin, unknown(format!("`{section}`"), "section", schema::nearest_section(section)));
        return;
    };
    if known.key(key).is_none() {
        let full = format!("`{section}.{key}`");
        problems.add(&origin, unknown(full, "setting", schema::nearest_key(known, key)));
        return;
    }
    lay_known_variable(settings.section_mut(known.name), variable, key, text, problems);
}

fn lay_known_variable(group: &mut Group, variable: &str, key: &str, text: &str, problems: &mut Problems) {
    let origin = Origin::Variable(variable.to_owned());
    let Some(key) = group.section.key(key) else { return };
    match variable_value(key.kind, text) {
        Some(value) => lay_setting(group, key, Setting { value, origin }, problems),
        None => problems.add(&origin, wrong_kind(group.section, key)),
    }
}

fn variable_value(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text | Kind::Secret => Some(Value::Text(text.to_owned())),
        Kind::Number => text.trim().parse().ok().map(Value::Number),
        Kind::Flag => text.trim().parse().ok().map(Value::Flag),
        Kind::Texts if text.trim_start().starts_with('[') => {
            DeValue::parse(text.trim()).ok().and_then(|value| value_of(value.into_inner()))
        }
        Kind::Texts => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Texts(items.map(str::to_owned).collect()))
        }
    }
}

/// `INLET_DESTINATIONS='[{ name = "crm", url = "https://…" }]'`.
fn lay_entries_variable(
    settings: &mut Settings,
    entry: &'static Section,
    variable: &str,
    text: &str,
    problems: &mut Problems,
) {
    let source = Source { path: Some(variable), text };
    match DeValue::parse(text) {
        Ok(value) => lay_entries(settings.entries_mut(entry.name), entry, &source, value, problems),
        Err(error) => {
            let origin = Origin::Variable(variable.to_owned());
            problems.add(&origin, format_args!("not a TOML list of tables: {}", error.message()));
        }
    }
}

/// Lays flags over everything.
pub(crate) fn lay_flags(settings: &mut Settings, flags: Vec<FlagSetting>, problems: &mut Problems) {
    for FlagSetting { flag, section, key, value } in flags {
        let group = settings.section_mut(section);
        let known = group.section.key(key).expect("flags name settings of the schema");
        lay_setting(group, known, Setting { value, origin: Origin::Flag(flag) }, problems);
    }
}
