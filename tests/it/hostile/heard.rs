//! Answers of a server to a probe, parsed as they come.

use super::link::Link;
use super::probe::Answered;
use crate::raw_h2;
use std::time::{Duration, Instant};

/// Length of the header of a frame (RFC 9113 §4.1).
const HEADER: usize = 9;

/// The bytes that came, parsed as far as they are whole.
#[derive(Default)]
pub struct Heard {
    bytes: Vec<u8>,
    answered: Answered,
}

impl Heard {
    /// Reads for the time `wait`. Returns false if the server has closed.
    pub fn listen(&mut self, link: &mut Link, wait: Duration) -> bool {
        let start = Instant::now();
        let mut buffer = [0; 16 << 10];
        loop {
            match link.read(&mut buffer) {
                Ok(0) => return false,
                Ok(len) => self.take(&buffer[..len]),
                Err(error) if super::link::is_patient(&error) => {
                    if self.answered.goaway.is_some() && wait < Duration::from_millis(50) {
                        // The end follows, and no later bytes are of use.
                        return false;
                    }
                    if start.elapsed() >= wait {
                        return true;
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
                Err(_) => return false,
            }
        }
    }

    /// The answers so far.
    pub fn answered(&self) -> &Answered {
        &self.answered
    }

    /// The answers, with the number of frames until the end.
    pub fn tell(self, frames: Option<usize>) -> Answered {
        Answered {
            frames,
            ..self.answered
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if let Some(line) = self.bytes.strip_prefix(b"HTTP/1.1 ") {
            let digits = line
                .get(..3)
                .and_then(|text| std::str::from_utf8(text).ok());
            let status = digits.and_then(|text| text.parse().ok());
            self.answered.status = self.answered.status.or(status);
            self.bytes.truncate(12);
            return;
        }
        while let Some(header) = self.bytes.get(..HEADER) {
            let len = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let kind = header[3];
            let Some(payload) = self.bytes.get(HEADER..HEADER + len) else {
                return;
            };
            let code = |at: usize| {
                let code = payload.get(at..at + 4)?.try_into().ok()?;
                Some(u32::from_be_bytes(code))
            };
            let answered = &mut self.answered;
            match kind {
                raw_h2::GOAWAY => answered.goaway = answered.goaway.or(code(4)),
                raw_h2::RST_STREAM => answered.reset = answered.reset.or(code(0)),
                raw_h2::HEADERS => answered.status = status(payload).or(answered.status),
                _ => {}
            }
            self.bytes.drain(..HEADER + len);
        }
    }
}

/// The status at the front of a field block (RFC 7541 Appendix A, §6).
fn status(block: &[u8]) -> Option<u16> {
    // Changes of the table's size come first.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    match block[start] {
        indexed @ 0x88..=0x8e => {
            const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
            Some(STATUSES[usize::from(indexed - 0x88)])
        }
        _ => {
            let digits = block.get(start + 2..start + 5)?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        }
    }
}
