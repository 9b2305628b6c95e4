//! Understands the sections that occur once. Everything is parsed here, so nothing is checked again later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use inlet_domain::{PhoneNumber, RetrySchedule};
use inlet_telnyx::PublicKey;
use secrecy::SecretString;
use url::Url;

use super::parse;
use super::reader::{Reader, read_secret};
use super::reply::number;

// Larger windows would let captured requests be sent again for a day.
const MAX_TOLERANCE: Duration = Duration::from_hours(24);
const MIN_TOLERANCE: Duration = Duration::from_secs(1);
const MAX_CONNECTIONS: i64 = 1_000_000;

/// `[webhooks]`.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    /// Where webhooks come in.
    pub(crate) listen: SocketAddr,
    /// On which path.
    pub(crate) path: String,
    /// Which keys may have signed them.
    pub(crate) public_keys: Vec<PublicKey>,
    /// How Telnyx reaches us.
    pub(crate) public_url: Option<Url>,
    /// How far a signature's time may differ from our clock.
    pub(crate) tolerance: Duration,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    /// Connections of one address at a time.
    pub(crate) max_connections_per_ip: Option<usize>,
}

pub(super) fn webhooks(reader: &mut Reader<'_>) -> Option<Webhooks> {
    let listen = reader.text("listen", parse::listen);
    let path = reader.text("path", parse::path);
    let keys = reader.texts("public_keys", public_key);
    let file_keys = reader.optional("public_keys_file", public_keys_file);
    let public_url = reader.optional("public_url", parse::http_url);
    let tolerance = reader.text("tolerance", tolerance);
    let max_connections = reader.number("max_connections", 1..=MAX_CONNECTIONS, 0);
    let per_ip = reader.number("max_connections_per_ip", 1..=MAX_CONNECTIONS, 0);
    Some(Webhooks {
        listen: listen?,
        path: path?,
        public_keys: keys?.into_iter().chain(file_keys?.unwrap_or_default()).collect(),
        public_url: public_url?,
        tolerance: tolerance?,
        max_connections: max_connections?,
        max_connections_per_ip: per_ip.map(|most| Some(most).filter(|most| *most > 0))?,
    })
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_base64(text).map_err(|error| error.to_string())
}

/// One key a line.
fn public_keys_file(path: &str) -> Result<Vec<PublicKey>, String> {
    let content = read_secret(path)?;
    let lines = content.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty());
    lines.map(public_key).collect()
}

fn tolerance(text: &str) -> Result<Duration, String> {
    let tolerance = parse::duration(text)?;
    if tolerance < MIN_TOLERANCE || tolerance.subsec_nanos() > 0 {
        return Err("must be whole seconds, at least 1s: Telnyx signs the second".to_owned());
    }
    if tolerance > MAX_TOLERANCE { Err("must not be longer than 24h".to_owned()) } else { Ok(tolerance) }
}

/// `[telnyx]`.
#[derive(Debug, Clone)]
pub(crate) struct Telnyx {
    /// The account's API key.
    pub(crate) api_key: Option<SecretString>,
    /// Where the API is, `/v2` included.
    pub(crate) base_url: Url,
    /// Our numbers.
    pub(crate) numbers: Vec<PhoneNumber>,
    /// The profile that sends.
    pub(crate) messaging_profile_id: Option<String>,
}

pub(super) fn telnyx(reader: &mut Reader<'_>) -> Option<Telnyx> {
    let api_key = reader.secret("api_key", "api_key_file", parse::api_key);
    let base_url = reader.text("base_url", parse::telnyx_url);
    let numbers = reader.texts("numbers", number);
    let profile = reader.optional("messaging_profile_id", parse::name);
    Some(Telnyx { api_key: api_key?, base_url: base_url?, numbers: numbers?, messaging_profile_id: profile? })
}

/// `[admin]`.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// What it asks for.
    pub(crate) token: Option<SecretString>,
    /// Names it answers to.
    pub(crate) allowed_hosts: Vec<String>,
}

pub(super) fn admin(reader: &mut Reader<'_>) -> Option<Admin> {
    let listen = reader.text("listen", parse::listen);
    let token = reader.secret("token", "token_file", parse::token);
    let allowed_hosts = reader.texts("allowed_hosts", parse::host_header);
    Some(Admin { listen: listen?, token: token?, allowed_hosts: allowed_hosts? })
}

/// `[store]`: the SQLite file.
pub(super) fn store(reader: &mut Reader<'_>) -> Option<PathBuf> {
    reader.text("url", parse::store_url)
}

/// `[media]`.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    /// Where they are archived.
    pub(crate) url: String,
    /// The largest that is archived.
    pub(crate) max_bytes: u64,
    /// Hosts that may be shown the API key.
    pub(crate) key_hosts: Vec<String>,
    /// When a failed fetch is tried again; `None` for the usual schedule.
    pub(crate) retry: Option<RetrySchedule>,
}

pub(super) fn media(reader: &mut Reader<'_>) -> Option<Media> {
    let url = reader.text("url", parse::media_url);
    // Telnyx's MMS end at a megabyte; a gibibyte is what memory bears.
    let max_bytes = reader.number("max_bytes", 1..=1 << 30, 0);
    let key_hosts = reader.texts("key_hosts", parse::host);
    let retry = reader.waits("retry");
    let retry = retry?.map(RetrySchedule::new);
    Some(Media { url: url?, max_bytes: max_bytes?, key_hosts: key_hosts?, retry })
}

/// `[retention]`: how long things are kept, `None` for ever.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    /// Finished jobs.
    pub(crate) jobs: Option<Duration>,
    /// Events.
    pub(crate) events: Option<Duration>,
    /// Messages and their attachments.
    pub(crate) messages: Option<Duration>,
}

pub(super) fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let jobs = reader.text("jobs", parse::keep);
    let events = reader.text("events", parse::keep);
    let messages = reader.text("messages", parse::keep);
    Some(Retention { jobs: jobs?, events: events?, messages: messages? })
}
