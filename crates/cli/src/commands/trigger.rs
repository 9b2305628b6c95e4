//! `inlet trigger`: sends a signed event of any kind to any URL.

mod blanks;
mod editor;
mod fixture;
mod path;
mod sender;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::Context;
use super::account::Account;
use super::arrows::Arrows;
use super::delivery::Told;
use super::input;
use crate::args::SandboxUrlArgs;
use crate::client::Client;
use crate::config::{duration, read_secret};
use crate::entropy::SystemEntropy;
use crate::exit::{Exit, Failure};
use crate::output;
use blanks::{Belongings, Blanks};
use fixture::{ALL, Fixture};
use path::Assignment;
use sender::OwnKey;

const PRIVATE_KEY: &str = "INLET_TRIGGER_PRIVATE_KEY";
/// Telnyx waits two seconds for a receiver.
const OWN_TIMEOUT: Duration = Duration::from_secs(2);
/// The sandbox tries several times, with pauses.
const SANDBOX_TIMEOUT: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  inlet trigger --list
  inlet trigger message.received --override payload.text=Hello
  inlet trigger message.received.mms --url http://localhost:3000/webhooks
  inlet trigger message.finalized --override payload.id=$ID --remove payload.tags --add payload.is_test=true
  inlet trigger odd.to-as-string --edit
  inlet trigger --raw body.json

A path begins at the body, at `data` or at `data.payload`, wherever its first word is found.
--override is applied first, then --add, then --remove.";

