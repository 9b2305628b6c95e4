//! Flags that `serve`, `dev` and `sandbox` share.

use std::path::PathBuf;

use clap::Args;

use crate::config::{FlagSetting, Value};
use crate::telemetry::LogFormat;

/// How a long-running command tells about itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Write the addresses into this file, as JSON, once everything answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Form of the log on standard error: text, json, or auto (text on a terminal); INLET_LOG or RUST_LOG chooses
    /// what is logged.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "INLET_LOG_FORMAT",
        hide_env_values = true,
        hide_possible_values = true,
        default_value = "auto"
    )]
    pub(crate) log_format: LogFormat,
}

/// Where the gateway listens.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArgs {
    /// Address for webhooks, as in 127.0.0.1:5000; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    webhooks_listen: Option<String>,
    /// Address for the API, as in 127.0.0.1:5001; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
}

impl ListenArgs {
    /// The settings that were given.
    pub(crate) fn settings(&self) -> Vec<FlagSetting> {
        let webhooks = text_setting("--webhooks-listen", "webhooks", "listen", self.webhooks_listen.as_ref());
        webhooks
            .into_iter()
            .chain(text_setting("--admin-listen", "admin", "listen", self.admin_listen.as_ref()))
            .collect()
    }
}

/// The setting of a flag, when it was given.
pub(crate) fn text_setting(
    flag: &'static str,
    section: &'static str,
    key: &'static str,
    given: Option<&String>,
) -> Option<FlagSetting> {
    given.map(|text| FlagSetting { flag, section, key, value: Value::Text(text.clone()) })
}
