//! Explains why a captured webhook does or does not verify.

use std::str::FromStr;

use inlet_domain::Timestamp;
use inlet_telnyx::{
    PublicKey, SIGNATURE_HEADER, SignatureError, SignatureHeaders, TIMESTAMP_HEADER, V1_SIGNATURE_HEADER,
    Verified, verify,
};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::{escape, time};

/// Of the year 9999; later ones have no usual date.
const LAST_SECOND: i64 = 253_402_300_799;

/// A header as written: `name: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    name: String,
    value: String,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not `name: value`"))?;
        Ok(Self { name: name.trim().to_ascii_lowercase(), value: value.trim().to_owned() })
    }
}

/// A captured webhook, and what to check it against.
pub(super) struct Capture {
    /// The body, byte for byte.
    pub(super) body: Vec<u8>,
    /// Its headers.
    pub(super) headers: Vec<Header>,
    /// The keys that may have signed it.
    pub(super) keys: Vec<PublicKey>,
    /// The Unix second to check at.
    pub(super) now: i64,
    /// Seconds that its time may differ.
    pub(super) tolerance: u64,
}

impl Capture {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |header| header.name == name);
        named.map(|header| header.value.as_bytes())
    }

    fn verify_body(&self, body: &[u8]) -> Result<Verified, SignatureError> {
        let headers = SignatureHeaders::read(self.values(SIGNATURE_HEADER), self.values(TIMESTAMP_HEADER))?;
        verify(&headers, body, &self.keys, self.now, self.tolerance)
    }
}

/// The verdict.
pub(super) struct Report {
    verdict: Result<Verified, SignatureError>,
    hint: String,
    body_bytes: usize,
    keys: Vec<String>,
    timestamp: Option<String>,
    now: i64,
}

/// Checks a capture and looks for the reason where it fails.
pub(super) fn check(capture: &Capture) -> Report {
    let verdict = capture.verify_body(&capture.body);
    let hint = verdict.as_ref().err().map(|error| hint(capture, error)).unwrap_or_default();
    let timestamp = capture.values(TIMESTAMP_HEADER).next();
    Report {
        verdict,
        hint,
        body_bytes: capture.body.len(),
        keys: capture.keys.iter().map(|key| key.fingerprint().to_string()).collect(),
        timestamp: timestamp.map(|value| String::from_utf8_lossy(value).into_owned()),
        now: capture.now,
    }
}

fn hint(capture: &Capture, error: &SignatureError) -> String {
    let text = match error {
        _ if capture.values(V1_SIGNATURE_HEADER).next().is_some() => {
            "this is webhook API version 1; set the messaging profile's webhook API version to 2"
        }
        SignatureError::Missing { .. } => "give both of Telnyx's headers with --header 'name: value'",
        SignatureError::Repeated { .. } => "a proxy may have doubled it; Telnyx sends each of the two once",
        SignatureError::MalformedSignature | SignatureError::MalformedTimestamp => {
            "copy the header's value whole, without quotes"
        }
        SignatureError::Stale { .. } => {
            "check an old capture at the time of its arrival with --now; if it is fresh, correct the clock"
        }
        SignatureError::NoMatch { .. } => return mismatch_hint(capture),
    };
    text.to_owned()
}

/// What commonly happens to a body between the wire and a file.
fn mismatch_hint(capture: &Capture) -> String {
    let verifies = |body: &[u8]| !matches!(capture.verify_body(body), Err(SignatureError::NoMatch { .. }));
    for (change, body) in likely_originals(&capture.body) {
        if verifies(&body) {
            return format!("it does verify {change}: the file is not what was received");
        }
    }
    "the key is another account's, or the body is not byte for byte what was received (parsed and written \
     again, decompressed, in another encoding)"
        .to_owned()
}

fn likely_originals(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut likely = Vec::new();
    let trimmed = body.trim_ascii();
    if trimmed.len() != body.len() {
        likely.push(("without the blanks and line ends around the body", trimmed.to_vec()));
    }
    likely.push(("with a line end at its end", [body, b"\n"].concat()));
    if let Some(rest) = body.strip_prefix(b"\xef\xbb\xbf") {
        likely.push(("without the byte order mark at its beginning", rest.to_vec()));
    }
    if body.contains(&b'\r') {
        let unix = body.iter().copied().filter(|byte| *byte != b'\r').collect();
        likely.push(("with line ends of Unix", unix));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        likely.push(("written as JSON in one line", value.to_string().into_bytes()));
        if let Ok(pretty) = serde_json::to_vec_pretty(&value) {
            likely.push(("written as indented JSON", pretty));
        }
    }
    likely
}

