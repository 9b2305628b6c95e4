//! How bulk updates of numbers went, the latest ones.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Updates that are remembered; beyond it the oldest go.
const CAPACITY: usize = 1000;

/// One update of many numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BulkUpdate {
    pub(crate) order_id: String,
    pub(crate) success: Vec<String>,
    pub(crate) failed: Vec<String>,
}

/// The latest updates, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct BulkUpdates(VecDeque<BulkUpdate>);

impl BulkUpdates {
    pub(crate) fn push(&mut self, update: BulkUpdate) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(update);
    }

    pub(crate) fn find(&self, order_id: &str) -> Option<&BulkUpdate> {
        self.0.iter().find(|update| update.order_id == order_id)
    }
}
