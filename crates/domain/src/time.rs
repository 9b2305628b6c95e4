//! Moments in time, and the two things that rules must be given: a clock and randomness.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch. Written as RFC 3339 in UTC with six fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment this many seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch: the form in which times are stored.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and a duration; saturates.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This moment less a duration; saturates.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Timestamp {
    /// Reads a moment as Telnyx writes it: RFC 3339 in several precisions, and without a zone, which then is UTC.
    pub(crate) fn read_leniently(text: &str) -> Option<Self> {
        let text = text.trim();
        text.parse().ok().or_else(|| {
            let moment = jiff::tz::TimeZone::UTC.to_timestamp(text.parse().ok()?).ok()?;
            Some(Self(moment.as_microsecond()))
        })
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|moment| Self(moment.as_microsecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        moment.to_string()
    }
}

/// Tells the time. The executable passes the wall clock, tests one that they move.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes. The executable passes the operating system's, tests a seeded one.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes nobody can guess.
    fn fill(&self, buffer: &mut [u8]);

    /// 128 random bits as 32 hexadecimal digits: an id.
    fn id(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    /// A random fraction from 0 (included) to 1 (excluded).
    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_in_utc_and_read_back() {
        let moment = Timestamp::from_micros(1_705_349_767_588_000);
        assert_eq!(moment.to_string(), "2024-01-15T20:16:07.588000Z");
        assert_eq!("2024-01-15T21:16:07.588+01:00".parse::<Timestamp>().unwrap(), moment);
    }

    #[test]
    fn every_form_that_telnyx_has_used_is_read() {
        for text in [
            "2024-01-15T20:16:07.500+00:00",
            "2024-01-15T20:16:07.5Z",
            "2024-01-15T20:16:07.50+00:00",
            "2024-01-15T20:16:07.500000",
            " 2024-01-15 20:16:07.5Z ",
        ] {
            let read = Timestamp::read_leniently(text);
            assert_eq!(read, Some(Timestamp::from_micros(1_705_349_767_500_000)), "{text}");
        }
        for text in ["", "date-time", "1705349767", "2024-01-15T25:00:00Z"] {
            assert_eq!(Timestamp::read_leniently(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_micros(i64::MAX).after(Duration::MAX).as_micros(), i64::MAX);
        assert_eq!(Timestamp::from_micros(0).since(Timestamp::from_micros(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(-1).as_seconds(), -1);
    }
}
