//! Which addresses may be connected to. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose word a URL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The operator's: loopback and private addresses are fine, link-local and metadata services never.
    Configured,
    /// Somebody's on the wire: public addresses only.
    Wire,
}

impl Policy {
    /// Why an address may not be connected to; `None` when it may.
    pub(crate) fn forbids(self, address: IpAddr) -> Option<&'static str> {
        match (self, address) {
            (Self::Configured, IpAddr::V4(v4)) => never_v4(v4),
            (Self::Configured, IpAddr::V6(v6)) => never_v6(v6),
            (Self::Wire, IpAddr::V4(v4)) => never_v4(v4).or_else(|| not_public_v4(v4)),
            (Self::Wire, IpAddr::V6(v6)) => never_v6(v6).or_else(|| not_public_v6(v6)),
        }
    }
}

// Metadata services hand out credentials to whoever asks from the machine itself.
const METADATA: &str = "a cloud metadata service";
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Cloud, classic
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // Amazon EC2
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google Cloud
];

fn never_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [169, 254, ..] => Some("link-local"),
        _ => METADATA_V4.contains(&address).then_some(METADATA),
    }
}

fn never_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.segments()[0] & 0xffc0 == 0xfe80 {
        return Some("link-local");
    }
    if METADATA_V6.contains(&address) {
        return Some(METADATA);
    }
    hidden_v4(address).and_then(never_v4)
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [100, 64..=127, ..] => Some("carrier-grade NAT"),
        [192, 0, 0, _] => Some("reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("documentation"),
        [192, 88, 99, _] => Some("6to4 relay"),
        [198, 18..=19, ..] => Some("benchmarking"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    if let Some(v4) = address.to_ipv4_mapped() {
        return not_public_v4(v4);
    }
    // Where there is only IPv6, a resolver writes every public IPv4 address so (RFC 6052).
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return not_public_v4(last_v4(address));
    }
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0x64, 0xff9b, 1, ..] => Some("NAT64 for local use"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("private"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        [0x2002, ..] => Some("6to4"),
        [0x2001, 0, ..] => Some("Teredo"),
        [0x2001, 0xdb8, ..] => Some("documentation"),
        [0x2001, second, ..] if second < 0x200 => Some("reserved for protocols"),
        [0x3fff, second, ..] if second < 0x1000 => Some("documentation"),
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some("ISATAP"),
        // Nothing else is in use as a public address (RFC 4291, 2.4).
        [first, ..] if first & 0xe000 != 0x2000 => Some("not a public address"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 address stands for on the ways from one network to the other.
fn hidden_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    match s {
        // Mapped, compatible, translated (SIIT), NAT64 and its local form, ISATAP.
        [0, 0, 0, 0, 0, 0xffff | 0, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, _, _, _, _, _, _]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(last_v4(address)),
        [0x2002, high, low, ..] => Some(v4_of(high, low)),
        [0x2001, 0, ..] => Some(v4_of(!s[6], !s[7])),
        _ => None,
    }
}

fn last_v4(address: Ipv6Addr) -> Ipv4Addr {
    v4_of(address.segments()[6], address.segments()[7])
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}
