//! Bytes that the socket did not take yet.
//!
//! Output is written straight from a shared buffer; only what falls short is kept here. An idle
//! connection's queue holds no memory.

use crate::world::World;
use std::io;

/// The unsent tail of a connection's output, in order.
#[derive(Default)]
pub struct WriteQueue {
    bytes: Vec<u8>,
    sent: usize,
}

impl WriteQueue {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether the socket has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what waits, then `bytes`; keeps what the socket does not take. Returns how many bytes
    /// it took.
    pub fn write<W: World>(
        &mut self,
        world: &mut W,
        socket: &mut W::Socket,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let waiting = self.len();
        let mut taken = 0;
        if waiting > 0 {
            taken = write_all(world, socket, &self.bytes[self.sent..])?;
            self.sent += taken;
            if taken == waiting {
                *self = WriteQueue::default();
            }
        }
        if self.is_empty() && !bytes.is_empty() {
            let direct = write_all(world, socket, bytes)?;
            taken += direct;
            self.bytes.extend_from_slice(&bytes[direct..]);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(taken)
    }
}

/// Writes until everything is taken or the socket would block.
fn write_all<W: World>(world: &mut W, socket: &mut W::Socket, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match world.write(socket, &bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => written += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
