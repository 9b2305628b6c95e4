//! Understands single values of a configuration: addresses, URLs, durations, keys.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_domain::RetrySchedule;
use secrecy::SecretString;
use url::{Host, Url};

/// What stands for a part that may be secret, here as in the API.
const HIDDEN: &str = "***";
const HTTP_SCHEMES: &[&str] = &["http", "https"];
// Standard Webhooks asks for 24 to 64 bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
// Short enough to type, long enough not to be guessed over a network.
const TOKEN_CHARACTERS: usize = 16;

/// An address to listen on; `localhost` stands for 127.0.0.1.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    numeric.parse().map_err(|_| {
        format!("`{text}` is not an address to listen on: an IP address and a port, as in 127.0.0.1:5000")
    })
}

/// A path of an HTTP request.
pub(crate) fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%".contains(&byte);
    if text.starts_with('/') && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a path: it begins with a slash and has no query, as in /webhooks"))
    }
}

/// An http or https URL.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    if HTTP_SCHEMES.contains(&url.scheme()) && url.has_host() {
        Ok(url)
    } else {
        Err(format!("`{}` is not an http or https URL", shown(text)))
    }
}

/// Where the Telnyx API is. The API key goes there, so nobody may read along.
pub(crate) fn telnyx_url(text: &str) -> Result<Url, String> {
    let url = http_url(text)?;
    if url.scheme() == "https" || is_loopback(&url) {
        Ok(url)
    } else {
        Err(format!(
            "`{}` would carry the API key in clear: use https, or a host on this machine",
            shown(text)
        ))
    }
}

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Where a destination is. The scheme is its kind.
pub(crate) fn destination_url(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    let checked = |url: Url| match inlet_engine::check_destination_url(&url) {
        Ok(()) => Ok(url),
        Err(error) => Err(error.to_string()),
    };
    match url.scheme() {
        "http" | "https" => checked(url),
        "file" => file_url(text).and_then(checked),
        scheme => {
            Err(format!("destinations of scheme `{scheme}` are not supported yet; use http, https or file"))
        }
    }
}

/// A path that does not begin with a slash begins in the working directory.
fn file_url(text: &str) -> Result<Url, String> {
    let here = std::env::current_dir().ok().and_then(|folder| Url::from_directory_path(folder).ok());
    let url = Url::options().base_url(here.as_ref()).parse(text);
    let url = url.map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    let local = url.host_str().is_none_or(str::is_empty);
    let whole = url.query().is_none() && url.fragment().is_none() && !url.path().ends_with('/');
    if local && whole {
        Ok(url)
    } else {
        Err(format!(
            "`{text}` is not a file: write file: and its path, as in file:/var/lib/inlet/events.jsonl"
        ))
    }
}

fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("`{}` is not a URL: {error}", shown(text)))
}

/// A URL as it may be printed: without password and query, which may be secret. What is no URL is cut generously.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "sqlite" | "file") => Cow::Borrowed(text),
        Ok(url) if !url.cannot_be_a_base() && url.password().is_none() && url.query().is_none() => {
            Cow::Borrowed(text)
        }
        Ok(mut url) if !url.cannot_be_a_base() => {
            if url.password().is_some() {
                // Fails only for URLs that cannot have one, and this one has.
                let _ = url.set_password(Some(HIDDEN));
            }
            if url.query().is_some() {
                url.set_query(Some(HIDDEN));
            }
            Cow::Owned(url.to_string())
        }
        _ => shown_roughly(text),
    }
}

fn shown_roughly(text: &str) -> Cow<'_, str> {
    let behind = text.rsplit_once('@').map_or(text, |(_, behind)| behind);
    let before = behind.split('?').next().unwrap_or_default();
    if before.len() == text.len() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{HIDDEN} {before} {HIDDEN}"))
    }
}

/// The file of an SQLite store.
pub(crate) fn store_url(text: &str) -> Result<PathBuf, String> {
    let example = "as in sqlite:inlet-data/inlet.db";
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(format!("PostgreSQL is not supported yet; use SQLite, {example}"));
    }
    let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match path {
        Some(path) if !path.is_empty() && !path.contains('?') => Ok(PathBuf::from(path)),
        _ => Err(format!("`{}` is not a store: write sqlite: and a path, {example}", shown(text))),
    }
}

/// The folder of the media archive, as the store takes it.
pub(crate) fn media_url(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Ok(text.to_owned()),
        Some((scheme @ ("s3" | "gs" | "az"), _)) => Err(format!(
            "media on `{scheme}` are not supported yet; use a folder, as in file:inlet-data/media"
        )),
        _ => Err(format!(
            "`{}` is not a media folder: write file: and a path, as in file:inlet-data/media",
            shown(text)
        )),
    }
}

/// A duration, as `90s`, `5m`, `10h`, `2d`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let one = RetrySchedule::parse(&[text.to_owned()]).ok();
    let first = one.and_then(|schedule| schedule.waits().first().copied());
    first.ok_or_else(|| format!("`{text}` is not a duration, as in 90s, 5m, 10h, 2d"))
}

/// A duration that is not zero.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("must be longer than zero".to_owned()) } else { Ok(duration) }
}

/// How long something is kept: a duration, or `forever`.
pub(crate) fn keep(text: &str) -> Result<Option<Duration>, String> {
    if text == "forever" { Ok(None) } else { timeout(text).map(Some) }
}

/// A name that stands in URLs, tables and labels of metrics.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a name: letters, digits, `-`, `_` and `.`, at most 64"))
    }
}

/// The bare name or address of a host.
pub(crate) fn host(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(format!("`{}` is not a host name, as in media.telnyx.com", shown(text))),
    }
}

