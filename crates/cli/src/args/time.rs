//! Moments as people write them on a command line: a time, a day, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use inlet_domain::Timestamp;

use crate::config::duration;

/// A moment, absolute or before the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// That time.
    At(Timestamp),
    /// That long ago.
    Ago(Duration),
}

impl Moment {
    /// The moment, seen from now.
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(duration) => now.before(duration),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let midnight = || format!("{text}T00:00:00Z").parse();
        if let Ok(moment) = text.parse::<Timestamp>().or_else(|_| midnight()) {
            return Ok(Self::At(moment));
        }
        let ago = duration(text).map(Self::Ago);
        ago.map_err(|_| format!("`{text}` is not a time, as in 2026-01-31T08:00:00Z, 2026-01-31 or 2h (ago)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_durations_are_moments() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        let resolve = |text: &str| text.parse::<Moment>().unwrap().resolve(now).to_string();
        assert_eq!(resolve("2026-01-30T08:00:00+01:00"), "2026-01-30T07:00:00.000000Z");
        assert_eq!(resolve("2026-01-30"), "2026-01-30T00:00:00.000000Z");
        assert_eq!(resolve("2h"), "2026-01-31T06:00:00.000000Z");
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
