//! Tests of the store: one suite of promises for every back end, then what is particular to each.

// `cfg(test)` tells clippy that these modules are tests too, where `unwrap` is how a test fails.
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod sqlite;
