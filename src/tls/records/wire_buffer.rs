//! Sealed records on their way to the socket.
//!
//! Its bytes stay initialised: one of the [tricks that must not be
//! undone](crate#performance-tricks-that-must-not-be-undone).

/// A buffer whose bytes stay initialised, so that sealing into it costs no clearing.
#[derive(Default)]
pub struct WireBuffer {
    bytes: Vec<u8>,
    len: usize,
}

impl WireBuffer {
    /// An empty buffer that does not grow below this length.
    pub fn with_capacity(capacity: usize) -> Self {
        WireBuffer {
            bytes: Vec::with_capacity(capacity),
            len: 0,
        }
    }

    /// The bytes that were put in.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Forgets the bytes that were put in, and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// At least `room` spare bytes behind those that were put in.
    pub(super) fn spare(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() < self.len + room {
            self.bytes.resize(self.len + room, 0);
        }
        let (_, spare) = self.bytes.split_at_mut(self.len);
        spare
    }

    /// Counts the first `written` spare bytes as put in.
    pub(super) fn advance(&mut self, written: usize) {
        self.len = (self.len + written).min(self.bytes.len());
    }

    /// Puts `bytes` in unchanged.
    pub fn append(&mut self, bytes: &[u8]) {
        for (to, from) in self.spare(bytes.len()).iter_mut().zip(bytes) {
            *to = *from;
        }
        self.advance(bytes.len());
    }
}
