//! What a handler says about an attempt, and what follows from a failed one.

use std::time::Duration;

use inlet_domain::{Clock, Entropy, Outcome, RetryDecision, RetrySchedule};

// Enough to see what went wrong, too little to fill a database.
pub(crate) const MAX_EXCERPT_BYTES: usize = 2_048;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The other side's status, where it has one.
    pub(crate) status: Option<u16>,
    /// What went wrong, for people.
    pub(crate) error: Option<String>,
    /// The beginning of the other side's answer.
    pub(crate) response: Option<String>,
    /// What follows.
    pub(crate) outcome: Outcome,
}

/// What a handler leaves to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    /// Record this.
    Report(Box<Report>),
    /// Nothing: the store has ended the job already, or it belongs to somebody else.
    Recorded,
}

impl From<Report> for Ending {
    fn from(report: Report) -> Self {
        Self::Report(Box::new(report))
    }
}

impl Report {
    /// A success.
    pub(crate) fn success(status: Option<u16>, outcome: Outcome) -> Self {
        Self { status, error: None, response: None, outcome }
    }

    /// A failure without an answer.
    pub(crate) fn failure(error: impl Into<String>, outcome: Outcome) -> Self {
        Self { status: None, error: Some(error.into()), response: None, outcome }
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Archived(_) | Outcome::Sent(_))
    }

    /// The outcome's word in metrics and logs.
    pub(crate) fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Done | Outcome::Archived(_) | Outcome::Sent(_) => "done",
            Outcome::Retry { .. } => "retry",
            Outcome::Dead | Outcome::DeadOptedOut | Outcome::DeadAndPause { .. } => "dead",
            Outcome::Unknown => "unknown",
        }
    }
}

/// What follows a failure that may pass: another try by the schedule, or none.
pub(crate) fn after_failure(
    schedule: &RetrySchedule,
    schedule_attempt: i64,
    retry_after: Option<Duration>,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Outcome {
    match schedule.after_failure(schedule_attempt, clock.now(), retry_after, entropy) {
        RetryDecision::At(due_at) => Outcome::Retry { due_at },
        RetryDecision::GiveUp => Outcome::Dead,
    }
}

/// Makes an answer fit to be kept and shown: valid text, no control characters but line breaks and tabs.
pub(crate) fn excerpt(bytes: &[u8]) -> Option<String> {
    let cut = &bytes[..bytes.len().min(MAX_EXCERPT_BYTES)];
    let text = String::from_utf8_lossy(cut);
    let keep = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    let mut text: String = text.trim().chars().map(keep).collect();
    text.truncate(text.floor_char_boundary(MAX_EXCERPT_BYTES));
    (!text.is_empty()).then_some(text)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat their cause's words in their own.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_harmless() {
        assert_eq!(excerpt(b" \n"), None);
        assert_eq!(excerpt(b"a\x1b[31m\0\tb\n"), Some("a\u{fffd}[31m\u{fffd}\tb".into()));
        assert_eq!(excerpt(&[b'x'; 5_000]).unwrap().len(), MAX_EXCERPT_BYTES);
        assert!(excerpt(&[0x01; 5_000]).unwrap().len() <= MAX_EXCERPT_BYTES);
        assert_eq!(excerpt(b"\xff"), Some("\u{fffd}".into()));
    }
}
