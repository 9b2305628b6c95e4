//! Tells a request made by hand on this machine from one that a web page or a tunnel has sent here.

use std::net::SocketAddr;

use http::header::{FORWARDED, ORIGIN, VIA};
use http::{HeaderMap, HeaderName};

use crate::host;

/// What shows that an unsigned request is not local; `None` when nothing does.
pub(super) fn sign_of_distance(peer: SocketAddr, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.ip().to_canonical().is_loopback() {
        return Some("it comes from another machine");
    }
    if !has_loopback_host(headers) {
        return Some("its `Host` is not this machine");
    }
    headers.keys().find_map(telltale)
}

fn telltale(name: &HeaderName) -> Option<&'static str> {
    if *name == ORIGIN || name.as_str().starts_with("sec-fetch-") {
        Some("a web page sent it")
    } else if *name == FORWARDED || *name == VIA || name.as_str().starts_with("x-forwarded-") {
        Some("a proxy or a tunnel passed it on")
    } else {
        None
    }
}

fn has_loopback_host(headers: &HeaderMap) -> bool {
    host::only_host(headers).is_some_and(|name| host::is_loopback_name(host::without_port(name)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            map.append(name, value);
        });
        sign_of_distance(peer.parse().unwrap(), &map)
    }

    #[test]
    fn only_a_plain_request_from_this_machine_is_local() {
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]"] {
            assert_eq!(check("127.0.0.1:9", &[("host", host)]), None, "{host}");
        }
        assert_eq!(check("[::ffff:127.0.0.1]:9", &[("host", "localhost")]), None);
        assert!(check("192.0.2.1:9", &[("host", "localhost")]).is_some());
        assert!(check("127.0.0.1:9", &[]).is_some());
        assert!(check("127.0.0.1:9", &[("host", "localhost"), ("host", "localhost")]).is_some());
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:5000", "", "::1"] {
            assert!(check("127.0.0.1:9", &[("host", host)]).is_some(), "{host}");
        }
        for name in ["origin", "sec-fetch-site", "sec-fetch-mode", "forwarded", "x-forwarded-for", "via"] {
            assert!(check("127.0.0.1:9", &[("host", "localhost"), (name, "x")]).is_some(), "{name}");
        }
    }
}
