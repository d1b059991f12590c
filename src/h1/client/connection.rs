//! The client's connection as a whole: its states, its output, its end.

use super::config::ClientConfig;
use super::error::ResponseError;
use super::event::ResponseEvent;
use super::head::LastResponse;
use super::state::{ClientState, Hundred, OpenRequest, Reply, RequestContent};
#[cfg(feature = "proxy")]
use crate::h1::body::BodyDecoder;
use crate::h1::message::{Input, Persistence, Version};
use crate::h1::output::OutgoingBytes;
use crate::h1::timer::Timer;
use crate::http::Fields;
use std::sync::Arc;
use std::time::Instant;

/// One HTTP/1.1 connection of a client. The module's doc tells the order of calls.
#[derive(Debug)]
pub struct ClientConnection {
    pub(super) config: Arc<ClientConfig>,
    pub(super) output: OutgoingBytes,
    pub(super) state: ClientState,
    pub(super) timer: Timer,
    /// The latest time that the caller told.
    pub(super) now: Instant,
    pub(super) persistence: Persistence,
    pub(super) input: Input,
    /// The version of the latest final response; that of HTTP/1.1 before the first.
    pub(super) server_version: Version,
}

impl ClientConnection {
    /// A connection on which nothing was sent.
    pub fn new(config: Arc<ClientConfig>, now: Instant) -> ClientConnection {
        let timer = Timer::after(now, config.idle_timeout);
        ClientConnection {
            config,
            output: OutgoingBytes::default(),
            state: ClientState::Idle,
            timer,
            now,
            persistence: Persistence::KeepAlive,
            input: Input::Starved,
            server_version: Version::Http11,
        }
    }

    /// Takes a prefix off the input and returns its meaning, at most one event a call.
    ///
    /// `None` means that more bytes are needed, to be offered behind what is left of the input, or that
    /// nothing is awaited. `fields` is cleared and filled when the event has fields. After an error the
    /// connection takes nothing more.
    pub fn receive<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        now: Instant,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        self.receive_known(input, fields, None, now)
    }

    /// As [`ClientConnection::receive`], but a head whose bytes are those of the `last` one is compared instead of
    /// parsed. Several connections can have one `last`.
    pub fn receive_like<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: &mut LastResponse,
        now: Instant,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        self.receive_known(input, fields, Some(last), now)
    }

    fn receive_known<'e, 'i: 'e>(
        &mut self,
        input: &mut &'i [u8],
        fields: &'e mut Fields,
        last: Option<&mut LastResponse>,
        now: Instant,
    ) -> Result<Option<ResponseEvent<'e>>, ResponseError> {
        self.now = now;
        self.timer.resume(now);
        let event = self.step(input, fields, last);
        let event = event.inspect_err(|_| self.close())?;
        match event {
            Some(_) => self.note_event(input),
            None if !self.has_ended() => self.input = Input::Starved,
            None => {}
        }
        Ok(event)
    }

    /// Notes that an event was taken off the input, and what is left of it.
    pub(super) fn note_event(&mut self, rest: &[u8]) {
        if !self.has_ended() {
            self.input = if rest.is_empty() {
                Input::Starved
            } else {
                Input::Flowing
            };
        }
    }

    /// Notes that the server has ended its side: nothing will follow the caller's input, which is
    /// offered to [`ClientConnection::receive`] once more, even if it is empty. Content without a
    /// length of its own ends there. Everything else that is incomplete is an error.
    ///
    /// Over TLS it is called only after the server's `close_notify`. Without that an attacker may have
    /// cut the connection (RFC 9112 §9.8), and [`ClientConnection::abort`] is called instead.
    pub fn finish_input(&mut self) {
        self.input = Input::Finished;
        if matches!(self.state, ClientState::Idle) {
            self.close();
        }
    }

    /// Goes on to the next request or closes, once the response is complete and so is the request.
    pub(super) fn conclude(&mut self) {
        let ClientState::Open(open) = &self.state else {
            return;
        };
        match (&open.reply, open.content, self.persistence) {
            (Reply::Done, _, Persistence::Close) => self.close(),
            (Reply::Done, RequestContent::Done, Persistence::KeepAlive) => {
                if self.has_ended() {
                    self.close();
                    return;
                }
                self.state = ClientState::Idle;
                self.timer = Timer::after(self.now, self.config.idle_timeout);
            }
            _ => {}
        }
    }

    /// Closes the connection: it reads and writes nothing from here on.
    pub(super) fn close(&mut self) {
        self.output.discard(self.state.outgoing());
        self.state = ClientState::Closed;
        self.timer = Timer::Off;
    }

    /// Closes without waiting for the rest of the response; content that was not committed is taken back.
    pub fn abort(&mut self) {
        self.close();
    }

    /// Ends the connection after the current response; at once if no request is open.
    pub fn shutdown(&mut self) {
        self.persistence = Persistence::Close;
        if matches!(self.state, ClientState::Idle) {
            self.close();
        }
    }

    /// Makes the next request the last one. It announces that by `connection: close`.
    pub fn expect_last(&mut self) {
        self.persistence = Persistence::Close;
    }

    /// True if a request can be sent: none is open, and no input is left behind the response, which would be
    /// taken for the next response (RFC 9112 §9.2).
    pub fn is_idle(&self) -> bool {
        matches!(self.state, ClientState::Idle) && self.input == Input::Starved
    }

    /// True if the server has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        self.input == Input::Finished
    }

    /// True if the connection will read and write no more.
    pub fn wants_close(&self) -> bool {
        matches!(self.state, ClientState::Closed)
    }

    /// True if another protocol has the connection, and the rest of its input.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.state, ClientState::Tunnel)
    }

    /// True while the content of the request waits for `100 Continue`: until the server sends it or the
    /// time for it is over. Content that is sent nevertheless goes out at once.
    pub fn awaits_continue(&self) -> bool {
        self.open()
            .is_some_and(|open| open.hundred == Hundred::Awaited)
    }

    /// True if content of the request is still to be sent.
    pub fn is_sending(&self) -> bool {
        self.state.outgoing().is_some()
    }

    /// Bytes of the content that is being received that are still to come, if their number is known: those of a
    /// chunk are not.
    #[cfg(feature = "proxy")]
    pub(crate) fn content_to_come(&self) -> Option<u64> {
        match &self.open()?.reply {
            Reply::Body(BodyDecoder::Length(left)) => Some(*left),
            _ => None,
        }
    }

    /// True if the final response has not begun yet.
    pub fn awaits_response(&self) -> bool {
        self.open()
            .is_some_and(|open| matches!(open.reply, Reply::Head(_)))
    }

    fn open(&self) -> Option<&OpenRequest> {
        match &self.state {
            ClientState::Open(open) => Some(open),
            _ => None,
        }
    }

    /// The bytes to send so far.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output.bytes
    }

    /// Lends an empty buffer for the output; bytes that are in the output already are kept in front.
    pub fn lend_output(&mut self, buffer: Vec<u8>) {
        self.output.lend(buffer);
    }

    /// Takes the output, and the buffer with it.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.output.take()
    }
}
