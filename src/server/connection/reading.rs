//! Input from the socket: when and how much is read, and the opening of its TLS records.

use super::{Connection, InputFlow, Left, OutputRoom, Phase, wrong_port};
use crate::http::Fields;
use crate::server::config::Limits;
use crate::server::protocol::Protocol;
use crate::server::services::Services;
use crate::server::turn::Turn;
use crate::tls::Names;
use crate::tls::records::{WireBuffer, room_behind};
use crate::world::{Files, Outside};
use std::io;

/// Bytes that an incomplete frame or head takes beside its payload or fields.
pub(super) const KEPT_SLACK: usize = 1 << 10;

/// Input of this length has its turn measured by the clock: tiny records and frames take up to a hundred
/// times what their bytes tell, and 20 of them 15 to 30 µs. Reading the clock takes 0.05 µs.
const MEASURED: usize = 512;

/// Reads of a turn that are one where content of a request comes: with four records of TLS at a time, an upload takes
/// a quarter of the system calls.
const BULK: usize = 4;

/// Kept input of this length is added to where it lies. Shorter input is copied to the new bytes in a
/// shared buffer, so that a connection's own buffer never has room for a whole turn's.
const LONG: usize = 64 << 10;

/// The longest frame or head that may be incomplete. What is kept beyond that was left by the turn's
/// budgets, and comes first.
fn incomplete<F: Files>(services: &Services<F>) -> usize {
    services
        .http1
        .head_bytes
        .max(services.http2.max_frame_size as usize)
        + KEPT_SLACK
}

impl<K, F: Files> Connection<K, F> {
    /// Input for the protocol: bytes that were kept, and new ones if they are wanted.
    pub(super) fn input<'b>(
        &mut self,
        read: &'b mut Vec<u8>,
        plain: &'b mut Vec<u8>,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<&'b [u8]> {
        plain.clear();
        if !self.wants_input(&turn.services.limits) || self.has_whole_input(turn.services) {
            plain.append(&mut self.kept);
            self.kept = Vec::new();
            return Ok(plain);
        }
        let budget = self.read_budget(&turn.services.limits);
        let kept = std::mem::take(&mut self.kept);
        if !self.link.is_secure() {
            let len = self.receive(room_behind(&kept, read, budget), world, turn)?;
            return Ok(read.get(..kept.len() + len).unwrap_or_default());
        }
        plain.extend_from_slice(&kept);
        let room = self.link.room(read, budget);
        let len = self.receive(room, world, turn)?;
        self.open_records(read, len, plain, wire, world, turn)?;
        Ok(plain)
    }

    /// The most bytes that are read in this turn.
    fn read_budget(&self, limits: &Limits) -> usize {
        let protocol = self.phase.protocol();
        if self.flow == InputFlow::Content || protocol.is_some_and(Protocol::receives_content) {
            BULK * limits.turn_read_bytes
        } else {
            limits.turn_read_bytes
        }
    }

    /// True if the kept bytes hold whole frames or heads, which come before anything new is read.
    fn has_whole_input(&self, services: &Services<F>) -> bool {
        self.left == Left::Whole && !self.kept.is_empty() || self.kept.len() > incomplete(services)
    }

    /// Input that was kept, if there is so much that copying it in every turn would be felt.
    pub(super) fn take_long(&mut self) -> Option<Vec<u8>> {
        (self.kept.len() >= LONG).then(|| std::mem::take(&mut self.kept))
    }

    /// Input as [`Connection::input`] returns it, where so much was kept that new bytes are put behind it
    /// instead of all into a shared buffer.
    pub(super) fn long_input<'b>(
        &mut self,
        kept: &'b mut Vec<u8>,
        read: &mut Vec<u8>,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<&'b [u8]> {
        if !self.wants_input(&turn.services.limits)
            || self.left == Left::Whole
            || kept.len() > incomplete(turn.services)
        {
            return Ok(kept);
        }
        let budget = self.read_budget(&turn.services.limits);
        if self.link.is_secure() {
            let room = self.link.room(read, budget);
            let len = self.receive(room, world, turn)?;
            self.open_records(read, len, kept, wire, world, turn)?;
        } else {
            let before = kept.len();
            kept.resize(before + budget, 0);
            let len = self.receive(kept.split_at_mut(before).1, world, turn)?;
            kept.truncate(before + len);
        }
        Ok(kept)
    }

    /// Keeps the last `left` bytes of long input: all of it where it is, and of less a copy, so that no
    /// more is held than that.
    pub(super) fn keep_long(&mut self, mut kept: Vec<u8>, left: usize) {
        let taken = kept.len().saturating_sub(left);
        self.kept = match taken {
            0 => kept,
            _ => kept.split_off(taken),
        };
    }

    /// Opens the TLS records in `buffer`, into which `read` bytes were read, and sends what the handshake
    /// answers. Where a request has come along, that waits in `wire` for the first output: a session's ticket goes
    /// in one system call with the first answer.
    pub(super) fn open_records(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<()> {
        let came = self.link.waiting() + read;
        if let Phase::Opening { .. } = self.phase
            && let Some(tls) = &turn.services.tls
        {
            tls.enter(self.names);
            if let Some(session) = self.link.session_mut() {
                tls.suit(session, buffer.get(..came).unwrap_or_default());
            }
        }
        let opened = self.link.open(buffer, read, plain, wire);
        if let Phase::Opening { .. } = self.phase
            && let Some(tls) = &turn.services.tls
            && let names = tls.take_names()
            && names != Names::Any
        {
            self.names = names;
        }
        if let Err(error) = opened {
            turn.services.report_tls(turn.name(self.peer), &error);
            if let Phase::Opening { .. } = self.phase
                && let Some((answer, len)) =
                    wrong_port::answer(buffer.get(..came).unwrap_or_default())
            {
                wire.clear();
                wire.append(&answer);
                let reason = "plain HTTP on a port of TLS";
                let answered = (400, len as u64);
                turn.log_refusal(self.peer, "HTTP/1.1", &Fields::new(), reason, answered);
            }
            self.phase.stop();
            plain.clear();
        }
        let is_answered = matches!(self.phase, Phase::Opening { .. } | Phase::Serving(_));
        if is_answered && !plain.is_empty() {
            return Ok(());
        }
        self.flush_records(wire, world, turn)
    }

    /// True if the socket is to be read: bytes may be there, the protocol has use for them, and little
    /// enough output waits.
    pub(super) fn wants_input(&self, limits: &Limits) -> bool {
        let room = self.output_room(limits.output_bytes, limits);
        self.link.has_input()
            && match self.phase.protocol() {
                Some(protocol) => protocol.wants_input(room),
                None => !matches!(room, OutputRoom::None),
            }
    }

    /// Reads once, and has a turn with much input measured.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        world: &mut Outside<K, F>,
        turn: &mut Turn<'_, F>,
    ) -> io::Result<usize> {
        let len = self.link.receive(world, buffer)?;
        turn.services.traffic.received += len as u64;
        #[cfg(feature = "panel")]
        if let Some(seen) = &mut self.seen {
            seen.count_received(len);
        }
        let is_interrupted = len == 0 && self.link.has_input();
        self.watch.count(len.max(usize::from(is_interrupted)));
        if len >= MEASURED {
            turn.measure(|| world.now());
        }
        Ok(len)
    }
}
