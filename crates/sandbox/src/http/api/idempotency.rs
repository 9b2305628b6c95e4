//! Remembers what was answered to a request with an `Idempotency-Key`, so that its repeat has no second effect.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, World};
use crate::clock;
use crate::media::sha256;
use crate::refusal::Refusal;

/// Successful answers are replayed for up to a day (Telnyx's SDK).
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys that are remembered; beyond it the oldest go.
const CAPACITY: usize = 20_000;

/// A well-formed key, behind the path of the call that it was given to: elsewhere it is another key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// One to 255 letters, digits, `_`, `:` and `-`. The scope is the account and the path.
    pub(crate) fn parse(path: &str, value: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        match (1..=255).contains(&text.len()) && text.bytes().all(valid) {
            true => Ok(Self(format!("{path} {text}"))),
            false => Err(Refusal::new(
                "10015",
                "The header `Idempotency-Key` is not 1 to 255 of A-Z a-z 0-9 _ : -.",
            )),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    body_sha256: String,
    started_at: Timestamp,
    /// None while the first request is still being answered.
    answer: Option<Value>,
}

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Nobody asked before; it is now running.
    Run,
    /// It was done; here is what was answered.
    Replay(Value),
}

/// The keys of the last day.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct IdempotencyTable {
    entries: BTreeMap<IdempotencyKey, Entry>,
    oldest_first: VecDeque<IdempotencyKey>,
}

impl IdempotencyTable {
    /// Marks a request as running unless its key is known.
    pub(crate) fn begin(
        &mut self,
        key: &IdempotencyKey,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        let body_sha256 = sha256(body);
        self.forget_old(now);
        let Some(entry) = self.entries.get(key) else {
            self.oldest_first.push_back(key.clone());
            self.entries.insert(key.clone(), Entry { body_sha256, started_at: now, answer: None });
            return Ok(Verdict::Run);
        };
        if entry.body_sha256 != body_sha256 {
            return Err(Refusal::new("10027", "The `Idempotency-Key` was used with another body."));
        }
        match &entry.answer {
            Some(answer) => Ok(Verdict::Replay(answer.clone())),
            None => Err(Refusal::new("10012", "A request with this `Idempotency-Key` is still running.")),
        }
    }

    /// Goes on where a snapshot was taken: whoever was still being answered then may ask again.
    pub(crate) fn resume(&mut self) {
        self.entries.retain(|_, entry| entry.answer.is_some());
        self.oldest_first.retain(|key| self.entries.contains_key(key));
    }

    /// Keeps a successful answer.
    pub(crate) fn succeed(&mut self, key: &IdempotencyKey, answer: Value) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.answer = Some(answer);
        }
    }

    /// Forgets a request that failed or was abandoned: only successes are replayed.
    pub(crate) fn abandon(&mut self, key: &IdempotencyKey) {
        if self.entries.get(key).is_some_and(|entry| entry.answer.is_none()) {
            self.entries.remove(key);
            self.oldest_first.retain(|other| other != key);
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some(key) = self.oldest_first.front() {
            let old =
                self.entries.get(key).is_none_or(|entry| now >= clock::after(entry.started_at, LIFETIME));
            if !old && self.oldest_first.len() < CAPACITY {
                return;
            }
            self.entries.remove(key);
            self.oldest_first.pop_front();
        }
    }
}

/// A request under an idempotency key, or under none. Dropping it unfinished frees the key.
pub(crate) struct Running {
    account: Arc<Account>,
    key: Option<IdempotencyKey>,
    life: CancellationToken,
}

/// How a request under a key begins.
pub(crate) enum Begun {
    Running(Running),
    Replay(Value),
}

impl Running {
    /// Takes the key, or finds what was answered under it.
    pub(crate) fn begin(
        account: &Arc<Account>,
        key: Option<IdempotencyKey>,
        body: &[u8],
    ) -> Result<Begun, Refusal> {
        let now = account.clock.now();
        let (verdict, life) = account.quietly(|world| {
            let verdict =
                key.as_ref().map_or(Ok(Verdict::Run), |key| world.idempotency.begin(key, body, now));
            (verdict, world.life.clone())
        });
        match verdict? {
            Verdict::Replay(answer) => Ok(Begun::Replay(answer)),
            Verdict::Run => Ok(Begun::Running(Self { account: account.clone(), key, life })),
        }
    }

    /// Remembers the answer under the key.
    pub(crate) fn succeed(self, answer: &Value) {
        self.finish(|world, key| world.idempotency.succeed(key, answer.clone()));
    }

    fn finish(&self, finish: impl FnOnce(&mut World, &IdempotencyKey)) {
        let Some(key) = &self.key else { return };
        self.account.quietly(|world| {
            if !self.life.is_cancelled() {
                finish(world, key);
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a success this finds an answer and leaves it.
        self.finish(|world, key| world.idempotency.abandon(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> IdempotencyKey {
        IdempotencyKey::parse(path, b"k").unwrap()
    }

    #[test]
    fn keys_are_letters_digits_and_three_marks() {
        assert!(IdempotencyKey::parse("/messages", b"a-B_1:2").is_ok());
        for wrong in [&b""[..], b"a b", b"\xff", &[b'a'; 256]] {
            assert_eq!(IdempotencyKey::parse("/messages", wrong).unwrap_err().code(), "10015");
        }
    }

    #[test]
    fn a_key_runs_once_and_its_success_is_replayed_for_a_day() {
        let (mut table, key, now) = (IdempotencyTable::default(), key("/messages"), Timestamp::UNIX_EPOCH);
        assert!(matches!(table.begin(&key, b"x", now), Ok(Verdict::Run)));
        assert_eq!(table.begin(&key, b"x", now).unwrap_err().code(), "10012");
        table.succeed(&key, Value::Bool(true));
        assert!(matches!(table.begin(&key, b"x", now), Ok(Verdict::Replay(_))));
        assert_eq!(table.begin(&key, b"y", now).unwrap_err().code(), "10027");
        let elsewhere = super::tests::key("/messages/schedule");
        assert!(matches!(table.begin(&elsewhere, b"y", now), Ok(Verdict::Run)), "another call, another key");
        assert!(matches!(table.begin(&key, b"y", clock::after(now, LIFETIME)), Ok(Verdict::Run)));
    }

    #[test]
    fn a_failed_request_may_be_sent_again() {
        let (mut table, key, now) = (IdempotencyTable::default(), key("/messages"), Timestamp::UNIX_EPOCH);
        assert!(matches!(table.begin(&key, b"x", now), Ok(Verdict::Run)));
        table.abandon(&key);
        assert!(matches!(table.begin(&key, b"y", now), Ok(Verdict::Run)));
    }
}
