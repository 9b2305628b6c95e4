//! When a failed attempt is tried again: a schedule of waits, jitter, and the other side's `Retry-After`.
//!
//! The schedule a destination has unless it is configured otherwise, about three days in all:
//!
//! ```text
//! attempt   1    2    3    4     5    6    7     8     9     10
//! wait      0s   5s   5m   30m   2h   5h   10h   10h   24h   24h
//! after     0s   5s   5m   35m   2h½  7h½  17h½  27h½  51h½  75h½
//! ```

use std::time::Duration;

use crate::time::{Entropy, Timestamp};

/// The longest `Retry-After` that is honoured: an endpoint cannot silence itself for a year by a slip of a digit.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// Each wait becomes up to a tenth shorter or longer, so that jobs that failed together do not come back together.
const JITTER: f64 = 0.1;
// A longer wait is a slip of the pen, and would not survive arithmetic on dates.
const MAX_WAIT: Duration = Duration::from_hours(365 * 24);

/// Waits before the first, second, … attempt. When they are used up the job is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<Duration>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again then.
    At(Timestamp),
    /// The schedule is used up.
    GiveUp,
}

impl RetrySchedule {
    /// Takes the waits, the first one before the first attempt. Empty means a single attempt at once.
    pub fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// Reads texts as `0s`, `5m`, `10h`, `2d`, `500ms`.
    pub fn parse(waits: &[String]) -> Result<Self, String> {
        waits.iter().map(|wait| read_wait(wait)).collect::<Result<_, _>>().map(Self::new)
    }

    /// Attempts there are in all, at least 1.
    pub fn attempts(&self) -> usize {
        self.waits.len().max(1)
    }

    /// The waits.
    pub fn waits(&self) -> &[Duration] {
        &self.waits
    }

    /// Decides what follows attempt number `attempt` (from 1) that failed at `now`.
    pub fn after_failure(
        &self,
        attempt: i64,
        now: Timestamp,
        retry_after: Option<Duration>,
        entropy: &dyn Entropy,
    ) -> RetryDecision {
        let made = usize::try_from(attempt.max(1)).unwrap_or(usize::MAX);
        let Some(wait) = self.waits.get(made) else { return RetryDecision::GiveUp };
        let floor = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        let factor = 1.0 - JITTER + 2.0 * JITTER * entropy.fraction();
        let wait = (*wait).min(MAX_WAIT).max(floor).mul_f64(factor).max(floor);
        RetryDecision::At(now.after(wait))
    }
}

fn read_wait(text: &str) -> Result<Duration, String> {
    let refuse =
        || format!("`{text}` is not a wait: a whole number and `ms`, `s`, `m`, `h` or `d`, as in `30s`");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
    let (number, unit) = text.split_at(unit_at);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(refuse()),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let wait = Duration::from_millis(number.saturating_mul(milliseconds));
    if wait > MAX_WAIT { Err(format!("`{text}` is longer than 365 days")) } else { Ok(wait) }
}

