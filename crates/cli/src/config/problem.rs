//! What is wrong with a configuration: every problem, each with its place.

use super::settings::Origin;
use crate::exit::{Exit, Failure};

/// Problems in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Adds one, of something written there.
    pub(crate) fn add(&mut self, origin: &Origin, what: impl std::fmt::Display) {
        self.0.push(format!("{origin}: {what}"));
    }

    /// Adds one that has no place: something is missing.
    pub(crate) fn add_missing(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    /// The failure that tells all of them; `None` when there are none.
    pub(crate) fn into_failure(self) -> Option<Failure> {
        let remedy = "`inlet config default` prints every setting and what it means";
        let failure = || Failure::new(Exit::Configuration, self.0.join("\n"), remedy);
        if self.0.is_empty() { None } else { Some(failure()) }
    }
}
