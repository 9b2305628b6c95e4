//! `inlet jobs` and `inlet dead`: list, show, retry and discard, singly or by filter.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use inlet_domain::{Job, JobFilter, JobState, Timestamp};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::names::api;
use super::{Context, list};
use crate::args::{ApiArgs, DeadFilterArgs, JobFilterArgs, ListArgs};
use crate::client::{Client, body_of, query_of};
use crate::exit::{Exit, Failure};
use crate::output::{self, DeadLetter, Progress, Row};

/// List, show, retry and discard jobs.
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: JobsCommand,
}

const LIST_HELP: &str = "\
FOR names the destination, or the rule that replies; OF names the event, or the message.

Example:
  inlet jobs list --state waiting --destination crm";

const DEAD_LIST_HELP: &str = "\
FOR names the destination, or the rule that replied; OF names the event, or the message.

Example:
  inlet dead list --destination crm";

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// List jobs, the newest first.
    #[command(after_help = LIST_HELP)]
    List {
        #[command(flatten)]
        filter: JobFilterArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a job with its attempts.
    Show {
        /// The job's number.
        id: i64,
    },
    /// Make waiting, dead or unknown jobs due now; by filter, dead ones unless --state says otherwise.
    #[command(after_help = "Examples:\n  inlet jobs retry 7\n  inlet jobs retry --state unknown --dry-run")]
    Retry(Choice<JobFilterArgs>),
    /// Drop waiting, dead or unknown jobs for good; by filter, dead ones unless --state says otherwise.
    Discard(Choice<JobFilterArgs>),
}

/// List, show, retry and discard dead letters.
#[derive(Debug, Args)]
pub(crate) struct DeadArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(Debug, Subcommand)]
enum DeadCommand {
    /// List dead letters, the newest first.
    #[command(after_help = DEAD_LIST_HELP)]
    List {
        #[command(flatten)]
        filter: DeadFilterArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a dead letter with its attempts.
    Show {
        /// The job's number.
        id: i64,
    },
    /// Try dead letters again, now.
    #[command(after_help = "Examples:\n  inlet dead retry 7\n  inlet dead retry --destination crm --dry-run")]
    Retry(Choice<DeadFilterArgs>),
    /// Drop dead letters for good.
    #[command(after_help = "Example:\n  inlet dead discard --destination crm --before 2026-01-01 --dry-run")]
    Discard(Choice<DeadFilterArgs>),
}

/// Which jobs are acted upon.
#[derive(Debug, Args)]
struct Choice<F: Args> {
    /// Numbers of jobs.
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// All of them, without a filter.
    #[arg(long)]
    all: bool,
    /// Only count what the filter matches.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    filter: F,
}

/// What is done to jobs.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Retry,
    Discard,
}

impl Deed {
    /// Its name in the API.
    fn verb(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

    /// What a job is afterwards.
    fn done(self) -> &'static str {
        match self {
            Self::Retry => "due now",
            Self::Discard => "discarded",
        }
    }
}

/// Runs `inlet jobs`.
pub(crate) async fn run(args: JobsArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let (json, now) = (args.api.json, context.now());
    match args.command {
        JobsCommand::List { filter, list } => {
            list_jobs::<Job>(&client, &filter.resolve(now), list, json).await
        }
        JobsCommand::Show { id } => show(&client, id, json).await,
        JobsCommand::Retry(choice) => act(&client, Deed::Retry, choice.of_jobs(now)?, json).await,
        JobsCommand::Discard(choice) => act(&client, Deed::Discard, choice.of_jobs(now)?, json).await,
    }
}

/// Runs `inlet dead`.
pub(crate) async fn run_dead(args: DeadArgs, context: &Context) -> anyhow::Result<()> {
    let client = Client::gateway(&args.api, &context.environment)?;
    let (json, now) = (args.api.json, context.now());
    match args.command {
        DeadCommand::List { filter, list } => {
            let filter = dead(filter.resolve(now));
            list_jobs::<DeadLetter>(&client, &filter, list, json).await
        }
        DeadCommand::Show { id } => show(&client, id, json).await,
        DeadCommand::Retry(choice) => act(&client, Deed::Retry, choice.of_dead(now)?, json).await,
        DeadCommand::Discard(choice) => act(&client, Deed::Discard, choice.of_dead(now)?, json).await,
    }
}

