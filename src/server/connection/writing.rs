//! Output on its way to the socket: the room for it, sealing, writing, and the lines of the log that wait for it.

use super::{Connection, OutputRoom, Phase};
use crate::exchange::RequestKey;
use crate::link::{Stall, WriteError};
use crate::server::config::Limits;
use crate::server::turn::Turn;
use crate::tls::records::WireBuffer;
use crate::world::World;
use std::io;

impl<W: World> Connection<W> {
    /// Room for output: for a piece of this size, or behind output that waits.
    pub(super) fn output_room(&self, piece: usize, limits: &Limits) -> OutputRoom {
        let unsent = self.link.unsent();
        if unsent.is_empty() {
            return OutputRoom::Piece(piece);
        }
        let most = limits.output_bytes + limits.answer_bytes;
        match most.saturating_sub(unsent.held()) {
            0 => OutputRoom::None,
            left => OutputRoom::Answers(left),
        }
    }

    /// Sends the protocol's output, through TLS if there is TLS.
    pub(super) fn send(
        &mut self,
        output: &[u8],
        wire: &mut WireBuffer,
        world: &mut W,
        turn: &mut Turn<'_, W::Files>,
    ) -> io::Result<()> {
        if output.is_empty() && turn.splices.is_empty() {
            return Ok(());
        }
        if !self.link.is_secure() {
            return self.flush(output, world, turn);
        }
        wire.clear();
        let sealed = self.link.seal(output, turn.splices, wire);
        sealed.map_err(io::Error::other)?;
        self.flush(wire.filled(), world, turn)
    }

    /// Writes what waits, then `bytes`, and watches over the progress of what still waits.
    pub(super) fn flush(
        &mut self,
        bytes: &[u8],
        world: &mut W,
        turn: &mut Turn<'_, W::Files>,
    ) -> io::Result<()> {
        if bytes.is_empty() && turn.splices.is_empty() && self.link.unsent().is_empty() {
            return Ok(());
        }
        let waited = !self.link.unsent().is_empty();
        let splices = &mut *turn.splices;
        let reads = turn.services.routes.reads();
        let written = self.link.write(world, reads, bytes, splices);
        let newly_taken = match written {
            Ok(taken) => taken,
            Err(WriteError::Socket(error)) => return Err(error),
            Err(WriteError::File { error, lost }) => {
                self.cut_off(error, lost, turn);
                return Ok(());
            }
        };
        self.watch.count(newly_taken);
        turn.services.traffic.sent += newly_taken as u64;
        #[cfg(feature = "panel")]
        if let Some(seen) = &mut self.seen {
            seen.count_sent(newly_taken);
        }
        if self.link.take_lack() {
            turn.await_disk(RequestKey::OUTPUT);
        }
        if waited {
            // A slow reader's progress: what it takes now was made long ago.
            turn.moved += newly_taken;
        }
        if !self.link.unsent().is_empty() {
            let stall = Stall::begin(turn.services.now, turn.services.timeouts.stall);
            self.link.watch_unsent(newly_taken, stall);
            if let Phase::Serving(serving) = &mut self.phase {
                serving.idle = None;
            }
        }
        self.log_ended(world, turn);
        Ok(())
    }

    /// Has the requests logged that have ended, if the kernel has the last of their bytes.
    pub(super) fn log_ended(&mut self, world: &W, turn: &mut Turn<'_, W::Files>) {
        let Some(log) = &mut turn.services.log else {
            return;
        };
        // Samples do without the time to the first byte.
        if turn.services.told_from == 0
            && let Some(protocol) = self.phase.protocol_mut()
        {
            protocol.note_first_bytes(&mut || world.now());
        }
        match self.link.unsent().is_empty() {
            true if log.has_ended() || !self.unlogged.is_empty() => {
                log.record_ended(&mut self.unlogged, world.now());
            }
            false if log.has_ended() => log.keep_ended(&mut self.unlogged, turn.services.began),
            _ => {}
        }
    }
}
