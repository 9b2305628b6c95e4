//! Why a listener does not start.

use std::io;
use std::net::SocketAddr;

/// A listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No webhook could ever be accepted.
    #[error(
        "no public key is configured, so every webhook would be refused; \
         set `webhooks.public_keys` or `TELNYX_PUBLIC_KEY`"
    )]
    NoKeys,
    /// The path of the webhooks does not begin with a slash.
    #[error("webhook path `{path}` does not begin with `/`")]
    Path {
        /// The path.
        path: String,
    },
    /// The admin listener would be open to the network.
    #[error("admin listener `{address}` can be reached from other machines, so `admin.token` must be set")]
    TokenNeeded {
        /// The address.
        address: SocketAddr,
    },
    /// The admin token is empty.
    #[error("`admin.token` is empty")]
    EmptyToken,
}
