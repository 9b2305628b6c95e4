//! Files that may be open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// For all that is not a connection of a webhook: databases, destinations, the API.
const OTHERS: u64 = 500;

/// Lets this process have as many files open as the system allows: the usual limit of 1,024 is for programs that call
/// `select` (setrlimit(2), systemd.exec(5)). Warns where that is too few for so many connections.
pub(super) fn allow(connections: usize) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where this is refused, the limit is what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        warn!(
            allowed,
            needed,
            "only {allowed} files may be open, too few for webhooks.max_connections = {connections}; \
             raise the limit to {needed} (LimitNOFILE= of systemd, `ulimit -n`)"
        );
    }
}
