//! Appends events to a file, one JSON object a line, and syncs before an event counts as delivered.
//!
//! The path is the operator's and taken as it is: symbolic links are followed, so that a link can turn to a new file
//! while Inlet runs. The file is opened for every event, which lets log rotation move it away at any time.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use super::{Ack, Deliver, Delivery, DeliveryFailure, DestinationError};
use crate::report::chain;

/// A file of JSON lines.
pub(super) struct FileDestination {
    path: PathBuf,
    // Held by a blocking thread while it writes one line; shared by all destinations with this path.
    lock: Arc<Mutex<()>>,
}

impl FileDestination {
    pub(super) fn new(
        url: &Url,
        locks: &Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
    ) -> Result<Self, DestinationError> {
        let path = path_of(url)?;
        let mut locks = locks.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(locks.entry(path.clone()).or_default());
        Ok(Self { path, lock })
    }
}

/// The path that a `file:` URL names.
pub(super) fn path_of(url: &Url) -> Result<PathBuf, DestinationError> {
    url.to_file_path().map_err(|()| DestinationError::NotAPath { url: url.to_string() })
}

#[async_trait]
impl Deliver for FileDestination {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Ack, DeliveryFailure> {
        let line = line(delivery).map_err(|error| DeliveryFailure::passing(chain(&error)))?;
        let (path, lock) = (self.path.clone(), Arc::clone(&self.lock));
        // A disk that hangs keeps this thread, not the slot: the caller stops waiting when the time is up.
        let writing = tokio::task::spawn_blocking(move || {
            let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            append(&path, &line)
        });
        match writing.await {
            Ok(Ok(())) => Ok(Ack::default()),
            Ok(Err(error)) => {
                let path = self.path.display();
                Err(DeliveryFailure::passing(format!("cannot append to `{path}`: {error}")))
            }
            Err(error) => Err(DeliveryFailure::passing(chain(&error))),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    event_id: &'a str,
    event_type: Option<&'a str>,
    received_at: String,
    source: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

fn line(delivery: &Delivery) -> Result<Vec<u8>, serde_json::Error> {
    let event = compact_json(&delivery.body);
    let body = event.is_none().then(|| STANDARD.encode(&delivery.body));
    let mut line = serde_json::to_vec(&Line {
        event_id: &delivery.event_id,
        event_type: delivery.event_type.as_deref(),
        received_at: delivery.received_at.to_string(),
        source: delivery.source,
        test: delivery.is_test,
        event,
        body,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The same tokens without the white space between them: numbers, escapes, the order of members and repeated keys
/// stay as they came. `None` when the bytes are not JSON.
fn compact_json(body: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    let mut compact = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in text.chars() {
        if in_string || !matches!(character, ' ' | '\t' | '\n' | '\r') {
            compact.push(character);
        }
        if escaped {
            escaped = false;
        } else if character == '"' {
            in_string = !in_string;
        } else {
            escaped = in_string && character == '\\';
        }
    }
    RawValue::from_string(compact).ok()
}

fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    if length > 0 && last_byte(&mut file)? != b'\n' {
        // A crash has cut the last line short; it must not swallow this one.
        file.write_all(b"\n")?;
    }
    let written = file.write_all(line).and_then(|()| file.sync_all());
    if written.is_err() {
        // Best effort: takes back half a line when the disk is full. The guard above copes if this fails too.
        let _ = file.set_len(length);
    }
    written?;
    if is_new { sync_folder(path) } else { Ok(()) }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // The lines hold what people wrote.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

// A new file's name is on stable storage only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use inlet_domain::Timestamp;
    use serde_json::Value;

    fn delivery(body: &'static [u8]) -> Delivery {
        Delivery {
            event_id: "e-1".into(),
            event_type: Some("message.received".into()),
            source: "telnyx",
            received_at: Timestamp::from_seconds(0),
            body: Bytes::from_static(body),
            attempt: 1,
            is_test: false,
            now: Timestamp::from_seconds(1),
        }
    }

    fn destination(path: &Path) -> FileDestination {
        FileDestination::new(&Url::from_file_path(path).unwrap(), &Mutex::default()).unwrap()
    }

    #[test]
    fn white_space_goes_and_every_token_stays() {
        let body = b"{\n  \"a b\" : [ 1.0e5, \"x \\\" \\\\\" ] ,\r\n\t\"a b\":null }";
        let compact = compact_json(body).unwrap();
        assert_eq!(compact.get(), r#"{"a b":[1.0e5,"x \" \\"],"a b":null}"#);
        assert!(
            compact_json(b"{").is_none() && compact_json(b"\xff").is_none() && compact_json(b"").is_none()
        );
    }

    #[tokio::test]
    async fn every_event_is_one_line_whatever_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let destination = destination(&path);
        for body in [&b"{\n \"data\": {}\n}"[..], b"\xff\n", b""] {
            destination.deliver(&delivery(body)).await.unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["event"], serde_json::json!({"data": {}}));
        assert_eq!(lines[0]["received_at"], "1970-01-01T00:00:00.000000Z");
        assert_eq!((&lines[1]["body"], &lines[2]["body"]), (&Value::from("/wo="), &Value::from("")));
    }

    #[tokio::test]
    async fn a_line_cut_short_by_a_crash_does_not_swallow_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{\"event_id\":\"hal").unwrap();
        destination(&path).deliver(&delivery(b"{}")).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(serde_json::from_str::<Value>(text.lines().last().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_written_is_a_failure_that_may_pass() {
        let folder = tempfile::tempdir().unwrap();
        let failure = destination(folder.path()).deliver(&delivery(b"{}")).await.unwrap_err();
        assert!(failure.error.contains("cannot append"), "{}", failure.error);
    }
}
