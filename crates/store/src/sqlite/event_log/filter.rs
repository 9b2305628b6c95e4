//! Bloom filters over the keys of generations: say of nearly every new key that no generation holds it.

/// The key under which an event is found: half of the SHA-256 of its id.
pub(in crate::sqlite) type Key = [u8; 16];

// Two bytes a key. With 7 bits set in one line this leaves about 1 false yes in 700 (measured by the test below).
const BITS_PER_KEY: usize = 16;
const BITS_SET: u32 = 7;
/// One cache line: what is asked of a filter stands in one of them.
type Line = [u64; 8];
const LINE_BITS: usize = 512;
const LINE_BYTES: usize = LINE_BITS / 8;
// Nine bits choose among the 512 of a line.
const BITS_TO_CHOOSE: u32 = LINE_BITS.ilog2();
/// Generations whose filters stand side by side.
const ABREAST: usize = 16;

/// Where a key stands in a filter. Keys are hashes already, so they are not hashed again.
struct Place {
    line: usize,
    bits: Line,
}

impl Place {
    fn of(key: &Key, lines: usize) -> Self {
        let whole = u128::from_le_bytes(*key);
        let (choices, place) = (whole as u64, (whole >> 64) as u64);
        // The upper half of a product is evenly spread over the lines, without a division.
        let line = ((u128::from(place) * lines as u128) >> 64) as usize;
        let mut bits = Line::default();
        for number in 0..BITS_SET {
            let bit = (choices >> (number * BITS_TO_CHOOSE)) as usize % LINE_BITS;
            bits[bit / 64] |= 1 << (bit % 64);
        }
        Self { line, bits }
    }

    fn is_in(&self, line: &Line) -> bool {
        line.iter().zip(&self.bits).all(|(line, bits)| line & bits == *bits)
    }
}

/// The filter of one generation.
pub(super) struct Filter {
    lines: Vec<Line>,
}

impl Filter {
    /// An empty filter for so many keys. More of them make more false yeses, never a false no.
    pub(super) fn for_keys(count: usize) -> Self {
        Self { lines: vec![Line::default(); lines_for(count)] }
    }

    pub(super) fn add(&mut self, key: &Key) {
        let place = Place::of(key, self.lines.len());
        self.lines[place.line].iter_mut().zip(place.bits).for_each(|(line, bits)| *line |= bits);
    }

    /// False: the key was never added.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        let place = Place::of(key, self.lines.len());
        place.is_in(&self.lines[place.line])
    }

    /// As it is stored: line by line, words in little-endian order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.lines.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A stored filter for so many keys; none if these bytes are none.
    pub(super) fn from_bytes(bytes: &[u8], count: usize) -> Option<Self> {
        let (lines, rest) = bytes.as_chunks::<LINE_BYTES>();
        let read = |line: &[u8; LINE_BYTES]| {
            let words = line.as_chunks::<8>().0;
            std::array::from_fn(|word| u64::from_le_bytes(words[word]))
        };
        let is_whole = rest.is_empty() && lines.len() == lines_for(count);
        is_whole.then(|| Self { lines: lines.iter().map(read).collect() })
    }
}

fn lines_for(keys: usize) -> usize {
    (keys * BITS_PER_KEY).div_ceil(LINE_BITS).max(1)
}

/// The filters of all generations. Those of sixteen stand side by side, line by line, so that asking all of them reads one
/// stretch of memory for every two million events.
pub(super) struct Filters {
    lines: usize,
    generations: usize,
    shelves: Vec<Vec<[Line; ABREAST]>>,
}

impl Filters {
    /// No filters, of generations of so many keys.
    pub(super) fn for_keys(count: usize) -> Self {
        Self { lines: lines_for(count), generations: 0, shelves: Vec::new() }
    }

    /// The filter of the next generation.
    pub(super) fn push(&mut self, filter: &Filter) {
        let abreast = self.generations % ABREAST;
        if abreast == 0 {
            self.shelves.push(vec![[Line::default(); ABREAST]; self.lines]);
        }
        let shelf = self.shelves.last_mut().into_iter().flatten();
        shelf.zip(&filter.lines).for_each(|(lines, line)| lines[abreast] = *line);
        self.generations += 1;
    }

    /// The generations in which a key may be, newest first. Mostly none; the first generation is number 1.
    pub(super) fn generations_that_may_hold(&self, key: &Key) -> impl Iterator<Item = i64> {
        let place = Place::of(key, self.lines);
        self.shelves.iter().enumerate().rev().flat_map(move |(shelf, lines)| {
            let abreast = (0..ABREAST).rev().filter(|abreast| place.is_in(&lines[place.line][*abreast]));
            // Collected, or each would borrow the place; and there are hardly any.
            abreast.map(|abreast| (shelf * ABREAST + abreast + 1) as i64).collect::<Vec<_>>()
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    const KEYS: u64 = 100_000;

    fn key(number: u64) -> Key {
        digest(&SHA256, &number.to_le_bytes()).as_ref()[..16].try_into().unwrap()
    }

    fn filter(keys: std::ops::Range<u64>) -> Filter {
        let mut filter = Filter::for_keys(KEYS as usize);
        keys.for_each(|number| filter.add(&key(number)));
        Filter::from_bytes(&filter.to_bytes(), KEYS as usize).unwrap()
    }

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_affirmed() {
        let mut filters = Filters::for_keys(KEYS as usize);
        filters.push(&filter(0..KEYS));
        let holds = |number: u64| filters.generations_that_may_hold(&key(number)).next() == Some(1);
        assert!((0..KEYS).all(holds));
        let wrong = (KEYS..2 * KEYS).filter(|number| holds(*number)).count();
        assert!(wrong < KEYS as usize / 300, "{wrong} false yeses");
    }

    #[test]
    fn each_generation_is_told_from_the_others_newest_first() {
        let mut filters = Filters::for_keys(KEYS as usize);
        assert_eq!(filters.generations_that_may_hold(&key(0)).count(), 0);
        for generation in 0..40 {
            // Each has a key of its own, and all have the first.
            let mut filter = filter(generation * 100 + 1..generation * 100 + 2);
            filter.add(&key(0));
            filters.push(&filter);
        }
        let found: Vec<i64> = filters.generations_that_may_hold(&key(0)).collect();
        assert_eq!(found, (1..=40).rev().collect::<Vec<_>>());
        for generation in 0..40 {
            let found: Vec<i64> = filters.generations_that_may_hold(&key(generation * 100 + 1)).collect();
            assert_eq!(found, [generation as i64 + 1]);
        }
    }

    #[test]
    fn bytes_of_another_length_are_no_filter() {
        let bytes = filter(0..1).to_bytes();
        assert!(Filter::from_bytes(&bytes[1..], KEYS as usize).is_none());
        assert!(Filter::from_bytes(&bytes, KEYS as usize * 2).is_none());
    }
}
