//! Answers of HTTP/2, counted as they pass by.

use crate::raw_h2;

const HEADER: usize = 9;

/// Counts streams that the server has ended.
#[derive(Default)]
pub struct Answers {
    /// Number of streams that the server has ended so far.
    pub ended: u64,
    header: Vec<u8>,
    /// Number of bytes that are left of a frame's payload.
    payload: usize,
}

impl Answers {
    /// Reads the next bytes of a connection.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let (more, rest) = bytes.split_at(bytes.len().min(HEADER - self.header.len()));
            self.header.extend(more);
            bytes = rest;
            if let [a, b, c, kind, flags, ..] = self.header[..]
                && self.header.len() == HEADER
            {
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                let ends = match kind {
                    raw_h2::HEADERS | raw_h2::DATA => flags & raw_h2::END_STREAM != 0,
                    raw_h2::RST_STREAM => true,
                    _ => false,
                };
                self.ended += u64::from(ends);
                self.header.clear();
            }
        }
    }
}
