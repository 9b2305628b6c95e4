//! The configuration: defaults, file, environment and flags, laid over one another and understood once.

mod destination;
mod layers;
mod parse;
mod problem;
mod reader;
mod reply;
mod sandbox;
mod schema;
mod sections;
mod settings;
mod show;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use inlet_domain::ReplyRule;
use inlet_sandbox::SandboxConfig;

use crate::environment::Environment;
use crate::exit::Failure;

pub(crate) use destination::{DestinationConfig, default_retry};
pub(crate) use layers::FlagSetting;
pub(crate) use parse::{duration, is_loopback, shown};
pub(crate) use reader::read_secret;
pub(crate) use reply::PAIR_WINDOW;
pub(crate) use sections::{Admin, Media, Retention, Telnyx, Webhooks};
pub(crate) use settings::Value;

use problem::Problems;
use reader::Reader;
use settings::{Group, Settings};

/// The commented reference, which is also where the defaults come from.
pub(crate) const REFERENCE: &str = include_str!("config/default.toml");
/// The file that is read when it is there and no other is named.
const USUAL_FILE: &str = "inlet.toml";

/// Where a configuration is read from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file, when one was named; otherwise `inlet.toml` where it exists.
    pub(crate) file: Option<PathBuf>,
    /// Variables.
    pub(crate) environment: Environment,
    /// Flags.
    pub(crate) flags: Vec<FlagSetting>,
}

/// A configuration, understood.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The webhook listener.
    pub(crate) webhooks: Webhooks,
    /// The Telnyx account.
    pub(crate) telnyx: Telnyx,
    /// The admin listener.
    pub(crate) admin: Admin,
    /// The local Telnyx.
    pub(crate) sandbox: SandboxConfig,
    /// The SQLite file.
    pub(crate) store_path: PathBuf,
    /// The media archive.
    pub(crate) media: Media,
    /// How long things are kept.
    pub(crate) retention: Retention,
    /// Where events go.
    pub(crate) destinations: Vec<DestinationConfig>,
    /// Automatic replies, in order.
    pub(crate) replies: Vec<ReplyRule>,
}

impl Config {
    /// Reads every layer; a failure tells all that is wrong.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Failure> {
        let mut problems = Problems::default();
        let config = lay(sources, &mut problems).and_then(|settings| understand(&settings, &mut problems));
        match (problems.into_failure(), config) {
            (Some(failure), _) => Err(failure),
            (None, Some(config)) => Ok(config),
            (None, None) => unreachable!("a setting that cannot be understood leaves a problem"),
        }
    }

    /// What keeps `inlet serve` from starting with this configuration, besides problems of single settings.
    pub(crate) fn check_for_serve(&self) -> Result<(), Failure> {
        let mut problems = Problems::default();
        if self.webhooks.public_keys.is_empty() {
            problems.add_missing(
                "no public key is configured, so no webhook could be verified: set TELNYX_PUBLIC_KEY or \
                 `webhooks.public_keys` to the key in Telnyx's portal (Keys & Credentials, Public Key)",
            );
        }
        if !self.admin.listen.ip().is_loopback() && self.admin.token.is_none() {
            problems.add_missing(format!(
                "the admin listener at {} can be reached from other machines and has no token: set \
                 INLET_ADMIN__TOKEN_FILE or `admin.token`, or listen on 127.0.0.1",
                self.admin.listen
            ));
        }
        let (one, other) = (self.webhooks.listen, self.admin.listen);
        let takes_all = one.ip().is_unspecified() || other.ip().is_unspecified();
        let overlap = one.ip() == other.ip() || takes_all && one.is_ipv4() == other.is_ipv4();
        if one.port() == other.port() && one.port() != 0 && overlap {
            problems.add_missing(format!(
                "`webhooks.listen` is {one} and `admin.listen` is {other}: give each its own port"
            ));
        }
        reply::check_retention(&self.replies, &self.retention, &mut problems);
        problems.into_failure().map_or(Ok(()), Err)
    }
}

/// The effective settings, each with its place of origin, as TOML; secrets hidden.
pub(crate) fn show(sources: &Sources) -> Result<String, Failure> {
    let mut problems = Problems::default();
    let settings = lay(sources, &mut problems);
    match (problems.into_failure(), settings) {
        (None, Some(settings)) => Ok(show::toml(&settings)),
        (failure, _) => Err(failure.unwrap_or_else(|| unreachable!("an unreadable file leaves a problem"))),
    }
}

fn lay(sources: &Sources, problems: &mut Problems) -> Option<Settings> {
    let mut settings = Settings::empty();
    layers::lay_text(&mut settings, None, REFERENCE, problems);
    if let Some(path) = chosen_file(sources) {
        let text = read_file(&path).map_err(|problem| problems.add_missing(problem)).ok()?;
        layers::lay_text(&mut settings, Some(&path.display().to_string()), &text, problems);
    }
    layers::lay_environment(&mut settings, &sources.environment, problems);
    layers::lay_flags(&mut settings, sources.flags.clone(), problems);
    Some(settings)
}

fn chosen_file(sources: &Sources) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists());
    sources.file.clone().or_else(usual)
}

fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the configuration `{}`: {error}", path.display()))
}

fn understand(settings: &Settings, problems: &mut Problems) -> Option<Config> {
    let webhooks = sections::webhooks(&mut Reader::new(settings.section("webhooks"), problems));
    let telnyx = sections::telnyx(&mut Reader::new(settings.section("telnyx"), problems));
    let admin = sections::admin(&mut Reader::new(settings.section("admin"), problems));
    let sandbox = sandbox::sandbox(&mut Reader::new(settings.section("sandbox"), problems));
    let store_path = sections::store(&mut Reader::new(settings.section("store"), problems));
    let media = sections::media(&mut Reader::new(settings.section("media"), problems));
    let retention = sections::retention(&mut Reader::new(settings.section("retention"), problems));
    let destinations = entries(&settings.destinations, problems, destination::read);
    let replies = entries(&settings.replies, problems, reply::read);
    Some(Config {
        webhooks: webhooks?,
        telnyx: telnyx?,
        admin: admin?,
        sandbox: sandbox?,
        store_path: store_path?,
        media: media?,
        retention: retention?,
        destinations,
        replies,
    })
}

/// Reads every entry and refuses names that occur twice.
fn entries<T>(
    groups: &[Group],
    problems: &mut Problems,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Vec<T> {
    let mut names = BTreeSet::new();
    let mut understood = Vec::new();
    for group in groups {
        let mut reader = Reader::new(group, problems);
        if let Some(name) = reader.text("name", parse::name)
            && !names.insert(name.clone())
        {
            reader.problem("name", format_args!("`{name}` is the name of another one"));
        }
        understood.extend(read(&mut reader));
    }
    understood
}

#[cfg(test)]
mod tests;
