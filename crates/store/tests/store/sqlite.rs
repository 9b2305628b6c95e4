//! The SQLite store: every promise of the suite, then faults.

use std::path::Path;
use std::sync::Arc;

use inlet_store::{SqliteConfig, SqliteStore, StoreError};

use crate::conformance::conformance;
use crate::conformance::world::World;

mod faults;
mod opening;
mod random;

/// How the tests open a database; any fatal error fails them.
pub fn config(path: &Path) -> SqliteConfig {
    SqliteConfig {
        path: path.to_owned(),
        migrate: true,
        queue: 20_000,
        readers: 2,
        background_thread: || {},
        on_fatal: Arc::new(|reason| panic!("fatal: {reason}")),
    }
}

pub async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(config(path)).await
}

async fn empty() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("inlet.db")).await.unwrap();
    World::new(Arc::new(store), folder)
}

conformance!(empty);
