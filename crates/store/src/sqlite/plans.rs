//! Asks SQLite how it would carry out a statement, so that tests can insist on an index.

use rusqlite::Connection;

use super::migrate::{EVENT_LOG, MAIN};

/// An empty database with the newest schema.
pub(super) fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch("attach database ':memory:' as event_log").unwrap();
    for migration in EVENT_LOG.migrations {
        let migration = migration.replace("create table ", "create table event_log.");
        database.execute_batch(&migration.replace("insert into ", "insert into event_log.")).unwrap();
    }
    for migration in MAIN.migrations {
        database.execute_batch(migration).unwrap();
    }
    database
}

/// Insists that a query searches this index, scans no table and, but for an `or`, sorts nothing.
pub(super) fn assert_searches(database: &Connection, sql: &str, index: &str) {
    let plan = plan(database, sql);
    assert!(plan.contains(&format!("INDEX {index} ")), "{index}: {sql}\n{plan}");
    assert!(!plan.lines().any(|line| line.starts_with("SCAN")), "{sql}\n{plan}");
    assert!(plan.contains("MULTI-INDEX OR") || !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
}

/// What SQLite would do, a line for each step.
pub(super) fn plan(database: &Connection, sql: &str) -> String {
    let mut statement = database.prepare(&format!("explain query plan {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>("detail"));
    lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}
