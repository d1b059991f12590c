//! Random numbers that a seed repeats.

use std::time::Duration;

/// SplitMix64: one word of state, good enough to scatter faults, and equal on every machine.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// Another sequence, independent of later draws from this one.
    pub fn fork(&mut self) -> Rng {
        Rng(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// A number up to `high` that is as likely to have few digits as many.
    pub fn scaled(&mut self, high: usize) -> usize {
        let bits = usize::BITS - high.leading_zeros();
        let bits = self.below(bits as usize + 1);
        self.below(1 << bits).min(high)
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.next() % 1000 < u64::from(per_mille)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A time up to `high`.
    pub fn pause(&mut self, high: Duration) -> Duration {
        Duration::from_micros(self.next() % (high.as_micros() as u64 + 1))
    }

    /// Bytes without repetitions: a random block again and again, numbered.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        const BLOCK: usize = 2048;
        let mut block = [0; BLOCK];
        for word in block[..len.min(BLOCK).next_multiple_of(8)].chunks_mut(8) {
            word.copy_from_slice(&self.next().to_le_bytes());
        }
        let mut bytes = Vec::with_capacity(len + BLOCK);
        while bytes.len() < len {
            block[0] = (bytes.len() / BLOCK) as u8;
            block[1] = (bytes.len() / BLOCK / 256) as u8;
            bytes.extend_from_slice(&block);
        }
        bytes.truncate(len);
        bytes
    }
}
