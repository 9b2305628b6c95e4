//! Logs on standard error: text for people, JSON for programs.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::environment::Environment;
use crate::exit::{Exit, Failure};

/// Variables that choose what is logged; the first that is set counts.
const VARIABLES: [&str; 2] = ["INLET_LOG", "RUST_LOG"];
const USUAL_FILTER: &str = "info";

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to log.
pub(crate) fn start(format: LogFormat, environment: &Environment) -> Result<(), Failure> {
    let terminal = io::stderr().is_terminal();
    let json = format == LogFormat::Json || (format == LogFormat::Auto && !terminal);
    let colours = terminal && environment.get("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter(environment)?).with_writer(io::stderr);
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.with_ansi(colours).with_target(false).try_init()
    };
    started.map_err(|error| Failure::new(Exit::Bug, format!("cannot start the log: {error}"), "report it"))
}

fn filter(environment: &Environment) -> Result<EnvFilter, Failure> {
    let chosen = VARIABLES.iter().find_map(|name| Some((*name, environment.get(name)?)));
    let (name, text) = chosen.unwrap_or(("", USUAL_FILTER));
    EnvFilter::try_new(text).map_err(|error| {
        let message = format!("{name} is not a filter of logs: {error}");
        Failure::new(
            Exit::Configuration,
            message,
            "write a level, as in `info`, or `info,inlet_engine=debug`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_variable_comes_first() {
        let environment = Environment::from([("RUST_LOG", "trace"), ("INLET_LOG", "warn")]);
        assert_eq!(filter(&environment).unwrap().to_string(), "warn");
        assert_eq!(filter(&Environment::default()).unwrap().to_string(), "info");
        assert!(filter(&[("INLET_LOG", "inlet=loud")].into()).is_err());
    }
}
