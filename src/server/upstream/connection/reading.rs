//! Reading of responses: as much as the other side of the call has room for, and passing it on.

use std::rc::Rc;
use std::time::Instant;

use super::{Flow, ReplyProgress, STEPS, UpstreamConnection};
use crate::exchange::Call;
use crate::h1::{LastResponse, ResponseError, ResponseEvent, SharedResponse};
use crate::http::Fields;
use crate::server::lent::Buffers;
use crate::server::upstream::channel::ReceivedBytes;
use crate::server::upstream::config::UpstreamLimits;
use crate::server::upstream::loss::UpstreamLoss;
use crate::world::{Files, Outside};

/// The least content to come, in bytes, for which a buffer of its own is taken.
const LENT: u64 = 16 << 10;

impl<K, F: Files> UpstreamConnection<K, F> {
    /// True if more of the response can be passed on, or an end is looked for.
    pub(in crate::server::upstream) fn wants_input(&self) -> bool {
        match &self.call {
            Some(call) if !call.is_answered() => call.wants_reply(),
            _ => true,
        }
    }

    /// Reads while there is something to read and room for it.
    pub(super) fn read(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        limits: &UpstreamLimits,
        now: Instant,
    ) -> Result<Flow, UpstreamLoss> {
        for _ in 0..STEPS {
            if self.core.is_tunnel() {
                self.tunnel_deadline
                    .get_or_insert(now + limits.idle_timeout);
            }
            if !self.channel.has_input() {
                return Ok(Flow::Paused);
            }
            if !self.wants_input() {
                self.core.pause_input(now);
                return Ok(Flow::Paused);
            }
            if self.lends_content() {
                self.read_content(world, buffers, now)?;
                continue;
            }
            let ReceivedBytes {
                bytes,
                fields,
                last,
                is_news,
            } = self.channel.receive(world, buffers)?;
            if self.channel.has_ended() {
                self.core.finish_input();
            }
            if is_news {
                self.answer = ReplyProgress::Begun;
            }
            if self.core.is_tunnel() {
                self.pass_on(bytes, now + limits.idle_timeout);
                continue;
            }
            let taken = self.receive(bytes, None, (fields, last), now)?;
            self.channel.keep(bytes.get(taken..).unwrap_or_default());
        }
        Ok(Flow::More)
    }

    /// True if so much content is to come that it is sent from the buffer that it is read into.
    fn lends_content(&self) -> bool {
        let to_come = self.core.content_to_come();
        to_come.is_some_and(|to_come| to_come >= LENT) && self.channel.can_lend()
    }

    /// Reads content once into a buffer that it is sent from.
    fn read_content(
        &mut self,
        world: &mut Outside<K, F>,
        buffers: &mut Buffers,
        now: Instant,
    ) -> Result<(), UpstreamLoss> {
        let Buffers {
            replies,
            fields,
            last_response: last,
            ..
        } = buffers;
        let mut buffer = replies.take();
        let room = Rc::get_mut(&mut buffer).unwrap_or_default();
        let len = self.channel.receive_into(world, room)?;
        if self.channel.has_ended() {
            self.core.finish_input();
        }
        let bytes = buffer.get(..len).unwrap_or_default();
        let taken = self.receive(bytes, Some(&buffer), (fields, last), now)?;
        self.channel.keep(bytes.get(taken..).unwrap_or_default());
        replies.keep(buffer);
        Ok(())
    }

    /// Passes on bytes of another protocol, or its end.
    fn pass_on(&mut self, bytes: &[u8], deadline: Instant) {
        self.tunnel_deadline = Some(deadline);
        let Some(call) = &self.call else {
            return;
        };
        if !bytes.is_empty() {
            call.give_content(bytes);
        }
        if self.channel.has_ended() {
            call.complete(None);
        }
    }

    /// Passes on what `input` holds of the response, and returns the number of bytes that were taken. Content is
    /// lent where `input` is the beginning of a buffer for that.
    fn receive(
        &mut self,
        mut input: &[u8],
        buffer: Option<&Rc<[u8]>>,
        (fields, last): (&mut Fields, &mut LastResponse),
        now: Instant,
    ) -> Result<usize, UpstreamLoss> {
        let len = input.len();
        if let Some(call) = &self.call
            && let Some(response) = self.core.receive_last_head(&mut input, last, now)
        {
            let SharedResponse {
                fields,
                version,
                end_stream,
            } = response;
            self.reuse.note(version);
            give_head(call, fields, end_stream, now);
        }
        loop {
            // A head is read into the place that it is passed on in.
            let awaiting = self.call.as_ref().filter(|_| self.core.awaits_response());
            let mut head = awaiting.map(Call::spare_head);
            let place = head.as_mut().map(Rc::make_mut);
            let place = place.unwrap_or(&mut *fields);
            let event = self.core.receive_like(&mut input, place, last, now);
            let Some(event) = event.map_err(UpstreamLoss::Response)? else {
                return Ok(len - input.len());
            };
            let Some(call) = &self.call else {
                return Err(UpstreamLoss::Response(ResponseError::Unsolicited));
            };
            match event {
                ResponseEvent::Informational { fields } => {
                    call.give_interim(fields);
                }
                ResponseEvent::Response {
                    version,
                    end_stream,
                    ..
                } => {
                    self.reuse.note(version);
                    give_head(call, head.unwrap_or_default(), end_stream, now);
                }
                ResponseEvent::Data { data, end_stream } => {
                    // Content is behind all that was taken before.
                    let end = len - input.len();
                    match buffer {
                        Some(buffer) => call.lend_content(buffer, end - data.len()..end),
                        None => call.give_content(data),
                    }
                    if end_stream {
                        call.complete(None);
                    }
                }
                ResponseEvent::Trailers { fields } => call.complete(Some(fields)),
                ResponseEvent::Switched { fields } => {
                    call.open_tunnel();
                    call.give_head(fields, now);
                    // The first bytes of the other protocol.
                    if !input.is_empty() {
                        call.give_content(input);
                    }
                    if self.channel.has_ended() {
                        call.complete(None);
                    }
                    return Ok(len);
                }
            }
            // Without another byte only an end can follow.
            if input.is_empty() && !self.channel.has_ended() {
                return Ok(len);
            }
        }
    }
}

/// Passes on the head of a response, and the end of one that is a head alone.
fn give_head(call: &Call, head: Rc<Fields>, is_all: bool, now: Instant) {
    call.give_own_head(head, now);
    if is_all {
        call.complete(None);
    }
}
