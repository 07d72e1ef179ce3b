//! The hash of the router's tables.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes short texts a few times faster than the standard library. The keys
/// are the rules', so a sender cannot make them collide.
pub(super) type FastHash = BuildHasherDefault<FastHasher>;

#[derive(Debug, Default)]
pub(super) struct FastHasher(u64);

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut eat = |word: u64| {
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        };
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            eat(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        eat(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write(&[byte]);
    }

    fn finish(&self) -> u64 {
        // The table uses the low and the top bits: spread the product's good middle ones.
        self.0 ^ (self.0 >> 29)
    }
}

/// The hash of a word or of a beginning.
pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(bytes);
    hasher.write_usize(bytes.len());
    hasher.finish()
}

/// For tables whose keys are hashes.
pub(super) type HashedAlready = BuildHasherDefault<Same>;

#[derive(Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_of(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
