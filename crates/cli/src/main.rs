//! Inlet receives the texts that people send to Telnyx numbers, and never loses one: the one executable.

mod args;
mod commands;
mod run;

mod client;
mod config;
mod output;

mod clock;
mod entropy;
mod environment;
mod nearest;
mod telemetry;

mod exit;

#[cfg(all(feature = "planted-early-ack", not(debug_assertions)))]
compile_error!("`planted-early-ack` answers before the commit: it is for the kill test, never for a release");

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    // Fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    exit::report(commands::run(args.command))
}
