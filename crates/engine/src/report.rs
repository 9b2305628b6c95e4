//! What a handler says about an attempt, and what follows from a failed one.

use std::time::Duration;

use inlet_domain::{Clock, Entropy, Outcome, RetryDecision, RetrySchedule, mask};

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

/// Hides the numbers in a text that goes to a log: Telnyx names sender and recipient in its errors.
pub(crate) fn without_numbers(text: &str) -> String {
    // Shorter runs are codes, ports and statuses.
    const PHONE_DIGITS: usize = 7;
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        let (before, run) = (&rest[..start], &rest[start..start + digits]);
        hidden.push_str(before);
        hidden.push_str(&if digits >= PHONE_DIGITS { mask(run) } else { run.to_owned() });
        rest = &rest[start + digits..];
    }
    hidden + rest
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

    #[test]
    fn numbers_do_not_reach_logs() {
        let text = "40300 Blocked (from +15559876543 to +15551234567, at 127.0.0.1:5002)";
        assert_eq!(without_numbers(text), "40300 Blocked (from +15559…43 to +15551…67, at 127.0.0.1:5002)");
        assert_eq!(without_numbers("é12345678é"), "é12345…78é");
    }
}
