//! Makes and checks Telnyx's v2 webhook signature: Ed25519 over `timestamp`, one `|`, and the raw body bytes.
//!
//! Rules as both official SDKs enforce them: padded standard base64, a timestamp of decimal digits, and a
//! window that includes its ends.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::ed25519::signature::MultipartVerifier;
use ed25519_dalek::{Signature, VerifyingKey};

/// Header that carries the base64 of the 64 signature bytes.
pub const SIGNATURE_HEADER: &str = "telnyx-signature-ed25519";
/// Header that carries the Unix second at which the attempt was signed.
pub const TIMESTAMP_HEADER: &str = "telnyx-timestamp";
/// Header of webhook API version 1 (HMAC), which Inlet recognises only to refuse it by name.
pub const V1_SIGNATURE_HEADER: &str = "x-telnyx-signature";
/// Seconds a timestamp may differ from our clock in either direction; the value of every official SDK.
pub const DEFAULT_TOLERANCE_SECONDS: u64 = 300;

const KEY_BYTES: usize = 32;
// What the decoder asks for: room for the 64 bytes and the padding it has not yet recognised.
const DECODED_BYTES: usize = 66;
// Twelve digits reach the year 33658; anything longer is not a time.
const MAX_TIMESTAMP_DIGITS: usize = 12;

/// Why a text is not a public key that Inlet will trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The text is a PEM block.
    #[error("public key is PEM; Telnyx's key is one line of base64 (portal, Keys & Credentials, Public Key)")]
    Pem,
    /// The text is 64 hexadecimal digits.
    #[error("public key is hexadecimal; Telnyx's key is one line of base64, 44 characters")]
    Hexadecimal,
    /// The text is not padded standard base64.
    #[error("public key is not padded standard base64 of 32 bytes (44 characters)")]
    Base64,
    /// The decoded key has another length than 32 bytes.
    #[error("public key decodes to {length} bytes, not 32")]
    Length {
        /// Bytes after decoding.
        length: usize,
    },
    /// The key is a point of small order, under which forged signatures verify.
    #[error("public key is a point of small order, under which anybody can forge signatures")]
    SmallOrder,
    /// The 32 bytes are no point of the curve, or not in the one form that has exactly one encoding.
    #[error("public key is not an Ed25519 key")]
    NotEd25519,
}

/// The first eight bytes of the SHA-256 of a public key: enough to tell keys apart in logs and answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyFingerprint([u8; 8]);

impl KeyFingerprint {
    fn of(key: &[u8]) -> Self {
        let mut short = [0; 8];
        short.copy_from_slice(&digest(&SHA256, key).as_ref()[..8]);
        Self(short)
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One Ed25519 public key, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    verifying: VerifyingKey,
    fingerprint: KeyFingerprint,
}

impl PublicKey {
    /// Reads a key as Telnyx's portal shows it: the padded base64 of 32 bytes. Surrounding whitespace is ignored.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return Err(InvalidKey::Pem);
        }
        if text.len() == 2 * KEY_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidKey::Hexadecimal);
        }
        let bytes = STANDARD.decode(text).map_err(|_| InvalidKey::Base64)?;
        let length = bytes.len();
        Self::from_bytes(bytes.try_into().map_err(|_| InvalidKey::Length { length })?)
    }

    /// Takes the 32 raw bytes of a key. Refuses points of small order, and encodings that RFC 8032 refuses.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Result<Self, InvalidKey> {
        let verifying = VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidKey::NotEd25519)?;
        if verifying.is_weak() {
            return Err(InvalidKey::SmallOrder);
        }
        // The library reads y modulo p as well; only the form that it would write itself is canonical.
        if verifying.to_edwards().compress().as_bytes() != &bytes {
            return Err(InvalidKey::NotEd25519);
        }
        Ok(Self { verifying, fingerprint: KeyFingerprint::of(&bytes) })
    }

    /// The key as base64, 44 characters: what one pastes into `public_keys` or `TELNYX_PUBLIC_KEY`.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.verifying.as_bytes())
    }

    /// The name of the key in logs and answers.
    pub fn fingerprint(&self) -> KeyFingerprint {
        self.fingerprint
    }

    /// Whether this key made the signature: cofactorless, `s` below the order of the group, R compared as bytes.
    fn made(&self, signature: &Signature, timestamp: &str, body: &[u8]) -> bool {
        self.verifying.multipart_verify(&[timestamp.as_bytes(), b"|", body], signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

/// An Ed25519 private key: Telnyx's in the sandbox, Inlet's own towards destinations. It does not print itself.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes the key that belongs to a 32-byte seed. Equal seeds give equal keys.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidKey::NotEd25519)?;
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { public: PublicKey::from_bytes(bytes)?, pair })
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The value of `telnyx-signature-ed25519` for this body, signed at `timestamp` (Unix seconds).
    pub fn sign(&self, timestamp: i64, body: &[u8]) -> String {
        let mut message = format!("{timestamp}|").into_bytes();
        message.extend_from_slice(body);
        STANDARD.encode(self.pair.sign(&message))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint)
    }
}

