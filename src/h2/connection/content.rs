//! DATA as it comes (RFC 9113 §6.1, §6.9).
//!
//! Every byte of a DATA frame counts against the connection's window, whatever becomes of the stream;
//! so every byte that no user gets is given back here at once, and the window never leaks.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::Connection;
use super::receive::Received;
use super::sections::length_mismatch;
use super::streams::Absent;
use crate::h2::error::{ConnectionError, ErrorCode, FrameFault, StreamError};
use crate::h2::event::Event;
use crate::h2::frame::{FrameHeader, decode, flag};
use crate::h2::ids::Closing;
use crate::h2::stream::{Half, Passage, StreamState};
use crate::h2::turn::StreamSlot;

/// DATA of so few bytes that does not end its stream is of no use (CVE-2019-9518).
const USELESS_LEN: usize = 1;

impl Connection {
    pub(super) fn receive_data<'i>(
        &mut self,
        header: FrameHeader,
        payload: &'i [u8],
    ) -> Result<Received<'i>, FrameFault> {
        let id = header.stream_id;
        if id == 0 {
            return Err(ConnectionError::protocol("DATA on stream 0").into());
        }
        let data = decode::unpad(header, payload)?;
        if self.inbound.receive(header.len).is_err() {
            let reason = "DATA beyond the connection's window";
            return Err(ConnectionError::flow_control(reason).into());
        }
        let Some(slot) = self.streams.find(id) else {
            return self.late_data(header);
        };
        let end_stream = header.has(flag::END_STREAM);
        let ready = self.check_data(slot);
        let taken = ready.and_then(|()| self.take_data(slot, header.len, data.len(), end_stream));
        if let Err(fault) = taken {
            self.release_connection(header.len);
            return Err(fault);
        }
        if end_stream || data.len() > USELESS_LEN {
            self.budget.useful_frame();
        } else {
            self.budget.useless_frame(&self.config.budgets)?;
        }
        let stream = self.streams.key_of(slot);
        if self.streams[slot].discards.is_some() {
            return self.discard_data(slot, header.len, end_stream);
        }
        if end_stream {
            self.pass_remote(slot, Passage::Data { end_stream })?;
        } else if data.is_empty() {
            // Nobody is told of it, so nobody else gives its padding back.
            self.give_back(slot, header.len);
            return Ok(Received::Nothing);
        }
        Ok(Received::Event(Event::Data {
            stream,
            data,
            flow_controlled_len: header.len,
            end_stream,
        }))
    }

    /// Refuses DATA that the stream's state does not allow.
    fn check_data(&self, slot: StreamSlot) -> Result<(), FrameFault> {
        let stream = &self.streams[slot];
        match (stream.state, stream.state.remote()) {
            (_, Some(Half::Body)) => Ok(()),
            (StreamState::ReservedLocal | StreamState::ReservedRemote, _) => {
                Err(ConnectionError::protocol("DATA on a promised stream").into())
            }
            (_, Some(Half::Head)) => {
                // §8.1
                let error = StreamError::protocol("DATA before HEADERS");
                Err(FrameFault::stream(stream.id, error))
            }
            (_, None) => {
                let reason = "DATA on a half-closed stream";
                let error = StreamError::new(ErrorCode::STREAM_CLOSED, reason);
                Err(FrameFault::stream(stream.id, error))
            }
        }
    }

    /// Windows and content-length; the stream holds the bytes afterwards.
    fn take_data(
        &mut self,
        slot: StreamSlot,
        len: u32,
        content_len: usize,
        end_stream: bool,
    ) -> Result<(), FrameFault> {
        let stream = &mut self.streams[slot];
        let id = stream.id;
        let mut content = stream.content;
        let counted = content.receive(content_len);
        if counted.is_err() || end_stream && content.finish().is_err() {
            return Err(length_mismatch(id));
        }
        if stream.receive_window.receive(len).is_err() {
            let reason = "DATA beyond the stream's window";
            let error = StreamError::new(ErrorCode::FLOW_CONTROL_ERROR, reason);
            return Err(FrameFault::stream(id, error));
        }
        stream.content = content;
        stream.received.add(len, self.config.upload_stall_bytes);
        Ok(())
    }

    /// DATA that nobody reads.
    fn discard_data<'i>(
        &mut self,
        slot: StreamSlot,
        len: u32,
        end_stream: bool,
    ) -> Result<Received<'i>, FrameFault> {
        if end_stream {
            self.pass_remote(slot, Passage::Data { end_stream })?;
            return Ok(Received::Nothing);
        }
        let left = self.streams[slot]
            .discards
            .and_then(|left| left.checked_sub(len));
        if left.is_none() {
            self.reset_slot(slot, ErrorCode::NO_ERROR);
            return Ok(Received::Nothing);
        }
        self.streams[slot].discards = left;
        self.give_back(slot, len);
        Ok(Received::Nothing)
    }

    /// DATA on a stream that does not live.
    fn late_data<'i>(&mut self, header: FrameHeader) -> Result<Received<'i>, FrameFault> {
        let id = header.stream_id;
        self.release_connection(header.len);
        match self.streams.absent(id) {
            Absent::Idle => Err(ConnectionError::protocol("DATA on an idle stream").into()),
            // §6.1; what was skipped is as closed as what has ended (§5.1.1).
            Absent::Closed(Closing::Skipped | Closing::Ended | Closing::ResetByPeer) => {
                let reason = "DATA on a closed stream";
                let error = StreamError::new(ErrorCode::STREAM_CLOSED, reason);
                Err(FrameFault::stream(id, error))
            }
            Absent::Closed(Closing::ResetByUs) | Absent::Forgotten => {
                let len = header.len as usize;
                self.budget.late_data(&self.config.budgets, len)?;
                if len <= USELESS_LEN {
                    self.budget.useless_frame(&self.config.budgets)?;
                }
                Ok(Received::Nothing)
            }
        }
    }
}
