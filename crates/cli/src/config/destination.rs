//! Understands `[[destinations]]`.

use std::time::Duration;

use inlet_domain::{Condition, Destination, Format, RetrySchedule};
use secrecy::SecretString;

use super::parse;
use super::reader::Reader;

/// Three days in ten tries; the reference prints them.
const RETRY: [&str; 10] = ["0s", "5s", "5m", "30m", "2h", "5h", "10h", "10h", "24h", "24h"];
const TIMEOUT: Duration = Duration::from_secs(15);
const CONCURRENCY: u32 = 8;
// The engine's lease stretches with the timeout; an hour is longer than any endpoint needs.
const MAX_TIMEOUT: Duration = Duration::from_hours(1);

/// A destination, and what the configuration says beyond it.
#[derive(Debug, Clone)]
pub(crate) struct DestinationConfig {
    /// The destination.
    pub(crate) destination: Destination,
    /// Its secret, when it is given rather than kept in the store.
    pub(crate) secret: Option<SecretString>,
    /// Whether its retry schedule is its own.
    pub(crate) has_own_retry: bool,
}

/// Reads one; `None` when anything about it is wrong.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<DestinationConfig> {
    let name = reader.required("name", parse::name);
    let url = reader.required("url", parse::destination_url);
    let events = reader.texts("events", event_type);
    let when = reader.optional("when", condition);
    let format = reader.optional("format", format);
    let retry = reader.waits("retry");
    let timeout = reader.optional("timeout", timeout);
    let concurrency = reader.number("concurrency", 1..=1_000, CONCURRENCY);
    let ordered = reader.flag("ordered");
    let secret = reader.secret("secret", "secret_file", parse::webhook_secret);
    let waits = retry?;
    let has_own_retry = waits.is_some();
    let destination = Destination {
        name: name?,
        url: url?,
        events: events?,
        when: when?,
        format: format?.unwrap_or(Format::Telnyx),
        retry: waits.map_or_else(default_retry, RetrySchedule::new),
        timeout: timeout?.unwrap_or(TIMEOUT),
        concurrency: concurrency?,
        ordered,
    };
    Some(DestinationConfig { destination, secret: secret?, has_own_retry })
}

/// The schedule of a destination that names none.
pub(crate) fn default_retry() -> RetrySchedule {
    RetrySchedule::parse(&RETRY.map(str::to_owned)).expect("the default schedule can be read")
}

fn event_type(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an event type, as in message.received"))
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "telnyx" => Ok(Format::Telnyx),
        "message" => Err("format `message` is not supported yet; use `telnyx`".to_owned()),
        other => Err(format!("`{other}` is not a format; use `telnyx`")),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse::timeout(text)?;
    if timeout > MAX_TIMEOUT { Err("must not be longer than 1h".to_owned()) } else { Ok(timeout) }
}

/// A `when` expression.
pub(crate) fn condition(text: &str) -> Result<Condition, String> {
    Condition::compile(text).map_err(|error| error.to_string())
}
