//! An observer of frames, compared with the bytes in both directions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::h2::frame::{FrameHeader, FrameType, HEADER_LEN, PREFACE};
use super::super::h2::{Connection, Direction, Role};

type Frames = Vec<(FrameHeader, Vec<u8>)>;

/// Frames that were shown of each direction.
#[derive(Default)]
struct Shown {
    received: Frames,
    sent: Frames,
}

/// An observer that remembers all that its connection shows it.
pub struct Witness {
    role: Role,
    shown: Arc<Mutex<Shown>>,
    /// All bytes that were received.
    arrived: Vec<u8>,
}

impl Witness {
    pub fn of(connection: &mut Connection) -> Self {
        let shown = Arc::<Mutex<Shown>>::default();
        let witness = Witness {
            role: connection.role(),
            shown: Arc::clone(&shown),
            arrived: Vec::new(),
        };
        connection.set_observer(Some(Box::new(move |direction, header, payload| {
            let mut shown = lock(&shown);
            let frames = match direction {
                Direction::Received => &mut shown.received,
                Direction::Sent => &mut shown.sent,
            };
            frames.push((header, payload.to_vec()));
        })));
        witness
    }

    pub fn arrive(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// Asserts that all sent bytes were shown, and all received bytes except the last `left`, unless
    /// the connection is closed and takes no more input.
    pub fn check(&self, sent: &[u8], left: usize, closed: bool) {
        let shown = lock(&self.shown);
        let sent = frames(sent.strip_prefix(PREFACE).unwrap_or(sent));
        assert!(shown.sent.len() == sent.len());
        for (shown, sent) in shown.sent.iter().zip(&sent) {
            // The payload of DATA that another hand sends is not shown.
            let elsewhere = shown.0.kind == FrameType::DATA && shown.1.is_empty();
            assert!(shown.0 == sent.0 && (elsewhere || shown.1 == sent.1));
        }
        let taken = &self.arrived[..self.arrived.len() - left];
        let taken = match self.role {
            Role::Server => taken.strip_prefix(PREFACE).unwrap_or_default(),
            Role::Client => taken,
        };
        let received = frames(taken);
        assert!(received.starts_with(&shown.received));
        assert!(closed || received == shown.received);
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frames(mut bytes: &[u8]) -> Frames {
    let mut frames = Vec::new();
    while let Some(header) = FrameHeader::decode(bytes) {
        let Some((frame, rest)) = bytes.split_at_checked(HEADER_LEN + header.len as usize) else {
            break;
        };
        frames.push((header, frame[HEADER_LEN..].to_vec()));
        bytes = rest;
    }
    frames
}
