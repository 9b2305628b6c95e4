//! Statements and rows: cached statements in, words, times and JSON out, broken rows named.

use std::str::FromStr;

use inlet_domain::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;
use crate::error::StoreError;

/// Runs a statement and returns how many rows it changed.
pub(super) fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// Every row of a query.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut decode: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut decoded = Vec::new();
    while let Some(row) = rows.next()? {
        decoded.push(decode(row)?);
    }
    Ok(decoded)
}

/// The first row of a query, where there is one.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(decode).transpose()
}

/// The single value of a query that always has one row, such as a count.
pub(super) fn value<T: FromSql>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<T, Failure> {
    Ok(connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
}

/// The first column of every row.
pub(super) fn values<T: FromSql>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>, Failure> {
    all(connection, sql, params, |row| Ok(row.get(0)?))
}

/// A row that cannot be understood.
pub(super) fn broken(table: &'static str, id: i64, reason: impl Into<String>) -> Failure {
    Failure::Store(StoreError::BrokenRow { table, id, reason: reason.into() })
}

/// Names the row that a decoder could not read.
pub(super) fn named<T>(table: &'static str, id: i64, result: Result<T, Failure>) -> Result<T, Failure> {
    result.map_err(|failure| match failure {
        Failure::Sql(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
            broken(table, id, error.to_string())
        }
        other => other,
    })
}

/// A moment.
pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

/// A moment, or none.
pub(super) fn optional_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// A word of a closed list.
pub(super) fn word<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| unreadable(row, column, Box::new(error)))
}

/// A JSON value.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(row, column, Box::new(error)))
}

/// Writes a JSON value whose texts are clean.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    let expectation = "our own types have text keys and cannot fail to serialize";
    let text = serde_json::to_string(value).expect(expectation);
    // JSON escapes U+0000, so it is looked for as an escape; the detour is rare.
    if !text.contains("\\u0000") {
        return text;
    }
    let mut value = serde_json::to_value(value).expect(expectation);
    clean_json(&mut value);
    value.to_string()
}

fn clean_json(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(clean_json),
        Value::Object(members) => members.values_mut().for_each(clean_json),
        _ => {}
    }
}

/// Text for a column: U+0000, which ends a C string and which PostgreSQL refuses, becomes U+FFFD.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The same for a text that may be missing.
pub(super) fn clean_optional(text: Option<&str>) -> Option<String> {
    text.map(clean)
}

fn unreadable(
    row: &Row<'_>,
    column: &str,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error)
}
