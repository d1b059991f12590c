//! Output on its way to the socket: the room for it, sealing, writing, and the lines of the log that wait for it.

use super::{Connection, OutputRoom, Phase};
use crate::exchange::RequestKey;
use crate::h1::ContentEnd;
use crate::link::{Stall, WriteError};
use crate::server::config::Limits;
use crate::server::turn::Turn;
use crate::tls::records::WireBuffer;
use crate::world::{Files, Outside};
use std::io;

impl<K, F: Files> Connection<K, F> {
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

    /// Sends the protocol's output, through TLS if there is TLS. The end goes along with the last of it, within TLS with
    /// the word that nothing follows: both in one packet, because the turn ends our direction behind it.
    pub(super) fn send(
        &mut self,
        output: &[u8],
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        if output.is_empty() && turn.splices.is_empty() {
            return Ok(());
        }
        // Behind a part of content that the end would complete, the end is another one.
        let is_last = self.phase.protocol_mut().is_some_and(|protocol| {
            protocol.is_over() && protocol.content_end() != ContentEnd::Missing
        });
        if !self.link.is_secure() {
            if is_last {
                self.link.seal_end(wire);
            }
            return self.flush(output, world, turn);
        }
        if self.link.has_told_end() {
            // Only HTTP/2 has words left then, and an answer to none of them is owed any more.
            turn.splices.clear();
            return Ok(());
        }
        if let Err(error) = self.link.seal(output, turn.splices, wire) {
            // What was sealed before the error must not reach another connection in the same turn.
            wire.clear();
            return Err(io::Error::other(error));
        }
        if is_last {
            self.link.seal_end(wire);
        }
        self.flush_records(wire, world, turn)
    }

    /// Sends the records that were sealed, if there are any.
    pub(super) fn flush_records(
        &mut self,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        if wire.filled().is_empty() {
            return Ok(());
        }
        let flushed = self.flush(wire.filled(), world, turn);
        wire.clear();
        flushed
    }

    /// Writes what waits, then `bytes`, and watches over the progress of what still waits.
    pub(super) fn flush(
        &mut self,
        bytes: &[u8],
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
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
            self.link.await_room(world, turn.token)?;
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
    pub(super) fn log_ended(&mut self, world: &Outside<K, F>, turn: &mut Turn<'_, F>) {
        let Some(log) = &mut turn.services.log else {
            return;
        };
        // Samples do without the time to the first byte.
        if turn.services.told_from == 0
            && let Some(protocol) = self.phase.protocol_mut()
        {
            protocol.note_first_bytes(&mut || world.now());
        }
        if !self.link.unsent().is_empty() {
            if log.has_ended() {
                log.keep_ended(&mut self.unlogged, turn.services.began);
            }
        } else if log.has_ended() || !self.unlogged.is_empty() {
            log.record_ended(&mut self.unlogged, world.now());
        }
    }
}
