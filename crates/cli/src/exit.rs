//! The exit codes, what each means, and how a command that failed explains itself.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// How the process ends. The numbers are part of the contract and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something that should not happen.
    Bug = 1,
    /// Wrong arguments.
    Usage = 2,
    /// `events verify`: the request does not verify.
    NotVerified = 3,
    /// `text --wait`: no reply in time.
    NoReply = 4,
    /// There is no such thing.
    NotFound = 5,
    /// Nobody answers at the address.
    Unreachable = 6,
    /// The gateway or the sandbox answered no.
    Refused = 7,
    /// The configuration is wrong.
    Configuration = 8,
    /// The store cannot be opened, or is damaged.
    Store = 9,
    /// Another process listens there.
    Address = 10,
    /// The token is missing or wrong.
    Token = 11,
    /// The disk did not keep what it was told to.
    Durability = 12,
    /// A file cannot be read or written.
    File = 13,
    /// `trigger`: the receiver answered no.
    ReceiverRefused = 14,
    /// `trigger`: the receiver did not answer.
    ReceiverSilent = 15,
    /// A second signal cut the shutdown short.
    Interrupted = 130,
}

/// Every exit code but 0, with its meaning, as help and documentation print it.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Bug, "a bug in inlet"),
    (Exit::Usage, "wrong arguments"),
    (Exit::NotVerified, "`events verify`: the request does not verify"),
    (Exit::NoReply, "`text --wait`: no reply came in time"),
    (Exit::NotFound, "there is no such message, event, job, …"),
    (Exit::Unreachable, "the gateway or the sandbox is not reachable"),
    (Exit::Refused, "the gateway or the sandbox refused, with its code"),
    (Exit::Configuration, "the configuration is wrong or incomplete"),
    (Exit::Store, "the store or the media folder cannot be opened, or is damaged"),
    (Exit::Address, "a listener cannot take its address, mostly because it is in use"),
    (Exit::Token, "the token is missing or wrong"),
    (Exit::Durability, "the disk failed to keep data; no webhook was acknowledged after that"),
    (Exit::File, "a file cannot be read or written"),
    (Exit::ReceiverRefused, "`trigger`: the receiver refused the event"),
    (Exit::ReceiverSilent, "`trigger`: the receiver did not answer"),
    (Exit::Interrupted, "a second signal cut the shutdown short"),
];

/// The table as text, for the end of `inlet --help`.
pub(crate) fn help() -> String {
    let rows = TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", *exit as u8));
    format!("Exit codes:\n    0  fine\n{}", rows.collect::<String>().trim_end())
}

/// An expected failure: what happened, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    remedy: String,
}

impl Failure {
    /// Makes one. Several lines in the message are several errors; the remedy is one sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit, message: message.into(), remedy: remedy.into() }
    }

    /// What the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints what went wrong, if anything, and tells how the process ends.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_broken_pipe(&error) {
        // Whoever read our output has seen enough, as in `inlet events list | head`.
        return ExitCode::SUCCESS;
    }
    // Nothing is left to do when this cannot be said.
    let _ = io::stderr().write_all(describe(&error).as_bytes());
    let exit = error.downcast_ref().map_or(Exit::Bug, Failure::exit);
    ExitCode::from(exit as u8)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

fn describe(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Failure>() {
        Some(failure) => {
            let errors = failure.message.lines().map(|line| format!("error: {line}\n"));
            format!("{}  {}\n", errors.collect::<String>(), failure.remedy)
        }
        None => {
            let causes = error.chain().skip(1).map(|cause| format!("  because: {cause}\n"));
            let causes = causes.collect::<String>();
            format!("error: {error}\n{causes}  this is a bug in inlet {}\n", env!("CARGO_PKG_VERSION"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row_in_ascending_order() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 130]);
    }

    #[test]
    fn help_prints_every_row() {
        let help = help();
        for (exit, meaning) in TABLE {
            assert!(help.contains(&format!("{:>3}  {meaning}", *exit as u8)), "{meaning}");
        }
    }

    #[test]
    fn an_expected_failure_says_what_to_do() {
        let error = Failure::new(Exit::NotFound, "there is no job 7", "`inlet jobs list` shows them").into();
        insta::assert_snapshot!(describe(&error), @r"
        error: there is no job 7
          `inlet jobs list` shows them
        ");
    }

    #[test]
    fn an_unexpected_failure_shows_its_whole_chain() {
        let error = anyhow::anyhow!("disk on fire").context("cannot read");
        let text = describe(&error);
        assert!(text.starts_with("error: cannot read\n  because: disk on fire\n  this is a bug"), "{text}");
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&error));
    }
}
