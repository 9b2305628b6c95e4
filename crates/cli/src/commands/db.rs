//! `inlet db`: migrate and check the database, without a gateway.

use std::sync::Arc;

use clap::Subcommand;
use inlet_store::{SqliteConfig, SqliteStore};

use super::Context;
use crate::args::ConfigArgs;
use crate::config::{Config, Sources};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::run::of_store;

/// Migrate and check the database.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Bring the database to the form this version needs; `serve` does it by itself.
    Migrate {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Look the database over for damage, without changing it.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Runs `inlet db`.
pub(crate) async fn run(command: DbCommand, context: &Context) -> anyhow::Result<()> {
    let load = |args: ConfigArgs| {
        let environment = context.environment.clone();
        Config::load(&Sources { file: args.config, environment, flags: Vec::new() })
    };
    match command {
        DbCommand::Migrate { config } => migrate(&load(config)?).await,
        DbCommand::Check { config } => check(&load(config)?).await,
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let sqlite = SqliteConfig {
        path: config.store_path.clone(),
        migrate: true,
        queue: 1,
        readers: 1,
        background_thread: || {},
        on_fatal: Arc::new(end_at_once),
    };
    let store = SqliteStore::open(sqlite).await.map_err(of_store)?;
    store.close().await;
    Ok(output::line(&format!("database {} is up to date", config.store_path.display()))?)
}

#[expect(clippy::needless_pass_by_value, reason = "the store hands the reason over")]
fn end_at_once(reason: String) {
    output::note(&format!("error: the disk did not keep the migration: {reason}"));
    std::process::exit(Exit::Durability as i32)
}

async fn check(config: &Config) -> anyhow::Result<()> {
    let findings = SqliteStore::check(&config.store_path).await.map_err(of_store)?;
    if findings.is_empty() {
        return Ok(output::line(&format!("database {} is fine", config.store_path.display()))?);
    }
    let remedy = "stop the gateway, keep a copy of the files, and restore a backup";
    Err(Failure::new(Exit::Store, findings.join("\n"), remedy).into())
}