/// Why a request does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is absent.
    #[error("header `{header}` is missing")]
    Missing {
        /// The header's name.
        header: &'static str,
    },
    /// A header occurs more than once.
    #[error("header `{header}` occurs more than once")]
    Repeated {
        /// The header's name.
        header: &'static str,
    },
    /// The signature header is not the padded standard base64 of 64 bytes.
    #[error("header `telnyx-signature-ed25519` is not padded standard base64 of 64 bytes")]
    MalformedSignature,
    /// The timestamp header is not 1 to 12 decimal digits.
    #[error("header `telnyx-timestamp` is not a number of Unix seconds (1 to 12 digits)")]
    MalformedTimestamp,
    /// No configured key made this signature over these bytes.
    #[error(
        "no key matches: {} would have had to sign `{timestamp}|` and the {body_bytes} raw body bytes with SHA-256 {body_sha256}",
        keys_phrase(.keys)
    )]
    NoMatch {
        /// The keys tried.
        keys: Vec<KeyFingerprint>,
        /// The header text that stands before the `|`.
        timestamp: String,
        /// Length of the body as received.
        body_bytes: usize,
        /// Lowercase hexadecimal SHA-256 of the body as received.
        body_sha256: String,
    },
    /// The signature is genuine, but was made too long ago or lies in the future.
    #[error(
        "signature by key {fingerprint} is genuine, but its time is {} s {} our clock, more than {tolerance_seconds} s",
        .skew_seconds.unsigned_abs(), if *.skew_seconds > 0 { "behind" } else { "ahead of" }
    )]
    Stale {
        /// The key that made it.
        fingerprint: KeyFingerprint,
        /// Our clock minus the signed time, in seconds; negative when the signed time lies ahead.
        skew_seconds: i64,
        /// The window that was exceeded.
        tolerance_seconds: u64,
    },
}

impl SignatureError {
    /// The stable code of this refusal, as rejections, problem bodies and `events verify` show it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { header } if *header == SIGNATURE_HEADER => "signature_missing",
            Self::Missing { .. } => "timestamp_missing",
            Self::Repeated { .. } => "signature_repeated",
            Self::MalformedSignature => "signature_malformed",
            Self::MalformedTimestamp => "timestamp_malformed",
            Self::NoMatch { .. } => "signature_mismatch",
            Self::Stale { .. } => "timestamp_stale",
        }
    }
}

