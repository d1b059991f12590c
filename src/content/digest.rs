//! The hash of a file's content, computed from the bytes that pass on their way to a client.

use xxhash_rust::xxh3::Xxh3;

/// Progress of the hash of a file's content.
#[derive(Default)]
pub(crate) enum Digest {
    /// No byte has passed since the hash was last given up.
    #[default]
    Unknown,
    /// The first bytes have passed.
    Partial(Box<Partial>),
    /// All bytes have passed. The file may have changed meanwhile.
    Whole(u128),
    /// All bytes have passed, and the file has not changed.
    Known(u128),
}

/// The hash of a file's first bytes.
pub(crate) struct Partial {
    state: Xxh3,
    passed: u64,
}

impl Digest {
    /// Number of bytes that have passed, if more are to come.
    pub(crate) fn passed(&self) -> Option<u64> {
        match self {
            Digest::Unknown => Some(0),
            Digest::Partial(partial) => Some(partial.passed),
            Digest::Whole(_) | Digest::Known(_) => None,
        }
    }

    /// The hash, once it is known.
    pub(crate) fn known(&self) -> Option<u128> {
        match self {
            Digest::Known(hash) => Some(*hash),
            _ => None,
        }
    }

    /// Hashes bytes that pass: those from `offset` on, of a file of `len` bytes. Bytes that passed
    /// before are left out, and bytes behind a gap are ignored.
    pub(crate) fn pass(&mut self, offset: u64, bytes: &[u8], len: u64) {
        let Some(passed) = self.passed() else { return };
        let before = passed
            .checked_sub(offset)
            .and_then(|before| usize::try_from(before).ok());
        let Some(new) = before.and_then(|before| bytes.get(before..)) else {
            return;
        };
        if new.is_empty() {
            return;
        }
        if let Digest::Unknown = self {
            let state = Xxh3::new();
            *self = Digest::Partial(Box::new(Partial { state, passed: 0 }));
        }
        let Digest::Partial(partial) = self else {
            return;
        };
        partial.state.update(new);
        partial.passed += new.len() as u64;
        if partial.passed == len {
            *self = Digest::Whole(partial.state.digest128());
        }
    }

    /// Confirms the hash, after a look at the file that found it unchanged.
    pub(crate) fn confirm(&mut self) {
        if let Digest::Whole(hash) = self {
            *self = Digest::Known(*hash);
        }
    }

    /// Gives up the hash, because the file has changed: the bytes that passed may be of two versions.
    pub(crate) fn give_up(&mut self) {
        *self = Digest::Unknown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn bytes_count_once_however_often_they_pass_and_in_their_order_only() {
        let content: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
        let len = content.len() as u64;
        let mut digest = Digest::default();
        // The bytes come behind a gap, repeated, overlapping, and in pieces of odd lengths.
        digest.pass(7, &content[7..100], len);
        assert_eq!(digest.passed(), Some(0));
        let mut at = 0;
        while at < content.len() {
            let end = (at + 777).min(content.len());
            digest.pass(at as u64, &content[at..end], len);
            digest.pass(
                at.saturating_sub(99) as u64,
                &content[at.saturating_sub(99)..end],
                len,
            );
            at = end;
        }
        assert_eq!((digest.passed(), digest.known()), (None, None));
        digest.confirm();
        assert_eq!(digest.known(), Some(xxh3_128(&content)));
        digest.give_up();
        assert_eq!((digest.passed(), digest.known()), (Some(0), None));
    }
}
