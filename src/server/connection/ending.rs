//! The end of a connection: its last words, and their arrival.

use super::{Connection, Phase, Serving, Wish};
use crate::content::BodyError;
use crate::exchange::Failure;
use crate::h1::ContentEnd;
use crate::server::protocol::Protocol;
use crate::server::turn::Turn;
use crate::telemetry::access_log::LostOutput;
use crate::tls::records::WireBuffer;
use crate::world::{Files, Outside};
use std::io;

impl<K, F: Files> Connection<K, F> {
    /// Sends what the protocol still has to say, and closes.
    pub(super) fn finish(&mut self, world: &mut Outside<K, F>, turn: &mut Turn<'_, F>) -> Wish {
        let output = self.take_output();
        let Some(buffers) = turn.buffers.take() else {
            debug_assert!(false, "an end is no part of a turn");
            return self.close(world, turn);
        };
        buffers.wire.clear();
        let sent = self.send(&output, &mut buffers.wire, world, turn);
        turn.buffers = Some(buffers);
        self.phase.stop();
        match sent {
            Ok(()) => self.take_turn(world, turn),
            Err(_) => self.close(world, turn),
        }
    }

    /// Takes the protocol's output.
    fn take_output(&mut self) -> Vec<u8> {
        let protocol = self.phase.protocol_mut();
        protocol.map_or(Vec::new(), Protocol::take_output)
    }

    /// Nothing can follow what was sent. That is let arrive: closing at once, with input unread, would
    /// be a reset, and could take complete responses away from the peer (RFC 9112 §9.6).
    ///
    /// The `lost` bytes of output may be more than one response's: the lines of all of them say so.
    pub(super) fn cut_off(&mut self, error: BodyError, lost: usize, turn: &mut Turn<'_, F>) {
        let failure = Failure::from(error);
        turn.services.report_cut(self.peer, &failure);
        let lost = LostOutput {
            bytes: lost as u64,
            reason: failure.reason(),
        };
        if let Some(protocol) = self.phase.protocol_mut() {
            protocol.lose(lost, &mut self.unlogged, turn);
        }
        self.link.drop_unsent();
        turn.splices.clear();
        self.phase.stop();
    }

    /// Has the close of the socket reset the connection if the client would take an orderly end for the end of content
    /// that it has not got whole (RFC 9112 §8): content without a length, for a client of HTTP/1.0. To be called before
    /// every end but the one that [`Connection::settle`] comes to in order, with all output sent.
    pub fn reset_within_content(&mut self, world: &mut Outside<K, F>) {
        let protocol = self.phase.protocol();
        if protocol.is_some_and(|protocol| protocol.content_end() != ContentEnd::Told)
            && let Err(error) = world.reset_at_close(self.link.socket())
        {
            log::debug!("{}: cut short without a reset: {error}", self.peer);
        }
    }

    /// Moves on to the phase that follows, if one does.
    pub(super) fn settle(
        &mut self,
        wish: Wish,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        // What was kept because the output is blocked, or the turn's budget used up, is still to be
        // heard: with requests among it, no end of the input is theirs.
        let heard_out =
            self.link.unsent().is_empty() && !matches!(wish, Wish::Again | Wish::Introduced);
        let ended = self.link.has_ended() && heard_out;
        match &mut self.phase {
            Phase::Opening { .. } if ended => self.phase.stop(),
            Phase::Serving(Serving { protocol, .. }) => {
                let is_cut = ended && protocol.finish_input(&self.kept, turn).is_err();
                // What the peer's windows let pass was made in this turn, unless a disk has it still or a rule
                // holds it back, and nobody will open them any more or send the rest of a request.
                let is_gone = ended && !protocol.goes_on_alone()
                    || self.link.is_closing() && protocol.waits_for_handler();
                let hears_end = ended && protocol.hears_end();
                let ends_output = protocol.has_ended_output();
                if is_cut {
                    let output = protocol.take_output();
                    self.send(&output, wire, world, turn)?;
                    self.phase.stop();
                } else if hears_end {
                    return Ok(Wish::Again);
                } else if is_gone || protocol.is_over() {
                    self.phase.stop();
                } else if ends_output {
                    self.end_side(wire, world, turn)?;
                }
            }
            _ => {}
        }
        if let Phase::Flushing(protocol) = &mut self.phase
            && self.link.unsent().is_empty()
        {
            if let Some(protocol) = protocol {
                if protocol.content_end() == ContentEnd::Missing {
                    return Ok(self.close(world, turn));
                }
                protocol.close(turn);
            }
            self.end_output(wire, world, turn)?;
            self.phase = Phase::Ending;
        }
        if let Phase::Ending = self.phase
            && self.link.unsent().is_empty()
        {
            if self.link.has_ended() {
                self.phase = Phase::Closed;
            } else {
                self.link.shutdown_write(world)?;
                self.phase = Phase::Lingering {
                    deadline: turn.services.now + turn.services.timeouts.linger,
                    budget: turn.services.limits.linger_bytes,
                };
                // What is still read is not opened any more.
                self.link.drop_session();
                self.kept = Vec::new();
                return Ok(if self.link.has_input() {
                    Wish::Again
                } else {
                    Wish::Wait
                });
            }
        }
        self.note_idleness(turn.services.now);
        Ok(if let Phase::Closed = self.phase {
            Wish::Closed
        } else {
            wish
        })
    }

    /// Ends our side of the socket behind all output, while the peer's goes on.
    fn end_side(
        &mut self,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        if self.link.unsent().is_empty() && !self.link.has_ended_output() {
            self.end_output(wire, world, turn)?;
            if self.link.unsent().is_empty() {
                self.link.shutdown_write(world)?;
            }
        }
        Ok(())
    }

    /// Tells the peer within TLS that nothing follows.
    fn end_output(
        &mut self,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        if !self.link.is_secure() {
            return Ok(());
        }
        self.link.seal_end(wire);
        self.flush_records(wire, world, turn)
    }

    /// Reads and discards until the peer has closed, or has sent more than was on its way.
    pub(super) fn linger(
        &mut self,
        buffer: &mut Vec<u8>,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<Wish> {
        buffer.resize(buffer.len().max(turn.services.limits.turn_read_bytes), 0);
        let discarded = if self.link.has_input() {
            self.receive(buffer, world, turn)?
        } else {
            0
        };
        let exhausted = match &mut self.phase {
            Phase::Lingering { budget, .. } => {
                *budget = budget.saturating_sub(discarded);
                *budget == 0
            }
            _ => false,
        };
        if exhausted || self.link.has_ended() {
            self.phase = Phase::Closed;
        }
        let is_drained = !self.link.has_input() && !self.link.has_ended();
        Ok(if is_drained { Wish::Wait } else { Wish::Again })
    }
}