/// Send a signed event of any kind to any URL.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TriggerArgs {
    /// The event's name, as --list shows them.
    #[arg(required_unless_present_any = ["list", "raw"], conflicts_with = "raw")]
    event: Option<String>,
    /// Show every event there is, a line each.
    #[arg(long)]
    list: bool,
    /// Replace what is at a path; the value is JSON, or else a text.
    #[arg(long = "override", value_name = "PATH=VALUE", conflicts_with = "raw")]
    overrides: Vec<Assignment>,
    /// Add what is not there yet.
    #[arg(long = "add", value_name = "PATH=VALUE", conflicts_with = "raw")]
    additions: Vec<Assignment>,
    /// Remove what is at a path.
    #[arg(long = "remove", value_name = "PATH", conflicts_with = "raw")]
    removals: Vec<String>,
    /// Edit the body in $VISUAL or $EDITOR before it is sent.
    #[arg(long, conflicts_with = "count")]
    edit: bool,
    /// Send a file's bytes as they are, JSON or not; - reads standard input.
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Where to send it; where the sandbox's default profile points unless given.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// File with an Ed25519 key to sign with, the base64 of its 32-byte seed; needs no sandbox.
    /// INLET_TRIGGER_PRIVATE_KEY holds the key itself.
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// How long to wait for the receiver; 2s, or 60s through the sandbox, which tries again.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// How many to send, one after the other; each is an event of its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Print the body and send nothing.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    sandbox: SandboxUrlArgs,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// What is sent.
enum Source {
    Fixture(&'static Fixture),
    Raw(Vec<u8>),
}

/// How it is sent.
enum Way {
    Print,
    Sandbox { client: Client, account: Account },
    OwnKey(OwnKey),
}

/// Runs `inlet trigger`.
pub(crate) async fn run(args: TriggerArgs, context: &Context) -> anyhow::Result<()> {
    if args.list {
        return list();
    }
    let source = Source::of(&args)?;
    let way = Way::choose(&args, context).await?;
    let belongings = way.belongings(args.url.as_ref());
    let mut failure = None;
    let mut arrows = Arrows::new(args.json, &context.environment);
    for _ in 0..args.count.unwrap_or(1) {
        let body = edited(source.body(&args, &belongings, context)?, &args, context)?;
        let delivery = match &way {
            Way::Print => {
                output::exact(&body)?;
                continue;
            }
            Way::OwnKey(own) => {
                let delivery = own.send(body, context).await;
                arrows.print(&delivery, &Told::default().changes(&delivery))?;
                delivery
            }
            Way::Sandbox { client, .. } => {
                let limit = args.timeout.unwrap_or(SANDBOX_TIMEOUT);
                sender::through_sandbox(client, &body, args.url.as_ref(), limit, &mut arrows).await?
            }
        };
        failure = failure.or_else(|| verdict::not_taken(&delivery, &way.public_key()));
    }
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

fn list() -> anyhow::Result<()> {
    let width = ALL.iter().map(|fixture| fixture.name.len()).max().unwrap_or_default();
    for Fixture { name, about, .. } in ALL {
        output::line(&format!("{name:width$}  {about}"))?;
    }
    Ok(())
}

impl Source {
    fn of(args: &TriggerArgs) -> Result<Self, Failure> {
        match (&args.raw, &args.event) {
            (Some(path), _) => input::read(path, "--raw").map(Self::Raw),
            (None, name) => Fixture::named(name.as_deref().unwrap_or_default()).map(Self::Fixture),
        }
    }

    fn body(
        &self,
        args: &TriggerArgs,
        belongings: &Belongings,
        context: &Context,
    ) -> Result<Vec<u8>, Failure> {
        let fixture = match self {
            Self::Raw(bytes) => return Ok(bytes.clone()),
            Self::Fixture(fixture) => fixture,
        };
        let mut body = fixture.body(&mut Blanks::new(belongings, context.now(), &SystemEntropy));
        args.overrides.iter().try_for_each(|assignment| path::replace(&mut body, assignment))?;
        args.additions.iter().try_for_each(|assignment| path::add(&mut body, assignment))?;
        args.removals.iter().try_for_each(|removed| path::remove(&mut body, removed))?;
        Ok(fixture.write(&body))
    }
}

/// What the person makes of the body in their editor, when they asked for it.
fn edited(body: Vec<u8>, args: &TriggerArgs, context: &Context) -> Result<Vec<u8>, Failure> {
    if !args.edit {
        return Ok(body);
    }
    let draft = editor::Draft::write(&body)?;
    let mut edited = draft.edit(&context.environment)?;
    if args.raw.is_none() {
        // Editors end a file with a line end; Telnyx does not end a body so.
        edited.truncate(edited.trim_ascii_end().len());
        editor::check(&edited, draft)?;
    }
    Ok(edited)
}

impl Way {
    async fn choose(args: &TriggerArgs, context: &Context) -> anyhow::Result<Self> {
        if args.print {
            return Ok(Self::Print);
        }
        if let Some(seed) = private_key(args, context)? {
            let Some(url) = args.url.clone() else {
                let message = "an event that is signed with a key of one's own needs to be told where to go";
                return Err(
                    Failure::new(Exit::Usage, message, "give the receiver's address with --url").into()
                );
            };
            let timeout = args.timeout.unwrap_or(OWN_TIMEOUT);
            return Ok(Self::OwnKey(OwnKey::new(seed.expose_secret(), url, timeout)?));
        }
        let client = Client::sandbox(args.sandbox.sandbox_url.clone(), &context.environment)?;
        let account = Account::fetch(&client).await?;
        if args.url.is_none() && account.webhook_url.is_none() {
            let message = "the sandbox's default profile has no webhook URL";
            let remedy =
                "say where with --url, or let `inlet listen --forward-to URL` point the profile there";
            return Err(Failure::new(Exit::Usage, message, remedy).into());
        }
        Ok(Self::Sandbox { client, account })
    }

    /// What events say of the account that sends them.
    fn belongings(&self, url: Option<&Url>) -> Belongings {
        let fallback = Belongings::default();
        let belongings = match self {
            Self::Print | Self::OwnKey(_) => fallback,
            Self::Sandbox { account, .. } => Belongings {
                our_number: account.numbers.first().cloned().unwrap_or(fallback.our_number),
                profile_id: account.messaging_profile_id.clone().unwrap_or(fallback.profile_id),
                organization_id: account.organization_id.clone(),
                url: account.webhook_url.clone().unwrap_or(fallback.url),
            },
        };
        match url {
            Some(url) => Belongings { url: url.to_string(), ..belongings },
            None => belongings,
        }
    }

    fn public_key(&self) -> String {
        match self {
            Self::Print => String::new(),
            Self::Sandbox { account, .. } => account.public_key.clone(),
            Self::OwnKey(own) => own.public_key(),
        }
    }
}

fn private_key(args: &TriggerArgs, context: &Context) -> Result<Option<SecretString>, Failure> {
    let Some(path) = &args.private_key_file else {
        return Ok(context.environment.get(PRIVATE_KEY).map(SecretString::from));
    };
    let secret = read_secret(&path.display().to_string()).map_err(|problem| {
        Failure::new(Exit::File, problem, "write the base64 of a 32-byte Ed25519 seed into that file")
    })?;
    Ok(Some(SecretString::from(secret)))
}