/// A name in the `Host` header; it is allowed at every port.
pub(crate) fn host_header(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((bare, port)) if port.parse::<u16>().is_ok() && host(bare).is_ok() => {
            Err(format!("`{text}` has a port; write `{bare}`, which is allowed at every port"))
        }
        _ => host(text),
    }
}

/// The secret of a destination, as Standard Webhooks writes it.
pub(crate) fn webhook_secret(text: &str) -> Result<SecretString, String> {
    let bytes = text.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    match bytes {
        Some(bytes) if SECRET_BYTES.contains(&bytes.len()) => Ok(text.into()),
        _ => Err("is not a secret: `whsec_` and the base64 of 24 to 64 bytes".to_owned()),
    }
}

/// The token of the admin listener.
pub(crate) fn token(text: &str) -> Result<SecretString, String> {
    let weak = text.len() < TOKEN_CHARACTERS;
    if weak || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("must be at least {TOKEN_CHARACTERS} printable characters without blanks"));
    }
    Ok(text.into())
}

/// Telnyx's API key.
pub(crate) fn api_key(text: &str) -> Result<SecretString, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err("is not an API key: it has no blanks and no control characters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_port() {
        assert_eq!(listen("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert!(listen("[::1]:5000").is_ok());
        assert!(listen("127.0.0.1").is_err());
        assert!(listen("example.com:80").is_err());
    }

    #[test]
    fn destinations_of_later_kinds_are_named() {
        assert!(destination_url("https://crm.example.com/x").is_ok());
        assert!(destination_url("file:/tmp/events.jsonl").is_ok());
        assert!(destination_url("file:///tmp/").is_err());
        for url in ["redis://localhost", "exec:/bin/true", "htps://crm.example.com"] {
            assert!(destination_url(url).unwrap_err().contains("not supported yet"), "{url}");
        }
    }

    #[test]
    fn the_api_key_leaves_this_machine_only_over_https() {
        for url in
            ["https://api.telnyx.com/v2", "http://localhost:1/v2", "http://127.1.2.3/v2", "http://[::1]:1"]
        {
            assert!(telnyx_url(url).is_ok(), "{url}");
        }
        for url in ["http://api.telnyx.com/v2", "http://10.0.0.1/v2", "http://localhost.example.com"] {
            assert!(telnyx_url(url).unwrap_err().contains("in clear"), "{url}");
        }
    }

    #[test]
    fn a_destination_that_could_never_be_reached_is_refused() {
        for url in ["http://169.254.169.254/x", "http://[fe80::1]/x", "https://[::ffff:169.254.1.1]/"] {
            assert!(destination_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_file_is_named_from_the_working_directory_on() {
        let here = std::env::current_dir().unwrap();
        let path = |text: &str| destination_url(text).unwrap().to_file_path().unwrap();
        assert_eq!(path("file:events.jsonl"), here.join("events.jsonl"));
        assert_eq!(path("file:out/a%20b"), here.join("out/a b"));
        assert_eq!(path("file:/tmp/events.jsonl"), PathBuf::from("/tmp/events.jsonl"));
        for text in ["file:", "file:out/", "file:.", "file://host/x", "file:/tmp/a?b", "file:/tmp/a#b"] {
            assert!(destination_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_printed() {
        for url in [
            "https://user:canary@example.com/x?token=canary",
            "https://user:canary@exa mple.com/x?token=canary",
            "https://user:can?canary@:99999/x",
            "postgres://user:canary@db/inlet?password=canary",
            "user:canary@example.com/x",
            "example.com/?token=canary",
        ] {
            assert!(!shown(url).contains("canary"), "{}", shown(url));
            for parse in [http_url, telnyx_url, destination_url] {
                let problem = parse(url).err().unwrap_or_default();
                assert!(!problem.contains("canary"), "{problem}");
            }
            let others = [store_url(url).err(), media_url(url).err(), host_header(url).err()];
            assert!(others.iter().flatten().all(|problem| !problem.contains("canary")), "{others:?}");
        }
        for url in ["https://example.com/x", "file:inlet-data/media", "sqlite:a@b/inlet.db"] {
            assert_eq!(shown(url), url);
        }
    }

    #[test]
    fn stores_of_later_kinds_are_named() {
        assert_eq!(store_url("sqlite:a/b.db").unwrap(), PathBuf::from("a/b.db"));
        assert_eq!(store_url("sqlite:///a/b.db").unwrap(), PathBuf::from("/a/b.db"));
        assert!(store_url("postgres://x").unwrap_err().contains("not supported yet"));
        assert!(store_url("inlet.db").is_err());
        assert!(media_url("s3://bucket").unwrap_err().contains("not supported yet"));
    }

    #[test]
    fn hosts_are_bare() {
        assert!(host("media.telnyx.com").is_ok());
        assert!(host("https://media.telnyx.com").is_err());
    }

    #[test]
    fn a_host_that_is_allowed_has_no_port() {
        assert_eq!(host_header("inlet.example.com").unwrap(), "inlet.example.com");
        assert_eq!(host_header("[fd00::1]").unwrap(), "[fd00::1]");
        let problem = host_header("inlet.example.com:8443").unwrap_err();
        assert!(problem.contains("write `inlet.example.com`"), "{problem}");
        assert!(host_header("[fd00::1]:1").unwrap_err().contains("write `[fd00::1]`"));
    }

    #[test]
    fn weak_secrets_are_refused() {
        assert!(token("short").is_err());
        assert!(token("sixteen-letters!").is_ok());
        assert!(webhook_secret("whsec_c2hvcnQ=").is_err());
        assert!(webhook_secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").is_ok());
    }
}
