//! What commands print: a table for people, one JSON object a line for programs, and nothing a stranger could inject.

mod escape;
mod fields;
mod rows;
mod table;

use std::io::{self, IsTerminal, Write};

use serde_json::value::RawValue;

pub(crate) use escape::escape;
pub(crate) use fields::Fields;
pub(crate) use rows::{DeadLetter, Row, said, time};
pub(crate) use table::{Table, align};

/// Prints a line on standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints bytes on standard output: a pipe and a file get them exactly, a terminal gets them made harmless.
pub(crate) fn exact(bytes: &[u8]) -> io::Result<()> {
    if is_terminal() {
        return String::from_utf8_lossy(bytes).lines().try_for_each(|text| line(&escape(text)));
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Tells people something on standard output; nobody listening is no reason to stop.
pub(crate) fn announce(text: &str) {
    let _ = line(text);
}

/// Prints a remark on standard error. Whether it arrives changes nothing.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints an object as one line of JSON.
pub(crate) fn json_line(object: &RawValue) -> io::Result<()> {
    let text = object.get();
    // Line ends within JSON stand only between tokens, so a blank does as well.
    if text.contains(['\n', '\r']) { line(&text.replace(['\n', '\r'], " ")) } else { line(text) }
}

/// Whether a person sees standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Shows the progress of long work to a person; silent otherwise.
pub(crate) struct Progress {
    for_terminal: bool,
    shown: bool,
}

impl Progress {
    /// Begins.
    pub(crate) fn new() -> Self {
        Self { for_terminal: io::stderr().is_terminal(), shown: false }
    }

    /// Replaces what was shown.
    pub(crate) fn show(&mut self, text: &str) {
        if self.for_terminal {
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.show("");
        }
    }
}
