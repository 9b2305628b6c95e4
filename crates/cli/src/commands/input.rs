//! Reads the bytes that a command was given: a file, or standard input.

use std::io::Read;
use std::path::Path;

use crate::exit::{Exit, Failure};

/// Reads a file, or standard input for `-`. `flag` is where it was named.
pub(super) fn read(path: &Path, flag: &str) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| {
        let message = format!("cannot read the body `{}`: {error}", path.display());
        Failure::new(Exit::File, message, format!("name the file with {flag}, or - for standard input"))
    })
}
