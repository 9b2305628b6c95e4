//! Randomness from the operating system, for ids and secrets.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use inlet_domain::Entropy;

/// The operating system's generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        SystemRandom::new().fill(buffer).expect("the operating system always has random bytes");
    }
}

/// Thirty-two random bytes: the seed of a key pair.
pub(crate) fn seed(entropy: &dyn Entropy) -> [u8; 32] {
    let mut seed = [0; 32];
    entropy.fill(&mut seed);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed(&SystemEntropy), seed(&SystemEntropy));
    }
}
