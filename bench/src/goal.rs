//! One goal of the project and what a run measured against it.

use serde::Serialize;

/// A line of the table of goals.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    /// What is measured, in words.
    pub(crate) name: String,
    /// What it should be.
    pub(crate) target: String,
    /// What it was, in the target's unit.
    pub(crate) measured: String,
    /// Whether it was reached.
    pub(crate) met: bool,
    /// The figures behind it, for the JSON report.
    pub(crate) detail: serde_json::Value,
}
