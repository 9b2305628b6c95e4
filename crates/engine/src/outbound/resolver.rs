//! Resolves names and hands on only the addresses a policy allows.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Policy;

/// Finds the addresses of a name. Tests put their own in the place of the operating system's.
#[async_trait]
pub(super) trait Lookup: Send + Sync {
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver.
pub(super) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        // Port 0 stands for the URL's own.
        Ok(tokio::net::lookup_host((host, 0)).await?.collect())
    }
}

/// Every address of a name is forbidden.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct BlockedAddress {
    reason: &'static str,
}

/// Finds the refusal among the causes of an error.
pub(super) fn blocked(error: &reqwest::Error) -> Option<&BlockedAddress> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(blocked) = cause.downcast_ref::<BlockedAddress>() {
            return Some(blocked);
        }
        source = cause.source();
    }
    None
}

/// A resolver that a client connects by.
pub(super) struct GuardedResolver {
    policy: Policy,
    lookup: Arc<dyn Lookup>,
}

impl GuardedResolver {
    pub(super) fn new(policy: Policy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, lookup) = (self.policy, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            Ok(Box::new(allowed(policy, found)?.into_iter()) as Addrs)
        })
    }
}

pub(super) fn allowed(policy: Policy, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, BlockedAddress> {
    let refusal = found.iter().find_map(|address| policy.forbids(address.ip()));
    let allowed: Vec<_> =
        found.into_iter().filter(|address| policy.forbids(address.ip()).is_none()).collect();
    match refusal {
        Some(reason) if allowed.is_empty() => Err(BlockedAddress { reason }),
        _ => Ok(allowed),
    }
}