fn dead(filter: JobFilter) -> JobFilter {
    JobFilter { state: Some(JobState::Dead), ..filter }
}

async fn list_jobs<R: Row>(
    client: &Client,
    filter: &JobFilter,
    list: ListArgs,
    json: bool,
) -> anyhow::Result<()> {
    list::print::<R>(client.pages(api!("jobs"), query_of(filter), list.limit), json).await
}

async fn show(client: &Client, id: i64, json: bool) -> anyhow::Result<()> {
    list::show(client, api!("jobs", &id.to_string()), json).await
}

/// The jobs that are acted upon, once it is clear which.
enum Chosen {
    Singly(Vec<i64>),
    ByFilter { filter: JobFilter, dry_run: bool },
}

impl Choice<JobFilterArgs> {
    fn of_jobs(self, now: Timestamp) -> Result<Chosen, Failure> {
        let filter = self.filter.resolve(now);
        self.chosen(filter.clone(), filter != JobFilter::default())
    }
}

impl Choice<DeadFilterArgs> {
    fn of_dead(self, now: Timestamp) -> Result<Chosen, Failure> {
        let filter = self.filter.resolve(now);
        self.chosen(dead(filter.clone()), filter != JobFilter::default())
    }
}

impl<F: Args> Choice<F> {
    fn chosen(self, filter: JobFilter, narrowed: bool) -> Result<Chosen, Failure> {
        let by_filter = narrowed || self.all;
        match (self.ids.is_empty(), by_filter) {
            (false, false) if !self.dry_run => Ok(Chosen::Singly(self.ids)),
            (true, true) => Ok(Chosen::ByFilter { filter, dry_run: self.dry_run }),
            (true, false) => {
                let remedy = "give numbers of jobs, a filter such as --destination, or --all";
                Err(Failure::new(Exit::Usage, "which jobs?", remedy))
            }
            (false, _) => {
                let remedy = "give either numbers of jobs, or a filter with or without --dry-run";
                Err(Failure::new(Exit::Usage, "numbers of jobs and filters do not go together", remedy))
            }
        }
    }
}

async fn act(client: &Client, deed: Deed, chosen: Chosen, json: bool) -> anyhow::Result<()> {
    match chosen {
        Chosen::Singly(ids) => act_singly(client, deed, &ids, json).await,
        Chosen::ByFilter { filter, dry_run } => act_by_filter(client, deed, &filter, dry_run, json).await,
    }
}

async fn act_singly(client: &Client, deed: Deed, ids: &[i64], json: bool) -> anyhow::Result<()> {
    for id in ids {
        let job: Box<RawValue> = client.post(api!("jobs", &id.to_string(), deed.verb()), &json!({})).await?;
        if json {
            output::json_line(&job)?;
        } else {
            output::line(&format!("job {id} is {}", deed.done()))?;
        }
    }
    Ok(())
}

/// The answer to a bulk action.
#[derive(Deserialize)]
struct Matched {
    matched: i64,
}

async fn act_by_filter(
    client: &Client,
    deed: Deed,
    filter: &JobFilter,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<()> {
    let mut body = body_of(filter);
    body.insert("dry_run".to_owned(), dry_run.into());
    let mut progress = Progress::new();
    progress.show("the gateway works through the jobs; Ctrl-C does not stop it");
    let answer: Box<RawValue> = client.post_long(api!("jobs", deed.verb()), &body).await?;
    drop(progress);
    if json {
        return Ok(output::json_line(&answer)?);
    }
    let Matched { matched } = serde_json::from_str(answer.get())?;
    let (jobs, are) = if matched == 1 { ("job", "is") } else { ("jobs", "are") };
    let line = if dry_run {
        format!("{matched} {jobs} would be {}; nothing was changed", deed.done())
    } else {
        format!("{matched} {jobs} {are} {}", deed.done())
    };
    Ok(output::line(&line)?)
}

/// The number of the job that an answer names.
pub(super) fn made_job(answer: &RawValue) -> anyhow::Result<i64> {
    #[derive(Deserialize)]
    struct Made {
        job_id: i64,
    }
    let made: Made = serde_json::from_str(answer.get()).context("the gateway named no job")?;
    Ok(made.job_id)
}
