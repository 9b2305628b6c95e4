//! Where an event goes: its primary and failover URL, and which of its tries goes to which.

use url::Url;

use crate::config::RetrySettings;

/// Where an event goes.
#[derive(Clone, Default)]
pub(crate) struct Route {
    pub(crate) primary: Option<Url>,
    pub(crate) failover: Option<Url>,
}

impl Route {
    /// A pair of URLs of which the failover stands in when the primary is missing.
    pub(crate) fn new(primary: Option<Url>, failover: Option<Url>) -> Self {
        match primary {
            None => Self { primary: failover, failover: None },
            primary => Self { primary, failover },
        }
    }

    /// URL and `meta.attempt` of the n-th try, counted from 0; none when the tries are used up.
    pub(crate) fn nth_try(&self, n: u32, retry: &RetrySettings) -> Option<(Url, u32)> {
        let primary = self.primary.clone()?;
        let attempts_primary = retry.attempts_primary.max(1);
        if n < attempts_primary {
            return Some((primary, n + 1));
        }
        let nth_at_failover = n - attempts_primary;
        let failover = self.failover.clone().filter(|_| nth_at_failover < retry.attempts_failover)?;
        Some((failover, if retry.attempt_restarts_at_failover { nth_at_failover + 1 } else { n + 1 }))
    }
}
