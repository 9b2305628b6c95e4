//! Takes single settings out of a group, understands them, and notes what is wrong instead of stopping at it.

use std::time::Duration;

use secrecy::SecretString;

use super::parse;
use super::problem::Problems;
use super::settings::{Group, Setting, Value};

/// Reads one section or entry.
pub(crate) struct Reader<'a> {
    group: &'a Group,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// A reader of this group.
    pub(crate) fn new(group: &'a Group, problems: &'a mut Problems) -> Self {
        Self { group, problems }
    }

    /// Notes a problem of a setting, where it was written.
    pub(crate) fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        let section = self.group.section.name;
        let setting = self.group.settings.get(key);
        let origin = setting.map_or(&self.group.origin, |setting| &setting.origin);
        self.problems.add(origin, format_args!("`{section}.{key}`: {what}"));
    }

    fn setting(&self, key: &str) -> Option<&'a Setting> {
        debug_assert!(self.group.section.key(key).is_some(), "{key} is in the schema");
        self.group.settings.get(key)
    }

    /// A text, understood; `None` when it is absent or wrong.
    pub(crate) fn text<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let Value::Text(text) = &self.setting(key)?.value else { return None };
        self.understood(key, parse(text))
    }

    /// A text that may be absent: the outer `None` means that it is wrong.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.setting(key) {
            Some(_) => self.text(key, parse).map(Some),
            None => Some(None),
        }
    }

    /// A text that must have been written; a missing one is a problem.
    pub(crate) fn required<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.setting(key).is_none() {
            self.problem(key, "is missing");
        }
        self.text(key, parse)
    }

    /// A list of texts, each understood; empty when absent, `None` when one of them is wrong.
    pub(crate) fn texts<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(Setting { value: Value::Texts(texts), .. }) = self.setting(key) else {
            return Some(Vec::new());
        };
        let understood: Vec<_> = texts.iter().map(|text| self.understood(key, parse(text))).collect();
        understood.into_iter().collect()
    }

    /// The waits before tries: at least one of them; `Some(None)` when absent, `None` when wrong.
    pub(crate) fn waits(&mut self, key: &str) -> Option<Option<Vec<Duration>>> {
        if self.setting(key).is_none() {
            return Some(None);
        }
        let waits = self.texts(key, parse::duration)?;
        if waits.is_empty() {
            self.problem(key, "an empty list would mean no try at all; [\"0s\"] is a single one");
            return None;
        }
        Some(Some(waits))
    }

    /// A number within bounds, or the default.
    pub(crate) fn number<N: TryFrom<i64>>(
        &mut self,
        key: &str,
        bounds: std::ops::RangeInclusive<i64>,
        default: N,
    ) -> Option<N> {
        let Some(Setting { value: Value::Number(number), .. }) = self.setting(key) else {
            return Some(default);
        };
        let within = bounds.contains(number).then(|| N::try_from(*number).ok()).flatten();
        let (least, most) = (bounds.start(), bounds.end());
        self.understood(key, within.ok_or_else(|| format!("{number} is not between {least} and {most}")))
    }

    /// True or false; false when absent.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        matches!(self.setting(key), Some(Setting { value: Value::Flag(true), .. }))
    }

    /// A secret, given as it is or by the file that holds it.
    pub(crate) fn secret(
        &mut self,
        key: &str,
        file_key: &str,
        parse: impl FnOnce(&str) -> Result<SecretString, String>,
    ) -> Option<Option<SecretString>> {
        if self.setting(file_key).is_some() {
            let content = self.text(file_key, read_secret)?;
            let parsed = parse(&content).map_err(|problem| format!("content of the file {problem}"));
            return self.understood(file_key, parsed).map(Some);
        }
        self.optional(key, parse)
    }

    fn understood<T>(&mut self, key: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.problem(key, problem)).ok()
    }
}

/// The content of a file without the line end that editors add.
pub(crate) fn read_secret(path: &str) -> Result<String, String> {
    let content = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    let content = content.trim();
    if content.is_empty() { Err(format!("file `{path}` is empty")) } else { Ok(content.to_owned()) }
}
