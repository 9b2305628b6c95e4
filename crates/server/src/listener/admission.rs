//! Counts open connections, and turns new ones away beyond the caps.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::metrics::ListenerMetrics;

pub(super) struct Admission {
    max: usize,
    max_per_ip: Option<usize>,
    metrics: ListenerMetrics,
    // Touched twice in a connection's life; never held across an await.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    // Filled only where there is a cap per address.
    per_ip: HashMap<IpAddr, usize>,
}

/// The right to be open. Dropping it frees the place.
pub(super) struct Permit {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Admission {
    pub(super) fn new(max: usize, max_per_ip: Option<usize>, metrics: ListenerMetrics) -> Arc<Self> {
        Arc::new(Self { max, max_per_ip, metrics, open: Mutex::default() })
    }

    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Permit> {
        let mut open = self.open();
        if open.total >= self.max {
            self.metrics.shed("connections");
            return None;
        }
        if self.max_per_ip.is_some_and(|max| !open.take_place(ip, max)) {
            self.metrics.shed("connections_per_ip");
            return None;
        }
        open.total += 1;
        self.metrics.opened();
        Some(Permit { admission: Arc::clone(self), ip })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn take_place(&mut self, ip: IpAddr, max: usize) -> bool {
        let taken = self.per_ip.entry(ip).or_default();
        let free = *taken < max;
        *taken += usize::from(free);
        free
    }

    fn free_place(&mut self, ip: IpAddr) {
        if let Some(taken) = self.per_ip.get_mut(&ip) {
            *taken -= 1;
            if *taken == 0 {
                self.per_ip.remove(&ip);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.total -= 1;
        open.free_place(self.ip);
        self.admission.metrics.closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn places_are_freed_when_connections_end() {
        let admission = Admission::new(2, None, ListenerMetrics::default());
        let first = admission.admit(ip(1)).unwrap();
        let _second = admission.admit(ip(1)).unwrap();
        assert!(admission.admit(ip(2)).is_none());
        drop(first);
        assert!(admission.admit(ip(2)).is_some());
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let admission = Admission::new(9, Some(1), ListenerMetrics::default());
        let first = admission.admit(ip(1)).unwrap();
        assert!(admission.admit(ip(1)).is_none());
        assert!(admission.admit(ip(2)).is_some());
        drop(first);
        assert!(admission.admit(ip(1)).is_some());
        assert!(admission.open().per_ip.is_empty());
    }
}
