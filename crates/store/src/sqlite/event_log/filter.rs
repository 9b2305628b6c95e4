//! A Bloom filter over hashes: says that a hash is new without looking for it.

/// The key under which an event is found: half of the SHA-256 of its id.
pub(in crate::sqlite) type Key = [u8; 16];

// Two bytes a key. With 7 bits set in one block this leaves about 1 false yes in 700 (measured by the test below).
const BITS_PER_KEY: usize = 16;
// One cache line, so that a look costs one miss.
const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: usize = BLOCK_WORDS * 64;
const BITS_SET: u32 = 7;
// Nine bits choose among the 512 of a block.
const BITS_TO_CHOOSE: u32 = BLOCK_BITS.ilog2();

/// A blocked Bloom filter. Keys are hashes already, so they are not hashed again.
pub(super) struct Filter {
    blocks: Vec<[u64; BLOCK_WORDS]>,
}

impl Filter {
    /// An empty filter for so many keys. More of them make more false yeses, never a false no.
    pub(super) fn for_keys(count: usize) -> Self {
        let blocks = (count * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1);
        Self { blocks: vec![[0; BLOCK_WORDS]; blocks] }
    }

    pub(super) fn add(&mut self, key: &Key) {
        let (block, choices) = self.place(key);
        bits(choices).for_each(|(word, bit)| self.blocks[block][word] |= bit);
    }

    /// False: the key was never added. True: look for it.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        let (block, choices) = self.place(key);
        bits(choices).all(|(word, bit)| self.blocks[block][word] & bit != 0)
    }

    fn place(&self, key: &Key) -> (usize, u64) {
        let whole = u128::from_le_bytes(*key);
        let (choices, place) = (whole as u64, (whole >> 64) as u64);
        // The upper half of a product is evenly spread over the blocks, without a division.
        let block = (u128::from(place) * self.blocks.len() as u128) >> 64;
        (block as usize, choices)
    }
}

fn bits(choices: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS_SET).map(move |number| {
        let bit = (choices >> (number * BITS_TO_CHOOSE)) as usize % BLOCK_BITS;
        (bit / 64, 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    fn key(number: u64) -> Key {
        digest(&SHA256, &number.to_le_bytes()).as_ref()[..16].try_into().unwrap()
    }

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_affirmed() {
        const KEYS: u64 = 100_000;
        let mut filter = Filter::for_keys(KEYS as usize);
        (0..KEYS).for_each(|number| filter.add(&key(number)));
        assert!((0..KEYS).all(|number| filter.may_hold(&key(number))));
        let wrong = (KEYS..2 * KEYS).filter(|number| filter.may_hold(&key(*number))).count();
        assert!(wrong < KEYS as usize / 300, "{wrong} false yeses");
    }

    #[test]
    fn an_empty_filter_denies_everything() {
        assert!(!(0..1_000).any(|number| Filter::for_keys(0).may_hold(&key(number))));
    }
}