impl Report {
    /// What was checked, and the verdict when it is good.
    pub(super) fn facts(&self) -> String {
        let timestamp = self.timestamp.as_deref().unwrap_or("missing");
        let facts = format!(
            "body       {} bytes\ntimestamp  {}\nchecked at {}\nkeys       {}",
            self.body_bytes,
            moment(timestamp),
            moment(&self.now.to_string()),
            self.keys.join(", ")
        );
        match &self.verdict {
            Ok(verified) => format!("{facts}\nverifies   {}", phrase(verified)),
            Err(_) => facts,
        }
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Value {
        let facts = json!({ "body_bytes": self.body_bytes, "timestamp": self.timestamp, "now": self.now });
        let verdict = match &self.verdict {
            Ok(Verified { fingerprint, skew_seconds }) => json!({
                "verifies": true, "fingerprint": fingerprint.to_string(), "skew_seconds": skew_seconds,
            }),
            Err(error) => json!({
                "verifies": false, "code": error.code(), "reason": error.to_string(), "hint": self.hint,
            }),
        };
        let fields = [verdict, facts].into_iter().filter_map(|part| part.as_object().cloned());
        Value::Object(fields.flatten().collect())
    }

    /// The failure that says why it does not verify, if so.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        let Err(error) = self.verdict else { return Ok(()) };
        let message = format!("the request does not verify ({}): {error}", error.code());
        Err(Failure::new(Exit::NotVerified, message, self.hint))
    }
}

/// A Unix second, with its date for people.
fn moment(text: &str) -> String {
    let second = text.parse().ok().filter(|second| (0..=LAST_SECOND).contains(second));
    let date = second.map(|second| format!(" ({})", time(Timestamp::from_seconds(second))));
    format!("{}{}", escape(text), date.unwrap_or_default())
}

fn phrase(verified: &Verified) -> String {
    let Verified { fingerprint, skew_seconds } = verified;
    match skew_seconds {
        0 => format!("by key {fingerprint}, signed in that second"),
        1.. => format!("by key {fingerprint}, signed {skew_seconds} s before"),
        _ => format!("by key {fingerprint}, signed {} s after", skew_seconds.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use inlet_telnyx::SigningKey;

    use super::*;

    const BODY: &[u8] = b"{\n  \"data\": {}\n}";

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    fn capture(body: &[u8], now: i64) -> Capture {
        let headers = [
            format!("Telnyx-Signature-Ed25519: {}", key().sign(1_700_000_000, BODY)),
            "telnyx-timestamp: 1700000000".to_owned(),
            "content-type: application/json".to_owned(),
        ];
        Capture {
            body: body.to_vec(),
            headers: headers.iter().map(|text| text.parse().unwrap()).collect(),
            keys: vec![key().public().clone()],
            now,
            tolerance: 300,
        }
    }

    fn code(capture: &Capture) -> &'static str {
        check(capture).verdict.unwrap_err().code()
    }

    #[test]
    fn a_genuine_request_verifies_at_its_time() {
        let report = check(&capture(BODY, 1_700_000_003));
        let facts = report.facts();
        assert!(facts.contains("timestamp  1700000000 (2023-11-14T22:13:20Z)\n"), "{facts}");
        assert!(facts.ends_with("signed 3 s before"), "{facts}");
        assert_eq!(report.to_json()["verifies"], true);
        assert!(report.into_result().is_ok());
    }

    #[test]
    fn a_time_has_its_date_where_there_is_one() {
        assert_eq!(moment("1700000000"), "1700000000 (2023-11-14T22:13:20Z)");
        for text in ["9223372036854775807", "253402300800", "-1", "soon"] {
            assert_eq!(moment(text), text);
        }
    }

    #[test]
    fn an_old_capture_is_told_from_a_forged_one() {
        let capture = capture(BODY, 1_700_000_301);
        assert_eq!(code(&capture), "timestamp_stale");
        assert!(check(&capture).hint.contains("--now"));
    }

    #[test]
    fn a_body_that_an_editor_changed_is_recognised() {
        for (body, expected) in [
            (&b"{\n  \"data\": {}\n}\n"[..], "without the blanks and line ends"),
            (b"{\r\n  \"data\": {}\r\n}", "line ends of Unix"),
            (b"{\"data\":{}}", "indented JSON"),
            (b"\xef\xbb\xbf{\n  \"data\": {}\n}", "byte order mark"),
        ] {
            let report = check(&capture(body, 1_700_000_000));
            assert!(report.hint.contains(expected), "{expected}: {}", report.hint);
            assert_eq!(report.into_result().unwrap_err().exit(), Exit::NotVerified);
        }
        assert!(check(&capture(b"{}", 1_700_000_000)).hint.contains("another account"));
    }

    #[test]
    fn headers_that_are_missing_or_doubled_are_named() {
        let mut one = capture(BODY, 1_700_000_000);
        one.headers.remove(1);
        assert_eq!(code(&one), "timestamp_missing");
        let mut two = capture(BODY, 1_700_000_000);
        two.headers.push("telnyx-timestamp: 1700000000".parse().unwrap());
        assert_eq!(code(&two), "signature_repeated");
        assert!("no colon".parse::<Header>().is_err());
    }
}