fn keys_phrase(keys: &[KeyFingerprint]) -> String {
    match keys {
        [] => "no key is configured, one".to_owned(),
        [one] => format!("key {one}"),
        many => {
            format!("one of the keys {}", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The two signature headers of one request, decoded.
#[derive(Debug, Clone)]
pub struct SignatureHeaders<'a> {
    signature: Signature,
    timestamp_text: &'a str,
    timestamp: i64,
}

impl<'a> SignatureHeaders<'a> {
    /// Takes every value of both headers and insists on exactly one well-formed value of each.
    pub fn read(
        signatures: impl IntoIterator<Item = &'a [u8]>,
        timestamps: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, SignatureError> {
        let signature = exactly_one(signatures, SIGNATURE_HEADER)?;
        let timestamp = exactly_one(timestamps, TIMESTAMP_HEADER)?;
        let signature = decode(signature).ok_or(SignatureError::MalformedSignature)?;
        let timestamp_text = digits(timestamp).ok_or(SignatureError::MalformedTimestamp)?;
        let timestamp = timestamp_text.parse().map_err(|_| SignatureError::MalformedTimestamp)?;
        Ok(Self { signature, timestamp_text, timestamp })
    }

    /// The signed time in Unix seconds.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }
}

fn exactly_one<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    header: &'static str,
) -> Result<&'a [u8], SignatureError> {
    let mut values = values.into_iter();
    let first = values.next().ok_or(SignatureError::Missing { header })?;
    match values.next() {
        None => Ok(first),
        Some(_) => Err(SignatureError::Repeated { header }),
    }
}

fn decode(signature: &[u8]) -> Option<Signature> {
    let mut bytes = [0; DECODED_BYTES];
    let length = STANDARD.decode_slice(signature, &mut bytes).ok()?;
    Some(Signature::from_bytes(bytes[..length].try_into().ok()?))
}

fn digits(value: &[u8]) -> Option<&str> {
    let plausible = (1..=MAX_TIMESTAMP_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    if plausible { std::str::from_utf8(value).ok() } else { None }
}

/// What is known once a request has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The key that made the signature.
    pub fingerprint: KeyFingerprint,
    /// Our clock minus the signed time, in seconds.
    pub skew_seconds: i64,
}

/// Checks a request against every configured key, then its time against the window (ends included).
///
/// The signature is looked at first, so that a genuine request with a stale time is told from a forged one.
pub fn verify(
    headers: &SignatureHeaders<'_>,
    body: &[u8],
    keys: &[PublicKey],
    now_unix: i64,
    tolerance_seconds: u64,
) -> Result<Verified, SignatureError> {
    let made = |key: &&PublicKey| key.made(&headers.signature, headers.timestamp_text, body);
    let Some(key) = keys.iter().find(made) else {
        return Err(SignatureError::NoMatch {
            keys: keys.iter().map(PublicKey::fingerprint).collect(),
            timestamp: headers.timestamp_text.to_owned(),
            body_bytes: body.len(),
            body_sha256: hex(digest(&SHA256, body).as_ref()),
        });
    };
    let skew_seconds = now_unix.saturating_sub(headers.timestamp);
    if skew_seconds.unsigned_abs() > tolerance_seconds {
        return Err(SignatureError::Stale { fingerprint: key.fingerprint, skew_seconds, tolerance_seconds });
    }
    Ok(Verified { fingerprint: key.fingerprint, skew_seconds })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod edge_cases;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032 section 7.1, TEST 1 secret key: an outside vector, so that sign and verify cannot agree on a mistake.
    const RFC_SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const RFC_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    // The encodings of points of small order, sign bit cleared: the table that libsodium refuses as `has_small_order`.
    const SMALL_ORDER: [[u8; KEY_BYTES]; 7] = [
        [0; KEY_BYTES],
        with_ends(0x01, 0x00, 0x00),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        with_ends(0xec, 0xff, 0x7f),
        with_ends(0xed, 0xff, 0x7f),
        with_ends(0xee, 0xff, 0x7f),
    ];

    const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; KEY_BYTES] {
        let mut bytes = [middle; KEY_BYTES];
        bytes[0] = first;
        bytes[KEY_BYTES - 1] = last;
        bytes
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(&unhex(RFC_SEED).try_into().unwrap()).unwrap()
    }

    fn check(signature: &str, timestamp: &str, body: &[u8], now: i64) -> Result<Verified, SignatureError> {
        let headers = SignatureHeaders::read([signature.as_bytes()], [timestamp.as_bytes()])?;
        verify(&headers, body, &[key().public().clone()], now, DEFAULT_TOLERANCE_SECONDS)
    }

    #[test]
    fn key_of_a_seed_is_the_one_in_rfc_8032() {
        assert_eq!(hex(key().public().verifying.as_bytes()), RFC_PUBLIC);
    }

    #[test]
    fn signature_made_by_another_implementation_verifies() {
        // Made with PyNaCl: SigningKey(seed).sign(b"1700000000|" + body), base64.
        let signature = include_str!("../testdata/pynacl-signature.txt").trim();
        assert!(check(signature, "1700000000", b"{\n  \"data\": {}\n}", 1_700_000_000).is_ok());
    }

    #[test]
    fn window_includes_its_ends() {
        let signature = key().sign(1_000_000, b"x");
        for (now, fresh) in [(1_000_300, true), (999_700, true), (1_000_301, false), (999_699, false)] {
            assert_eq!(check(&signature, "1000000", b"x", now).is_ok(), fresh, "{now}");
        }
    }

    #[test]
    fn stale_signature_is_told_from_a_forged_one() {
        let signature = key().sign(1, b"x");
        assert!(matches!(
            check(&signature, "1", b"x", 9_999),
            Err(SignatureError::Stale { skew_seconds: 9_998, .. })
        ));
        assert!(matches!(check(&signature, "1", b"y", 9_999), Err(SignatureError::NoMatch { .. })));
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = key().sign(5, b"x");
        let url_safe = good.replace('+', "-").replace('/', "_");
        for bad in
            ["", " ", "AAAA", good.trim_end_matches('='), &format!("{good} "), &format!("{good},{good}")]
        {
            assert_eq!(check(bad, "5", b"x", 5), Err(SignatureError::MalformedSignature), "{bad}");
        }
        if url_safe != good {
            assert_eq!(check(&url_safe, "5", b"x", 5), Err(SignatureError::MalformedSignature));
        }
        for bad in ["", "+5", "-5", " 5", "5 ", "5.0", "1e9", "NaN", "0x5", "1234567890123", "٥"] {
            assert_eq!(check(&good, bad, b"x", 5), Err(SignatureError::MalformedTimestamp), "{bad}");
        }
    }

    #[test]
    fn signature_with_stray_trailing_bits_is_refused() {
        // The last base64 digit of 64 bytes carries four unused bits; only zero is canonical.
        let good = key().sign(5, b"x");
        let stray = format!("{}B==", &good[..85]);
        assert_ne!(stray, good);
        assert_eq!(check(&stray, "5", b"x", 5), Err(SignatureError::MalformedSignature));
    }

    #[test]
    fn missing_and_repeated_headers_are_told_apart() {
        let none: [&[u8]; 0] = [];
        let missing = SignatureHeaders::read(none, [b"1".as_slice()]).unwrap_err();
        assert_eq!(missing.code(), "signature_missing");
        let missing = SignatureHeaders::read([b"x".as_slice()], none).unwrap_err();
        assert_eq!(missing.code(), "timestamp_missing");
        let repeated = SignatureHeaders::read([b"x".as_slice(), b"x"], [b"1".as_slice()]).unwrap_err();
        assert_eq!(repeated.code(), "signature_repeated");
    }

    #[test]
    fn any_of_several_keys_verifies() {
        let other = SigningKey::from_seed(&[7; 32]).unwrap();
        let signature = other.sign(5, b"x");
        let headers = SignatureHeaders::read([signature.as_bytes()], [b"5".as_slice()]).unwrap();
        let keys = [key().public().clone(), other.public().clone()];
        let verified = verify(&headers, b"x", &keys, 5, 300).unwrap();
        assert_eq!(verified.fingerprint, other.public().fingerprint());
        assert!(matches!(verify(&headers, b"x", &[], 5, 300), Err(SignatureError::NoMatch { .. })));
    }

    #[test]
    fn keys_in_the_wrong_form_get_a_remedy() {
        let wrong = |text: &str| PublicKey::from_base64(text).unwrap_err();
        assert_eq!(wrong("-----BEGIN PUBLIC KEY-----\nMCow"), InvalidKey::Pem);
        assert_eq!(wrong(RFC_PUBLIC), InvalidKey::Hexadecimal);
        assert_eq!(wrong("hello"), InvalidKey::Base64);
        assert_eq!(wrong("AAAA"), InvalidKey::Length { length: 3 });
    }

    #[test]
    fn points_of_small_order_are_not_keys() {
        for mut point in SMALL_ORDER {
            assert_eq!(PublicKey::from_bytes(point).unwrap_err(), InvalidKey::SmallOrder);
            point[31] |= 0x80;
            assert_eq!(PublicKey::from_bytes(point).unwrap_err(), InvalidKey::SmallOrder);
        }
    }

    #[test]
    fn private_key_does_not_print_itself() {
        assert!(!format!("{:?}", key()).contains("9d61"));
    }

    proptest::proptest! {
        #[test]
        fn a_changed_bit_anywhere_is_refused(body in proptest::collection::vec(0u8.., 1..200), at in 0usize..1000) {
            let signature = key().sign(5, &body);
            let mut changed = body.clone();
            let bit = at % (8 * body.len());
            changed[bit / 8] ^= 1 << (bit % 8);
            proptest::prop_assert!(check(&signature, "5", &body, 5).is_ok());
            proptest::prop_assert!(check(&signature, "5", &changed, 5).is_err());
        }
    }
}
