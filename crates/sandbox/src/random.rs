//! Everything random in the sandbox, derived from its seed: equal seeds and equal calls give equal results.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// A seed and how often each purpose has drawn from it. Each purpose has its own sequence.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Randomness {
    #[serde(skip)]
    seed: [u8; 32],
    drawn: BTreeMap<Cow<'static, str>, u64>,
}

impl Randomness {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: BTreeMap::new() }
    }

    /// Goes on where a snapshot was taken, with a seed.
    pub(crate) fn resume(&mut self, seed: [u8; 32]) {
        self.seed = seed;
    }

    /// The next identifier of a sequence, in the form of a random UUID.
    pub(crate) fn uuid(&mut self, purpose: &'static str) -> String {
        uuid(self.draw(purpose))
    }

    /// The next 32 hexadecimal digits of a sequence.
    pub(crate) fn hex(&mut self, purpose: &'static str) -> String {
        hex(&self.draw(purpose)[..16])
    }

    /// Whether something of this probability happens now.
    pub(crate) fn happens(&mut self, purpose: &'static str, probability: f64) -> bool {
        self.fraction(purpose) < probability
    }

    /// Whether something of this probability happens on one occasion, whatever happens on others.
    pub(crate) fn happens_at(&self, occasion: &str, probability: f64) -> bool {
        fraction(derive(&self.seed, occasion)) < probability
    }

    /// The next number of a sequence, from 0 up to but not including 1.
    pub(crate) fn fraction(&mut self, purpose: &'static str) -> f64 {
        fraction(self.draw(purpose))
    }

    /// A duration from nothing up to a limit.
    pub(crate) fn duration(&mut self, purpose: &'static str, limit: Duration) -> Duration {
        if limit.is_zero() { limit } else { limit.mul_f64(self.fraction(purpose)) }
    }

    fn draw(&mut self, purpose: &'static str) -> [u8; 32] {
        let count = self.drawn.entry(Cow::Borrowed(purpose)).or_default();
        *count += 1;
        block(&self.seed, purpose, *count)
    }
}

fn fraction(bytes: [u8; 32]) -> f64 {
    let [first, second, third, fourth, ..] = bytes;
    f64::from(u32::from_be_bytes([first, second, third, fourth])) / (f64::from(u32::MAX) + 1.0)
}

/// Thirty-two bytes that belong to a seed and a purpose.
pub(crate) fn derive(seed: &[u8; 32], purpose: &str) -> [u8; 32] {
    block(seed, purpose, 0)
}

/// Bytes in the form of a random UUID (version 4, variant 1).
pub(crate) fn uuid(bytes: [u8; 32]) -> String {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let digits = hex(&id);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// Lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

fn block(seed: &[u8; 32], purpose: &str, count: u64) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(seed);
    context.update(purpose.as_bytes());
    context.update(&[0]);
    context.update(&count.to_be_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences_and_purposes_do_not_disturb_each_other() {
        let (mut one, mut two) = (Randomness::new([7; 32]), Randomness::new([7; 32]));
        two.hex("other");
        assert_eq!(one.uuid("event"), two.uuid("event"));
        assert_ne!(one.uuid("event"), two.uuid("message"));
    }

    #[test]
    fn uuids_have_version_and_variant() {
        let id = Randomness::new([1; 32]).uuid("event");
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert!("89ab".contains(&id[19..20]));
    }

    #[test]
    fn certain_things_happen_and_impossible_ones_do_not() {
        let mut random = Randomness::new([2; 32]);
        assert!((0..100).all(|_| random.happens("fault", 1.0)));
        assert!(!(0..100).any(|_| random.happens("fault", 0.0)));
    }
}