/// Reads a `Retry-After` header (seconds or an HTTP date), clamped to one hour.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to read is longer than an hour.
        return Some(value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let moment = Timestamp::from_micros(date.as_microsecond());
    Some(moment.since(now).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(784_111_777);

    struct Fixed(u32);

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            let bytes = self.0.to_be_bytes();
            buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
    }

    fn schedule(waits: &[&str]) -> RetrySchedule {
        RetrySchedule::parse(&waits.iter().map(|wait| (*wait).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn wait(decision: RetryDecision) -> Option<Duration> {
        match decision {
            RetryDecision::At(moment) => Some(moment.since(NOW)),
            RetryDecision::GiveUp => None,
        }
    }

    #[test]
    fn each_unit_is_read() {
        let waits = schedule(&["500ms", "0s", "5m", "10h", "2d"]);
        let seconds: Vec<f64> = waits.waits().iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds, [0.5, 0.0, 300.0, 36_000.0, 172_800.0]);
    }

    #[test]
    fn what_is_not_a_wait_is_named() {
        for bad in ["", "5", "s", "5 s", "-5s", "5S", "1.5h", "5w", "٥s", "99999999999999999999s"] {
            let error = RetrySchedule::parse(&[bad.to_owned()]).unwrap_err();
            assert!(error.contains(&format!("`{bad}` is not a wait")), "{error}");
        }
        assert!(RetrySchedule::parse(&["366d".to_owned()]).unwrap_err().contains("365 days"));
        assert!(RetrySchedule::parse(&[format!("{}d", u64::MAX)]).is_err());
    }

    #[test]
    fn default_schedule_takes_three_days_and_then_gives_up() {
        let waits = schedule(&["0s", "5s", "5m", "30m", "2h", "5h", "10h", "10h", "24h", "24h"]);
        assert_eq!(waits.attempts(), 10);
        let middle = Fixed(1 << 31);
        let all: Duration =
            (1..10).map(|attempt| wait(waits.after_failure(attempt, NOW, None, &middle)).unwrap()).sum();
        assert_eq!(all, Duration::from_secs(5 + 300 + 1_800 + (2 + 5 + 10 + 10 + 24 + 24) * 3_600));
        assert_eq!(waits.after_failure(10, NOW, None, &middle), RetryDecision::GiveUp);
        assert_eq!(waits.after_failure(i64::MAX, NOW, None, &middle), RetryDecision::GiveUp);
    }

    #[test]
    fn empty_schedule_is_a_single_attempt() {
        let none = RetrySchedule::new(Vec::new());
        assert_eq!(none.attempts(), 1);
        assert_eq!(none.after_failure(1, NOW, None, &Fixed(0)), RetryDecision::GiveUp);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("3601", Some(3_600)),
            ("99999999999999999999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("Mon, 07 Nov 2044 08:49:37 GMT", Some(3_600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("٣", None),
        ];
        for (value, seconds) in cases {
            assert_eq!(retry_after(value, NOW), seconds.map(Duration::from_secs), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_retry_is_more_than_a_tenth_off_its_schedule(
            waits in proptest::collection::vec(0u64..1_000_000_000, 0..12),
            attempt in 1i64..14,
            random: u32,
        ) {
            let waits = RetrySchedule::new(waits.into_iter().map(Duration::from_millis).collect());
            let decided = wait(waits.after_failure(attempt, NOW, None, &Fixed(random)));
            let planned = waits.waits().get(usize::try_from(attempt).unwrap()).copied();
            prop_assert_eq!(decided.is_some(), planned.is_some());
            if let (Some(decided), Some(planned)) = (decided, planned) {
                let off = decided.as_secs_f64() - planned.as_secs_f64();
                prop_assert!(off.abs() <= planned.as_secs_f64() * 0.1 + 1e-5, "{decided:?} {planned:?}");
            }
        }

        #[test]
        fn no_retry_is_earlier_than_its_schedule_and_retry_after_ask(
            planned in 0u64..200_000, asked in 0u64..100_000, random: u32,
        ) {
            let waits = RetrySchedule::new(vec![Duration::ZERO, Duration::from_secs(planned)]);
            let asked = Duration::from_secs(asked);
            let decided = wait(waits.after_failure(1, NOW, Some(asked), &Fixed(random))).unwrap();
            let asked = asked.min(MAX_RETRY_AFTER);
            prop_assert!(decided >= asked);
            prop_assert!(decided.as_secs_f64() >= planned as f64 * 0.9 - 1e-5);
            prop_assert!(decided.as_secs_f64() <= asked.as_secs_f64().max(planned as f64) * 1.1 + 1e-5);
        }

        #[test]
        fn any_retry_after_is_at_most_an_hour(value in "\\PC{0,40}") {
            prop_assert!(retry_after(&value, NOW).is_none_or(|wait| wait <= MAX_RETRY_AFTER));
        }
    }
}
