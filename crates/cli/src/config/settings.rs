//! Settings as written, each with its place of origin, before they are understood: layers laid over one another.

use std::collections::BTreeMap;
use std::fmt;

use super::schema::{Kind, SECTIONS, Section};

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    Texts(Vec<String>),
}

impl Value {
    /// Whether the value is of this kind.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Text(_), Kind::Text | Kind::Secret)
                | (Self::Number(_), Kind::Number)
                | (Self::Flag(_), Kind::Flag)
                | (Self::Texts(_), Kind::Texts)
        )
    }
}

// As TOML, so that `config show` prints a file that can be used.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", toml::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Texts(texts) => write!(f, "{}", toml::Value::from(texts.clone())),
        }
    }
}

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Origin {
    /// The layer, from the lowest to the highest.
    fn layer(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Variable(name) if name.starts_with("TELNYX_") => 2,
            Self::Variable(_) => 3,
            Self::Flag(_) => 4,
        }
    }
}

/// A setting as written.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Its value.
    pub(crate) value: Value,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// The settings of one section or one entry.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What it may hold.
    pub(crate) section: &'static Section,
    /// Where it begins.
    pub(crate) origin: Origin,
    /// What it holds.
    pub(crate) settings: BTreeMap<&'static str, Setting>,
}

impl Group {
    /// An empty one.
    pub(crate) fn new(section: &'static Section, origin: Origin) -> Self {
        Self { section, origin, settings: BTreeMap::new() }
    }

    /// Lays a setting over what is there. A value and the file that holds it replace each other; both in one layer
    /// are a contradiction, told by the name of the other.
    pub(crate) fn set(&mut self, name: &'static str, setting: Setting) -> Result<(), &'static str> {
        if let Some(twin) = twin(self.section, name) {
            match self.settings.get(twin) {
                Some(other) if other.origin.layer() == setting.origin.layer() => return Err(twin),
                _ => self.settings.remove(twin),
            };
        }
        self.settings.insert(name, setting);
        Ok(())
    }
}

/// The setting that means the same: `token_file` of `token`, and the other way round.
fn twin(section: &'static Section, name: &str) -> Option<&'static str> {
    let other = match name.strip_suffix("_file") {
        Some(stem) => stem.to_owned(),
        None => format!("{name}_file"),
    };
    section.key(&other).map(|key| key.name)
}

/// Everything that was written, the higher layers on top.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The sections that occur once, all of them.
    pub(crate) sections: BTreeMap<&'static str, Group>,
    /// `[[destinations]]`.
    pub(crate) destinations: Vec<Group>,
    /// `[[replies]]`.
    pub(crate) replies: Vec<Group>,
}

impl Settings {
    /// Nothing written.
    pub(crate) fn empty() -> Self {
        let group = |section: &'static Section| (section.name, Group::new(section, Origin::Default));
        Self { sections: SECTIONS.iter().map(group).collect(), destinations: Vec::new(), replies: Vec::new() }
    }

    /// A section.
    pub(crate) fn section(&self, name: &str) -> &Group {
        self.sections.get(name).expect("every section of the schema is present")
    }

    /// A section, to write into.
    pub(crate) fn section_mut(&mut self, name: &str) -> &mut Group {
        self.sections.get_mut(name).expect("every section of the schema is present")
    }

    /// The list of entries of this name.
    pub(crate) fn entries_mut(&mut self, name: &str) -> &mut Vec<Group> {
        if name == "destinations" { &mut self.destinations } else { &mut self.replies }
    }
}
