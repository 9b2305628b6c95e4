//! Understands single values of a configuration: addresses, URLs, durations, keys.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inlet_domain::RetrySchedule;
use secrecy::SecretString;
use url::Url;

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
        Err(format!("`{}` is not an http or https URL", without_password(&url)))
    }
}

/// Where a destination is. The scheme is its kind.
pub(crate) fn destination_url(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(format!("`{text}` has no host")),
        "file" => file_url(url),
        scheme => {
            Err(format!("destinations of scheme `{scheme}` are not supported yet; use http, https or file"))
        }
    }
}

fn file_url(url: Url) -> Result<Url, String> {
    let local = url.host_str().is_none_or(str::is_empty);
    if local && url.path() != "/" && !url.path().ends_with('/') {
        Ok(url)
    } else {
        Err(format!("`{url}` is not a file: write its absolute path, as in file:/var/lib/inlet/events.jsonl"))
    }
}

fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))
}

fn without_password(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for URLs that cannot have one.
    let _ = url.set_password(None);
    url
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
        _ => Err(format!("`{text}` is not a store: write sqlite: and a path, {example}")),
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
            "`{text}` is not a media folder: write file: and a path, as in file:inlet-data/media"
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
    match url::Host::parse(text) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(format!("`{text}` is not a host name, as in media.telnyx.com")),
    }
}

/// A name in the `Host` header, with or without a port.
pub(crate) fn host_header(text: &str) -> Result<String, String> {
    let bare = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    match bare {
        Some((bare, port)) if !bare.contains(':') || bare.ends_with(']') => {
            host(bare).map(|bare| format!("{bare}:{port}"))
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
        assert_eq!(host_header("inlet.example.com:8443").unwrap(), "inlet.example.com:8443");
        assert_eq!(host_header("[::1]:1").unwrap(), "[::1]:1");
    }

    #[test]
    fn weak_secrets_are_refused() {
        assert!(token("short").is_err());
        assert!(token("sixteen-letters!").is_ok());
        assert!(webhook_secret("whsec_c2hvcnQ=").is_err());
        assert!(webhook_secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz").is_ok());
    }
}
