//! What comes from the socket: when it is read, how much of it, and what it is behind its TLS records.

use super::{Connection, Phase, ReadSide, wrong_port};
use crate::http::Fields;
use crate::server::context::Context;
use crate::server::transport::{Opened, Transport, WireBuffer};
use crate::tls::Names;
use crate::tls::records::room_behind;
use crate::world::World;
use std::io;

/// What an incomplete frame or head takes beside its payload or fields.
const KEPT_SLACK: usize = 1 << 10;

impl<W: World> Connection<W> {
    /// What there is for the protocol: bytes that were kept, and new ones if they are wanted.
    pub(super) fn input<'b>(
        &mut self,
        read: &'b mut Vec<u8>,
        plain: &'b mut Vec<u8>,
        wire: &mut WireBuffer,
        cx: &mut Context<W>,
    ) -> io::Result<&'b [u8]> {
        plain.clear();
        // Beyond an incomplete frame or head, it is what the turn's budgets left: that comes first.
        let incomplete = cx.http1.head_bytes.max(cx.http2.max_frame_size as usize) + KEPT_SLACK;
        if !self.wants_input(cx) || self.kept.len() > incomplete {
            plain.append(&mut self.kept);
            self.kept = Vec::new();
            return Ok(plain);
        }
        let budget = cx.limits.turn_read_bytes;
        let kept = std::mem::take(&mut self.kept);
        match &mut self.transport {
            Transport::Plain => {
                let len = self.receive(room_behind(&kept, read, budget), cx)?;
                Ok(read.get(..kept.len() + len).unwrap_or_default())
            }
            Transport::Tls(tls) => {
                plain.extend_from_slice(&kept);
                let room = tls.room(read, budget);
                let len = self.receive(room, cx)?;
                self.open_records(read, len, plain, wire, cx)?;
                Ok(plain)
            }
        }
    }

    /// Opens the TLS records in `buffer`, into which `read` bytes were read, and sends what the handshake
    /// answers.
    fn open_records(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        plain: &mut Vec<u8>,
        wire: &mut WireBuffer,
        cx: &mut Context<W>,
    ) -> io::Result<()> {
        let Transport::Tls(tls) = &mut self.transport else {
            return Ok(());
        };
        wire.clear();
        let came = tls.waiting() + read;
        let opened = tls.open(buffer, read, plain, wire);
        if let Phase::Opening { .. } = self.phase
            && let Some(tls) = &cx.tls
            && tls.take_names() == Names::Certificate
        {
            self.names = Names::Certificate;
        }
        match opened {
            Ok(Opened::Open) => {}
            Ok(Opened::Ended) => self.read = ReadSide::Ended,
            Err(error) => {
                cx.report_tls(self.peer, &error);
                if let Phase::Opening { .. } = self.phase
                    && let Some((answer, len)) =
                        wrong_port::answer(buffer.get(..came).unwrap_or_default())
                {
                    wire.clear();
                    wire.append(&answer);
                    let reason = "plain HTTP on a port of TLS";
                    let answered = (400, len as u64);
                    cx.log_refusal(self.peer, "HTTP/1.1", &Fields::new(), reason, answered);
                }
                self.phase = Phase::Flushing;
                plain.clear();
            }
        }
        if wire.filled().is_empty() {
            return Ok(());
        }
        self.flush(wire.filled(), cx)
    }

    /// Whether to read from the socket: there may be something, the protocol has use for it, and
    /// little enough output waits.
    pub(super) fn wants_input(&self, cx: &Context<W>) -> bool {
        matches!(self.read, ReadSide::Readable | ReadSide::Closing)
            && self.output_room(cx) > 0
            && self.protocol.wants_input(!self.unsent.is_empty())
    }

    /// Reads once. A read shorter than the buffer took everything: the next edge will tell of more.
    pub(super) fn receive(&mut self, buffer: &mut [u8], cx: &mut Context<W>) -> io::Result<usize> {
        match cx.world.read(&mut self.socket, buffer) {
            Ok(0) => {
                self.read = ReadSide::Ended;
                Ok(0)
            }
            Ok(len) => {
                if len < buffer.len() && self.read == ReadSide::Readable {
                    self.read = ReadSide::Drained;
                }
                Ok(len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.read = ReadSide::Drained;
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}
